/* What JavaScript calls; `done` is called with an error or an answer. */
#pragma once

#include "src/connection.h"

namespace millrace {

/** poll(client, max, waitMs, done) */
NAN_METHOD(Poll);

/** watch(client): counts the deliveries of a producer; to be called once, before it is connected. */
NAN_METHOD(Watch);

/** release(client): to be called before a watched producer is disconnected, which waits for its topics. */
NAN_METHOD(Release);

/** produce(client, topic, partition, image, from) -> index of the first record that did not fit */
NAN_METHOD(Produce);

/** flush(client, timeoutMs, done) */
NAN_METHOD(Flush);

// Questions about a list of partitions: name(client, [{topic, partition, offset?}], timeoutMs, done)

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
