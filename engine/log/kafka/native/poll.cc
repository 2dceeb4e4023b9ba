/*
 * Polls of a consumer: the messages become packed batches, one per partition
 * (engine/record/batch.ts, headers.ts).
 */
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "batch-layout.h"
#include "bridge.h"
#include "calls.h"

namespace millrace {

namespace {

/** A poll stops at this many bytes. */
constexpr size_t kMostBytes = 32 << 20;

/** Longest header name in a packed batch, bytes (record/headers.ts). */
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
          // Messages after an end-of-partition event are newer than that end.
          end_of.erase(at);
        }
        // The partition was sought back during the poll. A new batch starts, because offsets of a
        // batch ascend.
        if (!last->messages.empty() && message->offset <= last->messages.back()->offset) {
          groups.push_back({at.first, at.second, {}, {}});
          last = &groups.back();
        }
        rd_kafka_headers_t *headers;
        bool long_name = false;
        const size_t header_size = header_bytes(message, &headers, &long_name);
        if (long_name) {
          // Reported as unreadable: the partition's records of this poll are discarded.
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

class PollWork : public ClientWork {
 public:
  PollWork(Local<v8::Value> client, size_t max, int wait_ms, Local<v8::Value> done)
      : ClientWork(client, done), max_(max), wait_ms_(wait_ms) {}

 protected:
  void Run(rd_kafka_t *rk) override {
    // Reads message by message: librdkafka's batch call moves the position beyond an
    // end-of-partition event, so that a pause and a resume there would skip a record.
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

}  // namespace

NAN_METHOD(Poll) {
  size_t max = static_cast<size_t>(Nan::To<double>(info[1]).FromJust());
  int wait_ms = Nan::To<int>(info[2]).FromJust();
  Nan::AsyncQueueWorker(new PollWork(info[0], max, wait_ms, info[3]));
}

}  // namespace millrace
