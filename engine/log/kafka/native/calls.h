/* The functions for JavaScript; `done` is called with an error or a result. */
#pragma once

#include "src/connection.h"

namespace millrace {

/** poll(client, max, waitMs, done) */
NAN_METHOD(Poll);

/** watch(client): counts the deliveries of a producer; call once, before it is connected. */
NAN_METHOD(Watch);

/**
 * release(client): call before a watched producer is disconnected, because the disconnect waits for
 * its topics.
 */
NAN_METHOD(Release);

/** produce(client, topic, partition, image, from) -> index of the first record that did not fit */
NAN_METHOD(Produce);

/** flush(client, timeoutMs, done) */
NAN_METHOD(Flush);

// Requests about a list of partitions: name(client, [{topic, partition, offset?}], timeoutMs, done)

NAN_METHOD(Committed);
NAN_METHOD(EndOffsets);
NAN_METHOD(DeleteRecords);

/** sendOffsets(producer, consumer, [{topic, partition, offset, metadata?}], timeoutMs, done) */
NAN_METHOD(SendOffsets);

/** membership(consumer, done) */
NAN_METHOD(Membership);

/** unpack(bytes, size, from, [producer, first offset, ...] of aborted transactions, most records an image, done) */
NAN_METHOD(Unpack);

/** pack(image, most bytes of records a batch, done) */
NAN_METHOD(Pack);

}  // namespace millrace
