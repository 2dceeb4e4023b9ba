/* The layout of a packed batch, as engine/record/batch.ts describes it. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "blocks.h"

constexpr uint32_t kMagic = 0x3142524d;
constexpr size_t kCountInImageAt = 8;
constexpr size_t kHeaderBytes = 16;

inline size_t column_bytes(size_t count) { return count * 16 + (count + 1) * 4 + count * 8; }

struct Columns {
  explicit Columns(uint8_t *image, size_t count) {
    uint8_t *at = image + kHeaderBytes;
    timestamps = reinterpret_cast<double *>(at);
    offsets = timestamps + count;
    starts = reinterpret_cast<int32_t *>(offsets + count);
    key_lengths = starts + count + 1;
    value_lengths = key_lengths + count;
    bytes = reinterpret_cast<uint8_t *>(value_lengths + count);
  }
  double *timestamps;
  double *offsets;
  int32_t *starts;
  int32_t *key_lengths;
  int32_t *value_lengths;
  uint8_t *bytes;
};

/**
 * A block for a batch of `count` records with `bytes` bytes, with its head written. The checksum
 * stays 0: it protects batches on our own disk, and Kafka's checksum has already been verified.
 */
inline uint8_t *new_image(size_t count, size_t bytes, size_t *size) {
  *size = kHeaderBytes + column_bytes(count) + bytes;
  uint8_t *data = take_block(*size);
  const uint32_t head[4] = {kMagic, 0, static_cast<uint32_t>(count), static_cast<uint32_t>(*size)};
  memcpy(data, head, sizeof head);
  return data;
}
