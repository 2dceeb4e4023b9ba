#include "library.h"

#include <dlfcn.h>

namespace millrace {

Library lib;

std::string load_library() {
#ifdef __APPLE__
  const char *file = "librdkafka.1.dylib";
#else
  const char *file = "librdkafka.so.1";
#endif
  void *handle = dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return "node-rdkafka has not loaded " + std::string(file);
#define FIND(name)                                                        \
  lib.name = reinterpret_cast<decltype(lib.name)>(dlsym(handle, #name)); \
  if (lib.name == nullptr) return "librdkafka has no " #name;
  LIBRARY_FUNCTIONS(FIND)
#undef FIND
  return "";
}

}  // namespace millrace
