/*
 * Packed messages beside node-rdkafka: one call a batch instead of one object a message.
 *
 * The clients are node-rdkafka's. Their C++ object is unwrapped to reach librdkafka's handle; librdkafka
 * itself is the very library that node-rdkafka has loaded, found by name, so that there is one of it in
 * the process. Batches have the layout of engine/record/batch.ts, headers that of record/headers.ts.
 *
 * Threads: polls, flushes and questions run in libuv's pool and hold the client's read lock, so that a
 * disconnect waits for them. librdkafka calls the interceptors on its own threads.
 */
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "batch-layout.h"
#include "pack.h"
#include "rdkafka.h"
#include "unpack.h"
#include "src/connection.h"

namespace {

// ---- librdkafka, as loaded by node-rdkafka ---------------------------------------------------------

#define FUNCTIONS(F)                          \
  F(rd_kafka_AdminOptions_destroy)            \
  F(rd_kafka_AdminOptions_new)                \
  F(rd_kafka_AdminOptions_set_request_timeout) \
  F(rd_kafka_DeleteRecords)                   \
  F(rd_kafka_DeleteRecords_destroy)           \
  F(rd_kafka_DeleteRecords_new)               \
  F(rd_kafka_DeleteRecords_result_offsets)    \
  F(rd_kafka_ListOffsets)                     \
  F(rd_kafka_ListOffsetsResultInfo_topic_partition) \
  F(rd_kafka_ListOffsets_result_infos)        \
  F(rd_kafka_committed)                       \
  F(rd_kafka_conf_interceptor_add_on_conf_dup) \
  F(rd_kafka_conf_interceptor_add_on_new)     \
  F(rd_kafka_consumer_group_metadata)         \
  F(rd_kafka_consumer_group_metadata_destroy) \
  F(rd_kafka_consumer_group_metadata_generation_id) \
  F(rd_kafka_consumer_group_metadata_group_id) \
  F(rd_kafka_consumer_group_metadata_group_instance_id) \
  F(rd_kafka_consumer_group_metadata_member_id) \
  F(rd_kafka_consumer_poll)                   \
  F(rd_kafka_err2str)                         \
  F(rd_kafka_error_code)                      \
  F(rd_kafka_error_destroy)                   \
  F(rd_kafka_error_string)                    \
  F(rd_kafka_event_DeleteRecords_result)      \
  F(rd_kafka_event_ListOffsets_result)        \
  F(rd_kafka_event_destroy)                   \
  F(rd_kafka_event_error)                     \
  F(rd_kafka_event_error_string)              \
  F(rd_kafka_fatal_error)                     \
  F(rd_kafka_flush)                           \
  F(rd_kafka_header_add)                      \
  F(rd_kafka_header_get_all)                  \
  F(rd_kafka_headers_destroy)                 \
  F(rd_kafka_headers_new)                     \
  F(rd_kafka_interceptor_add_on_acknowledgement) \
  F(rd_kafka_interceptor_add_on_send)         \
  F(rd_kafka_message_destroy)                 \
  F(rd_kafka_message_errstr)                  \
  F(rd_kafka_message_headers)                 \
  F(rd_kafka_message_status)                  \
  F(rd_kafka_message_timestamp)               \
  F(rd_kafka_producev)                        \
  F(rd_kafka_queue_destroy)                   \
  F(rd_kafka_queue_new)                       \
  F(rd_kafka_queue_poll)                      \
  F(rd_kafka_send_offsets_to_transaction)     \
  F(rd_kafka_topic_destroy)                   \
  F(rd_kafka_topic_name)                      \
  F(rd_kafka_topic_new)                       \
  F(rd_kafka_topic_partition_list_add)        \
  F(rd_kafka_topic_partition_list_destroy)    \
  F(rd_kafka_topic_partition_list_new)        \
  F(rd_kafka_version)

#define DECLARE(name) decltype(&::name) name;
struct Library {
  FUNCTIONS(DECLARE)
} lib;
#undef DECLARE

/** Answers what is missing; empty when all functions were found. */
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
  FUNCTIONS(FIND)
#undef FIND
  return "";
}

// ---- node-rdkafka's clients ------------------------------------------------------------------------

/** Opens what the class keeps for its own. */
struct Access : NodeKafka::Connection {
  static RdKafka::Handle *handle(NodeKafka::Connection *connection) {
    return static_cast<Access *>(connection)->m_client;
  }
  static rd_kafka_conf_t *config(NodeKafka::Connection *connection) {
    return static_cast<Access *>(connection)->m_gconfig->c_ptr_global();
  }
  static uv_rwlock_t *lock(NodeKafka::Connection *connection) {
    return &static_cast<Access *>(connection)->m_connection_lock;
  }
};

