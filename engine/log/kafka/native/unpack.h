/* Kafka's record batches (format 2, as in a Fetch response) -> packed batches. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "owned-bytes.h"

/**
 * An aborted transaction: the batches of its producer from an offset on, up to its abort marker.
 */
struct Aborted {
  int64_t producer;
  int64_t first_offset;
};

/**
 * Unpacks whole batches whose checksums were verified, into images of at most `most` records each.
 * Skips records before `from`, control batches, and batches of aborted transactions. Returns what
 * is wrong with the bytes; empty if nothing is.
 */
std::string unpack(const uint8_t *bytes, size_t size, int64_t from, std::vector<Aborted> aborted,
                   size_t most, std::vector<OwnedBytes> *images);
