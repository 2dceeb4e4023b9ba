/* Packed batches -> Kafka's record batches (format 2, as a Produce request holds them). */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "owned-bytes.h"

/**
 * The records of a packed batch's image as transactional record batches compressed by LZ4. Before
 * compression each holds at most `most` bytes of records, or a single record. The caller fills in
 * producer, epoch, sequence and checksum. Returns the reason of a failure; empty on success.
 */
std::string pack(const uint8_t *image, size_t most, std::vector<OwnedBytes> *batches);
