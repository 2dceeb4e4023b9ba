#pragma once

#include <cstddef>
#include <cstdint>

/** Bytes that JavaScript will own; freed by `free`. */
struct OwnedBytes {
  uint8_t *data;
  size_t size;
};
