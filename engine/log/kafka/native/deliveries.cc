/*
 * Messages handed to a producer and their outcomes, counted by interceptors and reported by a
 * flush.
 */
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "batch-layout.h"
#include "bridge.h"
#include "calls.h"

namespace millrace {

namespace {

/**
 * The head of librdkafka's message (rdkafka_msg.h, 2.12), to set its timestamp: the public calls
 * treat a time of 0 as missing and write the wall clock. The layout is checked on the first message
 * before it is used.
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

/** Time of the message that this thread is handing over. */
thread_local int64_t handed_timestamp = -1;

/** Outcomes of the messages of a producer since the last flush. */
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
    // If the broker refuses several records of a request, librdkafka reports no error to
    // interceptors.
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

// Interceptors can be added only while a handle is created, through a configuration that is copied
// for it.

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

}  // namespace

NAN_METHOD(Watch) {
  rd_kafka_conf_t *config = Access::config(connection_of(info[0]));
  // The record is never freed: it is small, and librdkafka's threads may use it until the process
  // ends.
  auto *deliveries = new Deliveries();
  lib.rd_kafka_conf_interceptor_add_on_new(config, "millrace", on_new, deliveries);
  lib.rd_kafka_conf_interceptor_add_on_conf_dup(config, "millrace", on_conf_dup, deliveries);
}

namespace {

Deliveries *deliveries_of(rd_kafka_t *rk) {
  std::lock_guard<std::mutex> guard(producers_mutex);
  auto found = producers.find(rk);
  return found == producers.end() ? nullptr : found->second;
}

}  // namespace

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

namespace {

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

}  // namespace

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

namespace {

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

}  // namespace

NAN_METHOD(Flush) {
  int timeout_ms = Nan::To<int>(info[1]).FromJust();
  Nan::AsyncQueueWorker(new FlushWork(info[0], timeout_ms, info[2]));
}

}  // namespace millrace