/** The handle of a client for as long as the object lives; null after a disconnect. */
class Held {
 public:
  explicit Held(NodeKafka::Connection *connection) : lock_(Access::lock(connection)) {
    uv_rwlock_rdlock(lock_);
    RdKafka::Handle *handle = Access::handle(connection);
    rk = handle == nullptr ? nullptr : handle->c_ptr();
  }
  ~Held() { uv_rwlock_rdunlock(lock_); }
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  rd_kafka_t *rk;

 private:
  uv_rwlock_t *lock_;
};

/** A poll takes no more when it holds so many bytes. */
constexpr size_t kMostBytes = 32 << 20;

struct Failure {
  int code;
  std::string message;
  std::string topic;
  int partition;
};

struct End {
  std::string topic;
  int partition;
  int64_t offset;
};

// ---- Poll ------------------------------------------------------------------------------------------

/** A name of more bytes has no place in a packed batch (record/headers.ts). */
constexpr size_t kMostNameBytes = 0xffff;

size_t header_bytes(rd_kafka_message_t *message, rd_kafka_headers_t **headers, bool *long_name) {
  *headers = nullptr;
  if (lib.rd_kafka_message_headers(message, headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    *headers = nullptr;
    return 0;
  }
  size_t bytes = 0;
  const char *name;
  const void *value;
  size_t size;
  for (size_t i = 0; lib.rd_kafka_header_get_all(*headers, i, &name, &value, &size) == 0; i++) {
    if (strlen(name) > kMostNameBytes) *long_name = true;
    bytes += 6 + strlen(name) + size;
  }
  return bytes;
}

uint8_t *write_headers(uint8_t *at, rd_kafka_headers_t *headers) {
  const char *name;
  const void *value;
  size_t size;
  for (size_t i = 0; lib.rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; i++) {
    uint16_t name_length = static_cast<uint16_t>(strlen(name));
    uint32_t value_length = static_cast<uint32_t>(size);
    memcpy(at, &name_length, 2);
    memcpy(at + 2, name, name_length);
    at += 2 + name_length;
    memcpy(at, &value_length, 4);
    if (size > 0) memcpy(at + 4, value, size);
    at += 4 + size;
  }
  return at;
}

/** The messages of one partition in one poll. */
struct Group {
  rd_kafka_topic_t *rkt;
  int partition;
  std::vector<rd_kafka_message_t *> messages;
  std::vector<rd_kafka_headers_t *> headers;
  size_t bytes = 0;
};

struct Image {
  std::string topic;
  int partition;
  uint8_t *data;
  size_t size;
};

Image image_of(const Group &group) {
  size_t count = group.messages.size();
  size_t size;
  uint8_t *data = new_image(count, group.bytes, &size);
  Columns columns(data, count);
  uint8_t *at = columns.bytes;
  for (size_t i = 0; i < count; i++) {
    rd_kafka_message_t *message = group.messages[i];
    rd_kafka_timestamp_type_t type;
    columns.timestamps[i] = static_cast<double>(lib.rd_kafka_message_timestamp(message, &type));
    columns.offsets[i] = static_cast<double>(message->offset);
    columns.starts[i] = static_cast<int32_t>(at - columns.bytes);
    columns.key_lengths[i] = message->key == nullptr ? -1 : static_cast<int32_t>(message->key_len);
    columns.value_lengths[i] =
        message->payload == nullptr ? -1 : static_cast<int32_t>(message->len);
    if (message->key != nullptr) {
      memcpy(at, message->key, message->key_len);
      at += message->key_len;
    }
    if (message->payload != nullptr) {
      memcpy(at, message->payload, message->len);
      at += message->len;
    }
    if (group.headers[i] != nullptr) at = write_headers(at, group.headers[i]);
  }
  columns.starts[count] = static_cast<int32_t>(at - columns.bytes);
  return {lib.rd_kafka_topic_name(group.rkt), group.partition, data, size};
}

struct Polled {
  std::vector<Image> images;
  std::vector<End> ends;
  std::vector<Failure> errors;

  ~Polled() {
    for (Image &image : images) give_block(image.data);
  }

  void take(rd_kafka_t *rk, const std::vector<rd_kafka_message_t *> &messages) {
    std::vector<Group> groups;
    std::map<std::pair<rd_kafka_topic_t *, int>, int64_t> end_of;
    Group *last = nullptr;
    for (rd_kafka_message_t *message : messages) {
      const auto at = std::make_pair(message->rkt, static_cast<int>(message->partition));
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        end_of[at] = message->offset;
      } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(rk, message);
      } else {
        if (last == nullptr || last->rkt != at.first || last->partition != at.second) {
          last = nullptr;
          for (Group &group : groups) {
            if (group.rkt == at.first && group.partition == at.second) last = &group;
          }
          if (last == nullptr) {
            groups.push_back({at.first, at.second, {}, {}});
            last = &groups.back();
          }
          // What comes after an end is not behind it any more.
          end_of.erase(at);
        }
        // The partition was sought back while the poll went on: the offsets of a batch ascend.
        if (!last->messages.empty() && message->offset <= last->messages.back()->offset) {
          groups.push_back({at.first, at.second, {}, {}});
          last = &groups.back();
        }
        rd_kafka_headers_t *headers;
        bool long_name = false;
        const size_t header_size = header_bytes(message, &headers, &long_name);
        if (long_name) {
          // Reported as what cannot be read: the partition's records of this poll are not taken.
          errors.push_back({RD_KAFKA_RESP_ERR__BAD_MSG,
                            "the record at offset " + std::to_string(message->offset) +
                                " has a header whose name is longer than 65535 bytes",
                            lib.rd_kafka_topic_name(message->rkt), message->partition});
          continue;
        }
        last->bytes += header_size;
        last->bytes += (message->key == nullptr ? 0 : message->key_len) +
                       (message->payload == nullptr ? 0 : message->len);
        last->messages.push_back(message);
        last->headers.push_back(headers);
        if (!end_of.empty()) end_of.erase(at);
      }
    }
    for (const Group &group : groups) images.push_back(image_of(group));
    for (const auto &[at, offset] : end_of) {
      ends.push_back({lib.rd_kafka_topic_name(at.first), at.second, offset});
    }
    for (rd_kafka_message_t *message : messages) lib.rd_kafka_message_destroy(message);
  }

 private:
  void fail(rd_kafka_t *rk, rd_kafka_message_t *message) {
    const char *text = lib.rd_kafka_message_errstr(message);
    std::string topic = message->rkt == nullptr ? "" : lib.rd_kafka_topic_name(message->rkt);
    Failure failure{message->err, text == nullptr ? "" : text, topic, message->partition};
    char reason[512];
    if (message->err == RD_KAFKA_RESP_ERR__FATAL &&
        lib.rd_kafka_fatal_error(rk, reason, sizeof reason) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      failure.message = reason;
    }
    errors.push_back(failure);
  }
};

