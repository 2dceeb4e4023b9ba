#include "unpack.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "batch-layout.h"
#include "lz4frame.h"
#include "record-format.h"

namespace {

/** Limit of an unpacked batch; the brokers' limits are far below. */
constexpr size_t kMostUnpacked = 512u << 20;

template <typename T>
T big_endian(const uint8_t *at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); i++) value = value << 8 | at[i];
  return static_cast<T>(value);
}

/**
 * Wraps around as in two's complement: values of a damaged or hostile batch must not cause
 * undefined behaviour.
 */
int64_t sum_of(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

/** Reads fields of a batch's records in order; a read beyond their end fails and returns 0. */
class Reader {
 public:
  Reader(const uint8_t *from, const uint8_t *to) : at_(from), end_(to) {}

  int64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at_ < end_; shift += 7) {
      const uint8_t byte = *at_++;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return static_cast<int64_t>((value >> 1) ^ (0 - (value & 1)));
    }
    failed = true;
    return 0;
  }

  /** A length, -1 for null, followed by that many bytes. */
  const uint8_t *Bytes(int64_t *length) {
    *length = Varint();
    if (*length < -1) failed = true;
    return *length > 0 ? Skip(*length) : at_;
  }

  const uint8_t *Skip(int64_t length) {
    const uint8_t *from = at_;
    if (length < 0 || length > end_ - at_) {
      failed = true;
      return from;
    }
    at_ += length;
    return from;
  }

  bool failed = false;

 private:
  const uint8_t *at_;
  const uint8_t *end_;
};

/** The batch being read. */
struct Batch {
  int64_t base_offset;
  int64_t base_timestamp;
  /** -1: each record has its own. */
  int64_t append_time;
  int32_t count;
  const uint8_t *records;
  size_t size;
  /** Owner of the memory of `records` if they were compressed. */
  std::unique_ptr<uint8_t, BlockGiver> unpacked;
};

class Lz4 {
 public:
  ~Lz4() {
    if (context_ != nullptr) LZ4F_freeDecompressionContext(context_);
  }

  /** False if the bytes are not a complete frame. */
  bool Unpack(const uint8_t *from, size_t size, Batch *batch) {
    if (context_ == nullptr &&
        LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION))) {
      context_ = nullptr;
      return false;
    }
    LZ4F_resetDecompressionContext(context_);
    size_t capacity = std::max<size_t>(size * 5, 4096);
    uint8_t *memory = take_block(capacity);
    size_t used = 0;
    for (size_t read = 0;;) {
      size_t produced = capacity - used;
      size_t consumed = size - read;
      const size_t more =
          LZ4F_decompress(context_, memory + used, &produced, from + read, &consumed, nullptr);
      used += produced;
      read += consumed;
      const bool stuck = produced == 0 && consumed == 0;
      if (!LZ4F_isError(more) && more == 0) break;
      if (LZ4F_isError(more) || (stuck && used < capacity) || capacity > kMostUnpacked) {
        give_block(memory);
        return false;
      }
      if (used == capacity) memory = grow_block(memory, used, capacity *= 2);
    }
    batch->unpacked.reset(memory);
    batch->records = memory;
    batch->size = used;
    return true;
  }

 private:
  LZ4F_decompressionContext_t context_ = nullptr;
};

/** Decides which transactional batches are hidden from readers. Call in the order of the log. */
class Transactions {
 public:
  explicit Transactions(std::vector<Aborted> aborted) : aborted_(std::move(aborted)) {
    std::sort(aborted_.begin(), aborted_.end(), [](const Aborted &a, const Aborted &b) {
      return a.first_offset < b.first_offset;
    });
  }

  bool Aborts(int64_t producer, int64_t last_offset) {
    for (; next_ < aborted_.size() && aborted_[next_].first_offset <= last_offset; next_++) {
      open_.insert(aborted_[next_].producer);
    }
    return open_.count(producer) > 0;
  }

  void End(int64_t producer) { open_.erase(producer); }

