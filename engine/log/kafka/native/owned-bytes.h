#pragma once

#include <cstddef>
#include <cstdint>

/** Bytes in a block (blocks.h) whose ownership passes to JavaScript. */
struct OwnedBytes {
  uint8_t *data;
  size_t size;
};
