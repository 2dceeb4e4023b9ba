/* Reused memory for batches: fresh pages from the system cost as much as unpacking into them. */
#pragma once

#include <cstddef>
#include <cstdint>

/**
 * A block of `size` bytes with undefined content; callable on any thread. Release it with
 * `give_block`.
 */
uint8_t *take_block(size_t size);

/**
 * A block of `size` bytes that starts with the first `used` bytes of another block, which is
 * released.
 */
uint8_t *grow_block(uint8_t *block, size_t used, size_t size);

/** Releases a block, on any thread; ignores null. */
void give_block(uint8_t *block);

struct BlockGiver {
  void operator()(uint8_t *block) const { give_block(block); }
};