 private:
  std::vector<Aborted> aborted_;
  size_t next_ = 0;
  std::set<int64_t> open_;
};

struct Record {
  int64_t timestamp_delta;
  int64_t offset_delta;
  const uint8_t *key;
  int64_t key_length;
  const uint8_t *value;
  int64_t value_length;
  int64_t headers;
};

/** The record up to its headers. */
Record record_of(Reader *reader) {
  Record record;
  reader->Varint();   // its length
  reader->Skip(1);    // attributes, unused
  record.timestamp_delta = reader->Varint();
  record.offset_delta = reader->Varint();
  record.key = reader->Bytes(&record.key_length);
  record.value = reader->Bytes(&record.value_length);
  record.headers = reader->Varint();
  return record;
}

/** Longest header name in a packed batch, bytes (record/headers.ts). */
constexpr int64_t kMostNameBytes = 0xffff;

/** Returns the size of the headers in a packed batch; sets `long_name` if a name is too long. */
size_t skip_headers(Reader *reader, int64_t count, bool *long_name) {
  size_t bytes = 0;
  for (int64_t i = 0; i < count && !reader->failed; i++) {
    int64_t name_length;
    int64_t value_length;
    reader->Bytes(&name_length);
    reader->Bytes(&value_length);
    // Lengths beyond the batch are invalid.
    if (reader->failed) break;
    if (name_length > kMostNameBytes) *long_name = true;
    bytes += kHeaderOverhead + std::max<int64_t>(name_length, 0) + std::max<int64_t>(value_length, 0);
  }
  return bytes;
}

uint8_t *copy_headers(uint8_t *to, Reader *reader, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    int64_t length;
    const uint8_t *name = reader->Bytes(&length);
    const uint16_t name_length = static_cast<uint16_t>(std::max<int64_t>(length, 0));
    const uint8_t *value = reader->Bytes(&length);
    const uint32_t value_length = static_cast<uint32_t>(std::max<int64_t>(length, 0));
    memcpy(to, &name_length, 2);
    memcpy(to + 2, name, name_length);
    to += 2 + name_length;
    memcpy(to, &value_length, 4);
    memcpy(to + 4, value, value_length);
    to += 4 + value_length;
  }
  return to;
}

uint8_t *copy(uint8_t *to, const uint8_t *from, int64_t length) {
  if (length <= 0) return to;
  memcpy(to, from, static_cast<size_t>(length));
  return to + length;
}

