/* Feeds pack and unpack with extremes; see sanitize.sh. */
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "batch-layout.h"
#include "pack.h"
#include "record-format.h"
#include "unpack.h"

namespace {

std::mt19937_64 chance(20260131);

int64_t extreme() {
  const int64_t all[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT32_MAX, INT32_MIN, 1LL << 40};
  return all[chance() % 9];
}

void put(std::vector<uint8_t> *to, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; i--) to->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void put_varint(std::vector<uint8_t> *to, int64_t value) {
  uint64_t left = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; left >= 0x80; left >>= 7) to->push_back(static_cast<uint8_t>(left | 0x80));
  to->push_back(static_cast<uint8_t>(left));
}

/** One batch whose numbers are extremes, and whose lengths may be. */
std::vector<uint8_t> batch_of(bool wild) {
  std::vector<uint8_t> records;
  const int count = 1 + static_cast<int>(chance() % 3);
  for (int i = 0; i < count; i++) {
    put_varint(&records, extreme());
    records.push_back(0);
    put_varint(&records, extreme());
    put_varint(&records, extreme());
    for (int field = 0; field < 2; field++) {
      put_varint(&records, wild ? extreme() : 1);
      records.push_back('x');
    }
    put_varint(&records, wild ? extreme() : 0);
  }
  std::vector<uint8_t> batch;
  put(&batch, static_cast<uint64_t>(extreme()), 8);
  put(&batch, records.size() + kBatchHeadBytes - kBeforeLength, 4);
  put(&batch, 0, 4);
  batch.push_back(2);
  put(&batch, 0, 4);
  put(&batch, (chance() % 4 == 0 ? kAppendTime : 0) | (chance() % 4 == 0 ? kTransactional : 0), 2);
  put(&batch, static_cast<uint64_t>(extreme()), 4);
  put(&batch, static_cast<uint64_t>(extreme()), 8);
  put(&batch, static_cast<uint64_t>(extreme()), 8);
  put(&batch, static_cast<uint64_t>(extreme()), 8);
  put(&batch, 0, 2);
  put(&batch, 0, 4);
  put(&batch, wild ? static_cast<uint64_t>(extreme()) : static_cast<uint64_t>(count), 4);
  batch.insert(batch.end(), records.begin(), records.end());
  return batch;
}

double extreme_time() {
  const double all[] = {0, -1, 1e13, 8.64e15, -8.64e15, 1e300, -1e300,
                        std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
  return all[chance() % 9];
}

}  // namespace

int main() {
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes = batch_of(round % 2 == 1);
    std::vector<OwnedBytes> images;
    unpack(bytes.data(), bytes.size(), extreme(), {{extreme(), extreme()}}, 8192, &images);
    for (const OwnedBytes &image : images) give_block(image.data);
  }
  for (int round = 0; round < 2000; round++) {
    size_t size;
    const size_t count = 3;
    uint8_t *image = new_image(count, count * 2, &size);
    Columns columns(image, count);
    for (size_t i = 0; i < count; i++) {
      columns.timestamps[i] = extreme_time();
      columns.offsets[i] = static_cast<double>(i);
      columns.starts[i] = static_cast<int32_t>(i * 2);
      columns.key_lengths[i] = i == 0 ? -1 : 1;
      columns.value_lengths[i] = i == 0 ? 2 : 1;
    }
    columns.starts[count] = static_cast<int32_t>(count * 2);
    memset(columns.bytes, 'x', count * 2);
    std::vector<OwnedBytes> batches;
    pack(image, 1000, &batches);
    for (const OwnedBytes &batch : batches) give_block(batch.data);
    give_block(image);
  }
  puts("nothing undefined");
  return 0;
}
