#include "bridge.h"

#include <utility>

#include "blocks.h"

namespace millrace {

Local<v8::String> text(const std::string &from) {
  return Nan::New<v8::String>(from).ToLocalChecked();
}

void set(Local<v8::Object> object, const char *name, Local<v8::Value> value) {
  Nan::Set(object, text(name), value);
}

Local<v8::Object> place(const std::string &topic, int partition) {
  Local<v8::Object> object = Nan::New<v8::Object>();
  if (!topic.empty()) {
    set(object, "topic", text(topic));
    set(object, "partition", Nan::New<v8::Number>(partition));
  }
  return object;
}

Local<v8::Array> ends_of(const std::vector<End> &ends) {
  Local<v8::Array> list = Nan::New<v8::Array>(static_cast<int>(ends.size()));
  for (uint32_t i = 0; i < ends.size(); i++) {
    Local<v8::Object> object = place(ends[i].topic, ends[i].partition);
    set(object, "offset", Nan::New<v8::Number>(static_cast<double>(ends[i].offset)));
    Nan::Set(list, i, object);
  }
  return list;
}

Local<v8::Array> failures_of(const std::vector<Failure> &failures) {
  Local<v8::Array> list = Nan::New<v8::Array>(static_cast<int>(failures.size()));
  for (uint32_t i = 0; i < failures.size(); i++) {
    Local<v8::Object> object = place(failures[i].topic, failures[i].partition);
    set(object, "code", Nan::New<v8::Number>(failures[i].code));
    set(object, "message", text(failures[i].message));
    Nan::Set(list, i, object);
  }
  return list;
}

Local<v8::ArrayBuffer> buffer_of(uint8_t **data, size_t size) {
  auto release = [](void *memory, size_t, void *) {
    give_block(static_cast<uint8_t *>(memory));
  };
  auto store = v8::ArrayBuffer::NewBackingStore(std::exchange(*data, nullptr), size, release, nullptr);
  return v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(store));
}

NodeKafka::Connection *connection_of(Local<v8::Value> client) {
  return Nan::ObjectWrap::Unwrap<NodeKafka::Connection>(client.As<v8::Object>());
}

}  // namespace millrace