// ---- Deliveries ------------------------------------------------------------------------------------

/**
 * The head of librdkafka's message (rdkafka_msg.h, 2.12), for its timestamp: the public calls take a time
 * of 0 for none and write the wall clock. Tried on the first message before it is relied on.
 */
struct MessageHead {
  rd_kafka_message_t message;
  void *link[2];
  int flags;
  rd_kafka_timestamp_type_t timestamp_type;
  int64_t timestamp;
};

int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/** Time of the message that this thread hands over just now. */
thread_local int64_t handed_timestamp = -1;

/** What became of the messages of a producer since the last flush. */
struct Deliveries {
  std::mutex mutex;
  std::map<std::pair<rd_kafka_topic_t *, int>, int64_t> last;
  std::pair<rd_kafka_topic_t *, int> recent{nullptr, -1};
  int64_t *recent_last = nullptr;
  uint64_t delivered = 0;
  std::vector<Failure> failures;
  std::unordered_map<std::string, rd_kafka_topic_t *> topics;
  bool head_checked = false;
  bool head_known = false;

  void acknowledge(const rd_kafka_message_t *message) {
    std::lock_guard<std::mutex> guard(mutex);
    rd_kafka_resp_err_t error = message->err;
    // Where the broker refuses several records of a request, librdkafka tells interceptors of no error.
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR &&
        lib.rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_PERSISTED) {
      error = RD_KAFKA_RESP_ERR_INVALID_RECORD;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail(error, lib.rd_kafka_err2str(error),
           message->rkt == nullptr ? "" : lib.rd_kafka_topic_name(message->rkt),
           message->partition);
      return;
    }
    delivered++;
    const auto at = std::make_pair(message->rkt, static_cast<int>(message->partition));
    if (recent_last == nullptr || at != recent) {
      recent = at;
      recent_last = &last.try_emplace(at, -1).first->second;
    }
    if (message->offset > *recent_last) *recent_last = message->offset;
  }

  void fail(int code, const std::string &message, const std::string &topic, int partition) {
    constexpr size_t most = 100;
    if (failures.size() < most) failures.push_back({code, message, topic, partition});
  }
};

