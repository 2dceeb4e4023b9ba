/* Kafka's record batches to packed ones and back (unpack.h, pack.h), in libuv's pool. */
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "batch-layout.h"
#include "blocks.h"
#include "bridge.h"
#include "calls.h"
#include "pack.h"
#include "unpack.h"

namespace millrace {

namespace {

/** Converts batches between the two formats in libuv's pool; returns a list of ArrayBuffers. */
class BatchWork : public Nan::AsyncWorker {
 public:
  /** @param source owner of the bytes to read */
  BatchWork(Local<v8::Value> source, Local<v8::Value> done)
      : Nan::AsyncWorker(new Nan::Callback(done.As<v8::Function>()), "millrace:batches") {
    SaveToPersistent("source", source);
  }
  ~BatchWork() override {
    for (OwnedBytes &one : made_) give_block(one.data);
  }

  void Execute() final {
    const std::string problem = Make(&made_);
    if (!problem.empty()) SetErrorMessage(problem.c_str());
  }

 protected:
  virtual std::string Make(std::vector<OwnedBytes> *made) = 0;

  void HandleOKCallback() final {
    Nan::HandleScope scope;
    Local<v8::Array> list = Nan::New<v8::Array>(static_cast<int>(made_.size()));
    for (uint32_t i = 0; i < made_.size(); i++) {
      Nan::Set(list, i, buffer_of(&made_[i].data, made_[i].size));
    }
    Local<v8::Value> args[] = {Nan::Null(), list};
    callback->Call(2, args, async_resource);
  }

 private:
  std::vector<OwnedBytes> made_;
};

/** Record batches of a Fetch response into packed batches. */
class UnpackWork : public BatchWork {
 public:
  UnpackWork(Local<v8::Value> bytes, size_t size, int64_t from, std::vector<Aborted> aborted,
             size_t most, Local<v8::Value> done)
      : BatchWork(bytes, done),
        bytes_(reinterpret_cast<uint8_t *>(node::Buffer::Data(bytes))),
        size_(size),
        from_(from),
        aborted_(std::move(aborted)),
        most_(most) {}

 protected:
  std::string Make(std::vector<OwnedBytes> *images) override {
    return unpack(bytes_, size_, from_, std::move(aborted_), most_, images);
  }

 private:
  const uint8_t *bytes_;
  size_t size_;
  int64_t from_;
  std::vector<Aborted> aborted_;
  size_t most_;
};

}  // namespace

NAN_METHOD(Unpack) {
  auto number = [&](int i) { return Nan::To<double>(info[i]).FromJust(); };
  if (!node::Buffer::HasInstance(info[0]) || !info[3]->IsArray()) {
    return Nan::ThrowTypeError("bytes and a list of aborted transactions are needed");
  }
  const size_t size = static_cast<size_t>(number(1));
  if (size > node::Buffer::Length(info[0])) {
    return Nan::ThrowRangeError("the batches lie outside the bytes");
  }
  Local<v8::Array> list = info[3].As<v8::Array>();
  auto element = [&](uint32_t i) {
    return static_cast<int64_t>(Nan::To<double>(Nan::Get(list, i).ToLocalChecked()).FromJust());
  };
  std::vector<Aborted> aborted;
  for (uint32_t i = 0; i + 1 < list->Length(); i += 2) aborted.push_back({element(i), element(i + 1)});
  Nan::AsyncQueueWorker(new UnpackWork(info[0], size, static_cast<int64_t>(number(2)),
                                       std::move(aborted), static_cast<size_t>(number(4)), info[5]));
}

namespace {

/** A packed batch into record batches of a Produce request. */
class PackWork : public BatchWork {
 public:
  PackWork(Local<v8::ArrayBuffer> image, size_t most, Local<v8::Value> done)
      : BatchWork(image, done), image_(image->GetBackingStore()), most_(most) {}

 protected:
  std::string Make(std::vector<OwnedBytes> *batches) override {
    return pack(static_cast<const uint8_t *>(image_->Data()), most_, batches);
  }

 private:
  std::shared_ptr<v8::BackingStore> image_;
  size_t most_;
};

}  // namespace

NAN_METHOD(Pack) {
  if (!info[0]->IsArrayBuffer() || info[0].As<v8::ArrayBuffer>()->ByteLength() < kHeaderBytes) {
    return Nan::ThrowTypeError("the image of a packed batch is needed");
  }
  const auto most = static_cast<size_t>(Nan::To<double>(info[1]).FromJust());
  Nan::AsyncQueueWorker(new PackWork(info[0].As<v8::ArrayBuffer>(), most, info[2]));
}

}  // namespace millrace
