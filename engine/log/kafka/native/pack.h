/* Packed batches -> Kafka's record batches (format 2, as a Produce request holds them). */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "owned-bytes.h"

/**
 * The records of a packed batch's image as transactional record batches compressed by LZ4. Before compression each holds at
 * most `most` bytes of records, or a single record. Producer, epoch, sequence and checksum are left to be filled in. Answers why it
 * cannot be done; nothing when it can.
 */
std::string pack(const uint8_t *image, size_t most, std::vector<OwnedBytes> *batches);