std::mutex producers_mutex;
std::unordered_map<rd_kafka_t *, Deliveries *> producers;

rd_kafka_resp_err_t on_acknowledgement(rd_kafka_t *, rd_kafka_message_t *message, void *opaque) {
  static_cast<Deliveries *>(opaque)->acknowledge(message);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_send(rd_kafka_t *, rd_kafka_message_t *message, void *opaque) {
  auto *deliveries = static_cast<Deliveries *>(opaque);
  auto *head = reinterpret_cast<MessageHead *>(message);
  if (!deliveries->head_checked) {
    deliveries->head_checked = true;
    const int64_t off = head->timestamp - (handed_timestamp == 0 ? wall_clock_ms() : handed_timestamp);
    deliveries->head_known = head->timestamp_type == RD_KAFKA_TIMESTAMP_CREATE_TIME &&
                             (handed_timestamp == 0 ? std::abs(off) < 10000 : off == 0);
  }
  if (handed_timestamp == 0 && deliveries->head_known) head->timestamp = 0;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// ---- JavaScript ------------------------------------------------------------------------------------

using v8::Local;

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

/** Takes the memory over. */
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

/** Work on a client in libuv's pool; the client's object is kept alive meanwhile. */
class ClientWork : public Nan::AsyncWorker {
 public:
  ClientWork(Local<v8::Value> client, Local<v8::Value> done)
      : Nan::AsyncWorker(new Nan::Callback(done.As<v8::Function>()), "millrace:kafka"),
        connection_(connection_of(client)) {
    SaveToPersistent("client", client);
  }

  void Execute() final {
    Held held(connection_);
    if (held.rk == nullptr) {
      Fail(RD_KAFKA_RESP_ERR__STATE, "the client is disconnected");
      return;
    }
    Run(held.rk);
  }

 protected:
  virtual void Run(rd_kafka_t *rk) = 0;
  virtual Local<v8::Value> Result() = 0;

  void Fail(int code, const std::string &message) {
    code_ = code;
    SetErrorMessage(message.c_str());
  }

  void HandleOKCallback() final {
    Nan::HandleScope scope;
    Local<v8::Value> args[] = {Nan::Null(), Result()};
    callback->Call(2, args, async_resource);
  }

  void HandleErrorCallback() final {
    Nan::HandleScope scope;
    Local<v8::Object> error = Nan::Error(ErrorMessage()).As<v8::Object>();
    set(error, "code", Nan::New<v8::Number>(code_));
    Local<v8::Value> args[] = {error};
    callback->Call(1, args, async_resource);
  }

 private:
  NodeKafka::Connection *connection_;
  int code_ = 0;
};

class PollWork : public ClientWork {
 public:
  PollWork(Local<v8::Value> client, size_t max, int wait_ms, Local<v8::Value> done)
      : ClientWork(client, done), max_(max), wait_ms_(wait_ms) {}

 protected:
  void Run(rd_kafka_t *rk) override {
    // Message by message: librdkafka's batch call, when it hands out the end of a partition, moves the
    // position beyond it, so that a pause and a resume there would skip a record.
    std::vector<rd_kafka_message_t *> messages;
    size_t bytes = 0;
    for (int wait_ms = wait_ms_; messages.size() < max_ && bytes < kMostBytes; wait_ms = 0) {
      rd_kafka_message_t *message = lib.rd_kafka_consumer_poll(rk, wait_ms);
      if (message == nullptr) break;
      messages.push_back(message);
      bytes += message->key_len + message->len;
    }
    polled_.take(rk, messages);
  }

  Local<v8::Value> Result() override {
    Local<v8::Object> result = Nan::New<v8::Object>();
    auto &images = polled_.images;
    Local<v8::Array> list = Nan::New<v8::Array>(static_cast<int>(images.size()));
    for (uint32_t i = 0; i < images.size(); i++) {
      Local<v8::Object> object = place(images[i].topic, images[i].partition);
      set(object, "image", buffer_of(&images[i].data, images[i].size));
      Nan::Set(list, i, object);
    }
    set(result, "batches", list);
    set(result, "ends", ends_of(polled_.ends));
    set(result, "errors", failures_of(polled_.errors));
    return result;
  }

 private:
  size_t max_;
  int wait_ms_;
  Polled polled_;
};

/** poll(client, max, waitMs, done) */
NAN_METHOD(Poll) {
  size_t max = static_cast<size_t>(Nan::To<double>(info[1]).FromJust());
  int wait_ms = Nan::To<int>(info[2]).FromJust();
  Nan::AsyncQueueWorker(new PollWork(info[0], max, wait_ms, info[3]));
}

/** Batches of one form into the other, in libuv's pool; answers a list of ArrayBuffers. */
class BatchWork : public Nan::AsyncWorker {
 public:
  /** @param source keeps the bytes that are read */
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

/** unpack(bytes, size, from, [producer, first offset, ...] of aborted transactions, most records an image, done) */
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

/** pack(image, most bytes of records a batch, done) */
NAN_METHOD(Pack) {
  if (!info[0]->IsArrayBuffer() || info[0].As<v8::ArrayBuffer>()->ByteLength() < kHeaderBytes) {
    return Nan::ThrowTypeError("the image of a packed batch is needed");
  }
  const auto most = static_cast<size_t>(Nan::To<double>(info[1]).FromJust());
  Nan::AsyncQueueWorker(new PackWork(info[0].As<v8::ArrayBuffer>(), most, info[2]));
}

// A handle takes interceptors while it is made only, from a configuration that is copied for it.

rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *, void *opaque, char *, size_t) {
  lib.rd_kafka_interceptor_add_on_acknowledgement(rk, "millrace", on_acknowledgement, opaque);
  lib.rd_kafka_interceptor_add_on_send(rk, "millrace", on_send, opaque);
  std::lock_guard<std::mutex> guard(producers_mutex);
  producers[rk] = static_cast<Deliveries *>(opaque);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_conf_dup(rd_kafka_conf_t *copy, const rd_kafka_conf_t *, size_t,
                                const char **, void *opaque) {
  return lib.rd_kafka_conf_interceptor_add_on_new(copy, "millrace", on_new, opaque);
}

/** watch(client): counts the deliveries of a producer; to be called once, before it is connected. */
NAN_METHOD(Watch) {
  rd_kafka_conf_t *config = Access::config(connection_of(info[0]));
  // The record is never freed: it is small, and librdkafka's threads may know it to the very end.
  auto *deliveries = new Deliveries();
  lib.rd_kafka_conf_interceptor_add_on_new(config, "millrace", on_new, deliveries);
  lib.rd_kafka_conf_interceptor_add_on_conf_dup(config, "millrace", on_conf_dup, deliveries);
}

Deliveries *deliveries_of(rd_kafka_t *rk) {
  std::lock_guard<std::mutex> guard(producers_mutex);
  auto found = producers.find(rk);
  return found == producers.end() ? nullptr : found->second;
}

/** release(client): to be called before a watched producer is disconnected, which waits for its topics. */
NAN_METHOD(Release) {
  Held held(connection_of(info[0]));
  if (held.rk == nullptr) return;
  Deliveries *deliveries = deliveries_of(held.rk);
  if (deliveries == nullptr) return;
  for (const auto &[name, topic] : deliveries->topics) lib.rd_kafka_topic_destroy(topic);
  deliveries->topics.clear();
  std::lock_guard<std::mutex> guard(producers_mutex);
  producers.erase(held.rk);
}

rd_kafka_headers_t *headers_of(const uint8_t *at, const uint8_t *end) {
  rd_kafka_headers_t *headers = lib.rd_kafka_headers_new(4);
  while (at < end) {
    uint16_t name_length;
    uint32_t value_length;
    memcpy(&name_length, at, 2);
    memcpy(&value_length, at + 2 + name_length, 4);
    const char *name = reinterpret_cast<const char *>(at + 2);
    const uint8_t *value = at + 6 + name_length;
    lib.rd_kafka_header_add(headers, name, name_length, value, value_length);
    at = value + value_length;
  }
  return headers;
}

/** produce(client, topic, partition, image, from) -> index of the first record that did not fit */
NAN_METHOD(Produce) {
  Held held(connection_of(info[0]));
  if (held.rk == nullptr) return Nan::ThrowError("the client is disconnected");
  Deliveries *deliveries = deliveries_of(held.rk);
  if (deliveries == nullptr) return Nan::ThrowError("the producer is not watched");
  std::string topic = *Nan::Utf8String(info[1]);
  int32_t partition = Nan::To<int32_t>(info[2]).FromJust();
  auto store = info[3].As<v8::ArrayBuffer>()->GetBackingStore();
  auto *image = static_cast<uint8_t *>(store->Data());
  uint32_t count;
  memcpy(&count, image + 8, 4);
  Columns columns(image, count);
  rd_kafka_topic_t *&rkt = deliveries->topics[topic];
  if (rkt == nullptr) rkt = lib.rd_kafka_topic_new(held.rk, topic.c_str(), nullptr);
  uint32_t i = Nan::To<uint32_t>(info[4]).FromJust();
  for (; i < count; i++) {
    uint8_t *key = columns.bytes + columns.starts[i];
    int32_t key_length = columns.key_lengths[i];
    uint8_t *value = key + (key_length > 0 ? key_length : 0);
    int32_t value_length = columns.value_lengths[i];
    uint8_t *rest = value + (value_length > 0 ? value_length : 0);
    uint8_t *end = columns.bytes + columns.starts[i + 1];
    int64_t timestamp = static_cast<int64_t>(columns.timestamps[i]);
    handed_timestamp = timestamp;
    rd_kafka_headers_t *headers = rest < end ? headers_of(rest, end) : nullptr;
    void *key_pointer = key_length < 0 ? nullptr : key;
    void *value_pointer = value_length < 0 ? nullptr : value;
    size_t key_size = key_length < 0 ? 0 : key_length;
    size_t value_size = value_length < 0 ? 0 : value_length;
    rd_kafka_resp_err_t error =
        headers == nullptr
            ? lib.rd_kafka_producev(held.rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(partition),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_VALUE(value_pointer, value_size),
                                    RD_KAFKA_V_KEY(key_pointer, key_size),
                                    RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_END)
            : lib.rd_kafka_producev(held.rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(partition),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_VALUE(value_pointer, value_size),
                                    RD_KAFKA_V_KEY(key_pointer, key_size),
                                    RD_KAFKA_V_TIMESTAMP(timestamp),
                                    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    if (headers != nullptr) lib.rd_kafka_headers_destroy(headers);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
    std::lock_guard<std::mutex> guard(deliveries->mutex);
    deliveries->fail(error, lib.rd_kafka_err2str(error), topic, partition);
  }
  handed_timestamp = -1;
  info.GetReturnValue().Set(i);
}

class FlushWork : public ClientWork {
 public:
  FlushWork(Local<v8::Value> client, int timeout_ms, Local<v8::Value> done)
      : ClientWork(client, done), timeout_ms_(timeout_ms) {}

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_resp_err_t error = lib.rd_kafka_flush(rk, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Fail(error, lib.rd_kafka_err2str(error));
    Deliveries *deliveries = deliveries_of(rk);
    if (deliveries == nullptr) return Fail(RD_KAFKA_RESP_ERR__STATE, "the producer is not watched");
    std::lock_guard<std::mutex> guard(deliveries->mutex);
    for (const auto &[at, offset] : deliveries->last) {
      if (offset >= 0) ends_.push_back({lib.rd_kafka_topic_name(at.first), at.second, offset + 1});
    }
    delivered_ = deliveries->delivered;
    failures_ = std::move(deliveries->failures);
    deliveries->failures.clear();
    deliveries->last.clear();
    deliveries->recent_last = nullptr;
    deliveries->delivered = 0;
  }

  Local<v8::Value> Result() override {
    Local<v8::Object> result = Nan::New<v8::Object>();
    set(result, "ends", ends_of(ends_));
    set(result, "delivered", Nan::New<v8::Number>(static_cast<double>(delivered_)));
    set(result, "failures", failures_of(failures_));
    return result;
  }

 private:
  int timeout_ms_;
  std::vector<End> ends_;
  uint64_t delivered_ = 0;
  std::vector<Failure> failures_;
};

/** flush(client, timeoutMs, done) */
NAN_METHOD(Flush) {
  int timeout_ms = Nan::To<int>(info[1]).FromJust();
  Nan::AsyncQueueWorker(new FlushWork(info[0], timeout_ms, info[2]));
}

// ---- Questions about partitions --------------------------------------------------------------------

std::vector<End> places_of(Local<v8::Value> value) {
  Local<v8::Array> list = value.As<v8::Array>();
  std::vector<End> places;
  for (uint32_t i = 0; i < list->Length(); i++) {
    Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
    auto number = [&](const char *name) {
      Local<v8::Value> field = Nan::Get(object, text(name)).ToLocalChecked();
      return field->IsNumber() ? Nan::To<double>(field).FromJust() : -1;
    };
    Nan::Utf8String topic(Nan::Get(object, text("topic")).ToLocalChecked());
    places.push_back({*topic, static_cast<int>(number("partition")),
                      static_cast<int64_t>(number("offset"))});
  }
  return places;
}

/** A question about a list of partitions. */
class ListWork : public ClientWork {
 public:
  ListWork(Local<v8::Value> client, Local<v8::Value> places, int timeout_ms, Local<v8::Value> done)
      : ClientWork(client, done), timeout_ms_(timeout_ms), places_(places_of(places)) {}

 protected:
  rd_kafka_topic_partition_list_t *List() {
    auto *list = lib.rd_kafka_topic_partition_list_new(static_cast<int>(places_.size()));
    for (const End &place : places_) {
      auto *entry =
          lib.rd_kafka_topic_partition_list_add(list, place.topic.c_str(), place.partition);
      entry->offset = place.offset;
    }
    return list;
  }

  /** Runs a call of the admin kind and answers its event; null when it failed. */
  template <typename Call>
  rd_kafka_event_t *Ask(rd_kafka_t *rk, rd_kafka_admin_op_t kind, Call call) {
    rd_kafka_queue_t *queue = lib.rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = lib.rd_kafka_AdminOptions_new(rk, kind);
    char problem[256];
    lib.rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms_, problem, sizeof problem);
    call(options, queue);
    rd_kafka_event_t *event = lib.rd_kafka_queue_poll(queue, timeout_ms_ + 1000);
    lib.rd_kafka_AdminOptions_destroy(options);
    lib.rd_kafka_queue_destroy(queue);
    if (event == nullptr) {
      Fail(RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer");
      return nullptr;
    }
    if (lib.rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
    Fail(lib.rd_kafka_event_error(event), lib.rd_kafka_event_error_string(event));
    lib.rd_kafka_event_destroy(event);
    return nullptr;
  }

  /** Takes an answer over; false when it is an error. */
  bool Add(const rd_kafka_topic_partition_t *entry) {
    if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Fail(entry->err, std::string(entry->topic) + ": " + lib.rd_kafka_err2str(entry->err));
      return false;
    }
    answers_.push_back({entry->topic, entry->partition, entry->offset});
    const char *metadata = static_cast<const char *>(entry->metadata);
    metadata_.emplace_back(metadata == nullptr ? "" : std::string(metadata, entry->metadata_size));
    return true;
  }

  Local<v8::Value> Result() override {
    Local<v8::Array> list = ends_of(answers_);
    for (uint32_t i = 0; i < answers_.size(); i++) {
      Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
      set(object, "metadata", text(metadata_[i]));
    }
    return list;
  }

  int timeout_ms_;

 private:
  std::vector<End> places_;
  std::vector<End> answers_;
  std::vector<std::string> metadata_;
};

class CommittedWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    rd_kafka_resp_err_t error = lib.rd_kafka_committed(rk, list, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(error, lib.rd_kafka_err2str(error));
    for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
      if (!Add(&list->elems[i])) break;
    }
    lib.rd_kafka_topic_partition_list_destroy(list);
  }
};

class EndOffsetsWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    for (int i = 0; i < list->cnt; i++) list->elems[i].offset = RD_KAFKA_OFFSET_SPEC_LATEST;
    rd_kafka_event_t *event =
        Ask(rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS, [&](auto *options, auto *queue) {
          lib.rd_kafka_ListOffsets(rk, list, options, queue);
        });
    lib.rd_kafka_topic_partition_list_destroy(list);
    if (event == nullptr) return;
    size_t count;
    auto **infos =
        lib.rd_kafka_ListOffsets_result_infos(lib.rd_kafka_event_ListOffsets_result(event), &count);
    for (size_t i = 0; i < count; i++) {
      if (!Add(lib.rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]))) break;
    }
    lib.rd_kafka_event_destroy(event);
  }
};

class DeleteRecordsWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    rd_kafka_DeleteRecords_t *request = lib.rd_kafka_DeleteRecords_new(list);
    rd_kafka_event_t *event =
        Ask(rk, RD_KAFKA_ADMIN_OP_DELETERECORDS, [&](auto *options, auto *queue) {
          lib.rd_kafka_DeleteRecords(rk, &request, 1, options, queue);
        });
    lib.rd_kafka_DeleteRecords_destroy(request);
    lib.rd_kafka_topic_partition_list_destroy(list);
    if (event == nullptr) return;
    auto *result = lib.rd_kafka_event_DeleteRecords_result(event);
    auto *offsets = lib.rd_kafka_DeleteRecords_result_offsets(result);
    for (int i = 0; i < offsets->cnt; i++) {
      if (!Add(&offsets->elems[i])) break;
    }
    lib.rd_kafka_event_destroy(event);
  }
};

/** Offsets with their metadata into the open transaction; node-rdkafka's own call drops the metadata. */
class SendOffsetsWork : public ListWork {
 public:
  SendOffsetsWork(Local<v8::Value> client, Local<v8::Value> member, Local<v8::Value> places,
                  int timeout_ms, Local<v8::Value> done)
      : ListWork(client, places, timeout_ms, done), member_(connection_of(member)) {
    SaveToPersistent("member", member);
    Local<v8::Array> list = places.As<v8::Array>();
    for (uint32_t i = 0; i < list->Length(); i++) {
      Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
      Local<v8::Value> field = Nan::Get(object, text("metadata")).ToLocalChecked();
      sent_.emplace_back(field->IsString() ? *Nan::Utf8String(field) : "");
    }
  }

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_consumer_group_metadata_t *group = nullptr;
    {
      Held member(member_);
      if (member.rk != nullptr) group = lib.rd_kafka_consumer_group_metadata(member.rk);
    }
    if (group == nullptr) return Fail(RD_KAFKA_RESP_ERR__STATE, "the consumer is no member");
    rd_kafka_topic_partition_list_t *list = List();
    for (int i = 0; i < list->cnt; i++) {
      if (sent_[i].empty()) continue;
      // The list frees it.
      list->elems[i].metadata = strdup(sent_[i].c_str());
      list->elems[i].metadata_size = sent_[i].size();
    }
    rd_kafka_error_t *error =
        lib.rd_kafka_send_offsets_to_transaction(rk, list, group, timeout_ms_);
    lib.rd_kafka_topic_partition_list_destroy(list);
    lib.rd_kafka_consumer_group_metadata_destroy(group);
    if (error == nullptr) return;
    Fail(lib.rd_kafka_error_code(error), lib.rd_kafka_error_string(error));
    lib.rd_kafka_error_destroy(error);
  }

 private:
  NodeKafka::Connection *member_;
  std::vector<std::string> sent_;
};

