/*
 * Packed messages for node-rdkafka's clients: one call per batch instead of one object per message.
 * Batches have the layout of engine/record/batch.ts, headers that of record/headers.ts.
 */
#include <string>

#include "calls.h"
#include "library.h"

namespace millrace {

NAN_MODULE_INIT(Initialise) {
  std::string problem = load_library();
  if (!problem.empty()) return Nan::ThrowError(problem.c_str());
  Nan::SetMethod(target, "poll", Poll);
  Nan::SetMethod(target, "watch", Watch);
  Nan::SetMethod(target, "produce", Produce);
  Nan::SetMethod(target, "release", Release);
  Nan::SetMethod(target, "flush", Flush);
  Nan::SetMethod(target, "committed", Committed);
  Nan::SetMethod(target, "endOffsets", EndOffsets);
  Nan::SetMethod(target, "sendOffsets", SendOffsets);
  Nan::SetMethod(target, "deleteRecords", DeleteRecords);
  Nan::SetMethod(target, "unpack", Unpack);
  Nan::SetMethod(target, "pack", Pack);
  Nan::SetMethod(target, "membership", Membership);
}

}  // namespace millrace

NODE_MODULE(packed, millrace::Initialise)
