/*
 * Positions of the fields of a record batch of Kafka's format 2, and its attributes. Numbers are
 * big-endian.
 */
#pragma once

#include <cstddef>
#include <cstdint>

constexpr size_t kBatchLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kFormatAt = 16;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerAt = 43;
constexpr size_t kCountAt = 57;
constexpr size_t kBatchHeadBytes = 61;
/** Bytes that the length field of a batch does not include. */
constexpr size_t kBeforeLength = 12;

constexpr int kFormat = 2;
constexpr int kCodecMask = 7;
constexpr int kLz4 = 3;
constexpr int kAppendTime = 8;
constexpr int kTransactional = 16;
constexpr int kControl = 32;

/** Bytes of a header in a packed batch besides its name and value (record/headers.ts). */
constexpr size_t kHeaderOverhead = 6;