/** sendOffsets(producer, consumer, [{topic, partition, offset, metadata?}], timeoutMs, done) */
NAN_METHOD(SendOffsets) {
  int timeout_ms = Nan::To<int>(info[3]).FromJust();
  Nan::AsyncQueueWorker(new SendOffsetsWork(info[0], info[1], info[2], timeout_ms, info[4]));
}

/** Who a consumer is in its group, as the brokers check it when its offsets are committed. */
class MembershipWork : public ClientWork {
 public:
  using ClientWork::ClientWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_consumer_group_metadata_t *group = lib.rd_kafka_consumer_group_metadata(rk);
    if (group == nullptr) return Fail(RD_KAFKA_RESP_ERR__STATE, "the consumer is no member");
    group_ = lib.rd_kafka_consumer_group_metadata_group_id(group);
    member_ = lib.rd_kafka_consumer_group_metadata_member_id(group);
    generation_ = lib.rd_kafka_consumer_group_metadata_generation_id(group);
    const char *instance = lib.rd_kafka_consumer_group_metadata_group_instance_id(group);
    has_instance_ = instance != nullptr;
    if (has_instance_) instance_ = instance;
    lib.rd_kafka_consumer_group_metadata_destroy(group);
  }

  Local<v8::Value> Result() override {
    Local<v8::Object> result = Nan::New<v8::Object>();
    set(result, "group", text(group_));
    set(result, "member", text(member_));
    set(result, "generation", Nan::New<v8::Number>(generation_));
    if (has_instance_) set(result, "instance", text(instance_));
    return result;
  }

 private:
  std::string group_;
  std::string member_;
  int32_t generation_ = -1;
  bool has_instance_ = false;
  std::string instance_;
};

