/* Memory for batches, used again: fresh pages from the system cost as much as unpacking into them. */
#pragma once

#include <cstddef>
#include <cstdint>

/** Room for `size` bytes, their content undefined; on any thread. Given back by `give_block`. */
uint8_t *take_block(size_t size);

/** A block of `size` bytes that begins with the first `used` of another, which is given back. */
uint8_t *grow_block(uint8_t *block, size_t used, size_t size);

/** Gives a block back, on any thread; null is none. */
void give_block(uint8_t *block);

struct BlockGiver {
  void operator()(uint8_t *block) const { give_block(block); }
};