/** The visible batches; `problem` gives the reason if they cannot be read. */
std::vector<Batch> batches_of(const uint8_t *bytes, size_t size, Transactions transactions,
                              std::string *problem) {
  std::vector<Batch> batches;
  Lz4 lz4;
  for (size_t at = 0; at < size;) {
    const uint8_t *head = bytes + at;
    const size_t length =
        size - at < kBatchHeadBytes ? 0 : big_endian<uint32_t>(head + kBatchLengthAt) + kBeforeLength;
    if (length < kBatchHeadBytes || length > size - at) {
      *problem = "a batch is cut off";
      return batches;
    }
    at += length;
    const int attributes = big_endian<int16_t>(head + kAttributesAt);
    const int64_t base_offset = big_endian<int64_t>(head);
    const int64_t last_offset = sum_of(base_offset, big_endian<int32_t>(head + kLastOffsetDeltaAt));
    const int64_t producer = big_endian<int64_t>(head + kProducerAt);
    const uint8_t *records = head + kBatchHeadBytes;
    const size_t records_size = length - kBatchHeadBytes;
    const bool aborted = transactions.Aborts(producer, last_offset);
    if ((attributes & kControl) != 0) {
      // Either marker ends the producer's transaction.
      transactions.End(producer);
      continue;
    }
    if (aborted && (attributes & kTransactional) != 0) continue;
    const int64_t append_time =
        (attributes & kAppendTime) != 0 ? big_endian<int64_t>(head + kMaxTimestampAt) : -1;
    Batch batch{base_offset, big_endian<int64_t>(head + kBaseTimestampAt), append_time,
                big_endian<int32_t>(head + kCountAt), records, records_size, nullptr};
    const int codec = attributes & kCodecMask;
    if (codec != 0 && codec != kLz4) {
      *problem = "the codec is not known";
      return batches;
    }
    if (codec == kLz4 && batch.count > 0 && !lz4.Unpack(records, records_size, &batch)) {
      *problem = "a compressed batch does not unpack";
      return batches;
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

/** Planned contents of an image. */
struct Share {
  size_t count;
  size_t bytes;
};

/** Writes records into one image after the other. */
class Filling {
 public:
  Filling(const std::vector<Share> &shares, std::vector<OwnedBytes> *images)
      : shares_(shares), images_(images) {}

  /** @param reader stands at the record's headers */
  void Add(const Batch &batch, const Record &record, int64_t offset, Reader *reader) {
    if (i_ == count_) Begin();
    columns_.timestamps[i_] = static_cast<double>(
        batch.append_time < 0 ? sum_of(batch.base_timestamp, record.timestamp_delta)
                              : batch.append_time);
    columns_.offsets[i_] = static_cast<double>(offset);
    columns_.key_lengths[i_] = static_cast<int32_t>(record.key_length);
    columns_.value_lengths[i_] = static_cast<int32_t>(record.value_length);
    to_ = copy(to_, record.key, record.key_length);
    to_ = copy(to_, record.value, record.value_length);
    to_ = copy_headers(to_, reader, record.headers);
    columns_.starts[++i_] = static_cast<int32_t>(to_ - columns_.bytes);
  }

 private:
  void Begin() {
    const Share &share = shares_[images_->size()];
    size_t size;
    uint8_t *image = new_image(share.count, share.bytes, &size);
    images_->push_back({image, size});
    columns_ = Columns(image, share.count);
    columns_.starts[0] = 0;
    to_ = columns_.bytes;
    i_ = 0;
    count_ = share.count;
  }

  const std::vector<Share> &shares_;
  std::vector<OwnedBytes> *images_;
  Columns columns_{nullptr, 0};
  uint8_t *to_ = nullptr;
  size_t i_ = 0;
  size_t count_ = 0;
};

}  // namespace

std::string unpack(const uint8_t *bytes, size_t size, int64_t from, std::vector<Aborted> aborted,
                   size_t most, std::vector<OwnedBytes> *images) {
  std::string problem;
  const std::vector<Batch> batches =
      batches_of(bytes, size, Transactions(std::move(aborted)), &problem);
  if (!problem.empty()) return problem;
  std::vector<Share> shares;
  for (const Batch &batch : batches) {
    Reader reader(batch.records, batch.records + batch.size);
    for (int32_t i = 0; i < batch.count && !reader.failed; i++) {
      const Record record = record_of(&reader);
      bool long_name = false;
      const size_t headers = skip_headers(&reader, record.headers, &long_name);
      if (reader.failed) break;
      const int64_t offset = sum_of(batch.base_offset, record.offset_delta);
      if (offset < from) continue;
      if (long_name) {
        return "the record at offset " + std::to_string(offset) +
               " has a header whose name is longer than 65535 bytes";
      }
      if (shares.empty() || shares.back().count == most) shares.push_back({0, 0});
      shares.back().count++;
      shares.back().bytes +=
          std::max<int64_t>(record.key_length, 0) + std::max<int64_t>(record.value_length, 0) + headers;
      if (shares.back().bytes > INT32_MAX) return "more bytes than a packed batch holds";
    }
    if (reader.failed) return "a record reaches beyond its batch";
  }
  Filling filling(shares, images);
  for (const Batch &batch : batches) {
    Reader reader(batch.records, batch.records + batch.size);
    for (int32_t n = 0; n < batch.count; n++) {
      const Record record = record_of(&reader);
      const int64_t offset = sum_of(batch.base_offset, record.offset_delta);
      bool long_name = false;
      if (offset < from) skip_headers(&reader, record.headers, &long_name);
      else filling.Add(batch, record, offset, &reader);
    }
  }
  return problem;
}
