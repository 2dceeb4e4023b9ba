#include "pack.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "batch-layout.h"
#include "lz4frame.h"
#include "record-format.h"

namespace {

uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

size_t varint_bytes(int64_t value) {
  size_t bytes = 1;
  for (uint64_t left = zigzag(value); left >= 0x80; left >>= 7) bytes++;
  return bytes;
}

uint8_t *put_varint(uint8_t *to, int64_t value) {
  uint64_t left = zigzag(value);
  for (; left >= 0x80; left >>= 7) *to++ = static_cast<uint8_t>(left) | 0x80;
  *to++ = static_cast<uint8_t>(left);
  return to;
}

uint8_t *put_bytes(uint8_t *to, const uint8_t *from, int64_t length) {
  to = put_varint(to, length);
  if (length <= 0) return to;
  memcpy(to, from, static_cast<size_t>(length));
  return to + length;
}

template <typename T>
void put_big_endian(uint8_t *to, T value) {
  uint64_t left = static_cast<uint64_t>(value);
  for (size_t i = sizeof(T); i-- > 0; left >>= 8) to[i] = static_cast<uint8_t>(left);
}

/** A time as an integer. Values outside int64, which no record has, are clamped. */
int64_t whole(double timestamp) {
  constexpr double most = 9223372036854774784.0;
  if (!(timestamp > -most)) return INT64_MIN;
  return timestamp > most ? INT64_MAX : static_cast<int64_t>(timestamp);
}

int64_t difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

/** A header in a packed batch: length and bytes of the name, length and bytes of the value. */
struct Header {
  explicit Header(const uint8_t *at) {
    memcpy(&name_length, at, 2);
    name = at + 2;
    memcpy(&value_length, name + name_length, 4);
    value = name + name_length + 4;
  }
  const uint8_t *end() const { return value + value_length; }

  uint16_t name_length;
  uint32_t value_length;
  const uint8_t *name;
  const uint8_t *value;
};

/** Record `i` of a packed batch, and its size in a record batch. */
struct Record {
  Record(const Columns &columns, size_t i, int64_t base_timestamp, size_t first)
      : timestamp_delta(difference(whole(columns.timestamps[i]), base_timestamp)),
        offset_delta(static_cast<int64_t>(i - first)),
        key(columns.bytes + columns.starts[i]),
        key_length(columns.key_lengths[i]),
        value(key + std::max<int64_t>(key_length, 0)),
        value_length(columns.value_lengths[i]),
        headers(value + std::max<int64_t>(value_length, 0)),
        end(columns.bytes + columns.starts[i + 1]) {
    size_t header_bytes = 0;
    for (const uint8_t *at = headers; at < end;) {
      const Header header(at);
      header_bytes += varint_bytes(header.name_length) + varint_bytes(header.value_length);
      at = header.end();
      header_count++;
    }
    header_bytes += static_cast<size_t>(end - headers) - kHeaderOverhead * header_count;
    body = 1 + varint_bytes(timestamp_delta) + varint_bytes(offset_delta) +
           varint_bytes(key_length) + static_cast<size_t>(value - key) +
           varint_bytes(value_length) + static_cast<size_t>(headers - value) +
           varint_bytes(static_cast<int64_t>(header_count)) + header_bytes;
  }

  size_t bytes() const { return varint_bytes(static_cast<int64_t>(body)) + body; }

  uint8_t *Put(uint8_t *to) const {
    to = put_varint(to, static_cast<int64_t>(body));
    *to++ = 0;  // attributes, unused
    to = put_varint(to, timestamp_delta);
    to = put_varint(to, offset_delta);
    to = put_bytes(to, key, key_length);
    to = put_bytes(to, value, value_length);
    to = put_varint(to, static_cast<int64_t>(header_count));
    for (const uint8_t *at = headers; at < end;) {
      const Header header(at);
      to = put_bytes(to, header.name, header.name_length);
      to = put_bytes(to, header.value, header.value_length);
      at = header.end();
    }
    return to;
  }

  int64_t timestamp_delta;
  int64_t offset_delta;
  const uint8_t *key;
  int64_t key_length;
  const uint8_t *value;
  int64_t value_length;
  const uint8_t *headers;
  const uint8_t *end;
  size_t header_count = 0;
  /** Bytes after the record's length field. */
  size_t body;
};

/** Compresses records after the head of a batch; no data if LZ4 fails. */
OwnedBytes compressed(const uint8_t *records, size_t bytes) {
  // Kafka's reader accepts only frames with independent blocks.
  LZ4F_preferences_t preferences;
  memset(&preferences, 0, sizeof preferences);
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  const size_t room = LZ4F_compressFrameBound(bytes, &preferences);
  uint8_t *batch = take_block(kBatchHeadBytes + room);
  const size_t size = LZ4F_compressFrame(batch + kBatchHeadBytes, room, records, bytes, &preferences);
  if (!LZ4F_isError(size)) return {batch, kBatchHeadBytes + size};
  give_block(batch);
  return {nullptr, 0};
}

void put_head(const OwnedBytes &batch, const Columns &columns, size_t first, size_t next) {
  uint8_t *head = batch.data;
  const auto count = static_cast<int32_t>(next - first);
  const double most = *std::max_element(columns.timestamps + first, columns.timestamps + next);
  memset(head, 0, kBatchHeadBytes);
  put_big_endian<int32_t>(head + kBatchLengthAt, static_cast<int32_t>(batch.size - kBeforeLength));
  put_big_endian<int32_t>(head + kLeaderEpochAt, -1);
  head[kFormatAt] = kFormat;
  put_big_endian<int16_t>(head + kAttributesAt, kLz4 | kTransactional);
  put_big_endian<int32_t>(head + kLastOffsetDeltaAt, count - 1);
  put_big_endian<int64_t>(head + kBaseTimestampAt, whole(columns.timestamps[first]));
  put_big_endian<int64_t>(head + kMaxTimestampAt, whole(most));
  put_big_endian<int32_t>(head + kCountAt, count);
}

}  // namespace

std::string pack(const uint8_t *image, size_t most, std::vector<OwnedBytes> *batches) {
  uint32_t count;
  memcpy(&count, image + kCountInImageAt, sizeof count);
  // The columns are only read here; their constructor is shared with the writers of images.
  const Columns columns(const_cast<uint8_t *>(image), count);
  for (size_t first = 0; first < count;) {
    const auto base = whole(columns.timestamps[first]);
    auto record = [&](size_t i) { return Record(columns, i, base, first); };
    size_t bytes = 0;
    size_t next = first;
    for (; next < count; next++) {
      const size_t more = record(next).bytes();
      if (next > first && bytes + more > most) break;
      bytes += more;
    }
    const std::unique_ptr<uint8_t, BlockGiver> records(take_block(bytes));
    uint8_t *to = records.get();
    for (size_t i = first; i < next; i++) to = record(i).Put(to);
    const OwnedBytes batch = compressed(records.get(), bytes);
    if (batch.data == nullptr) return "LZ4 does not compress";
    put_head(batch, columns, first, next);
    batches->push_back(batch);
    first = next;
  }
  return "";
}
