#pragma once

#include <cstddef>
#include <cstdint>

/** Bytes that JavaScript will own, in a block (blocks.h). */
struct OwnedBytes {
  uint8_t *data;
  size_t size;
};