/** membership(consumer, done) */
NAN_METHOD(Membership) {
  Nan::AsyncQueueWorker(new MembershipWork(info[0], info[1]));
}

/** name(client, [{topic, partition, offset?}], timeoutMs, done) */
template <typename Work>
NAN_METHOD(AskList) {
  int timeout_ms = Nan::To<int>(info[2]).FromJust();
  Nan::AsyncQueueWorker(new Work(info[0], info[1], timeout_ms, info[3]));
}

NAN_MODULE_INIT(Initialise) {
  std::string problem = load_library();
  if (!problem.empty()) return Nan::ThrowError(problem.c_str());
  Nan::SetMethod(target, "poll", Poll);
  Nan::SetMethod(target, "watch", Watch);
  Nan::SetMethod(target, "produce", Produce);
  Nan::SetMethod(target, "release", Release);
  Nan::SetMethod(target, "flush", Flush);
  Nan::SetMethod(target, "committed", AskList<CommittedWork>);
  Nan::SetMethod(target, "endOffsets", AskList<EndOffsetsWork>);
  Nan::SetMethod(target, "sendOffsets", SendOffsets);
  Nan::SetMethod(target, "deleteRecords", AskList<DeleteRecordsWork>);
  Nan::SetMethod(target, "unpack", Unpack);
  Nan::SetMethod(target, "pack", Pack);
  Nan::SetMethod(target, "membership", Membership);
}

}  // namespace

NODE_MODULE(packed, Initialise)
