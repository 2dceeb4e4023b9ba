/*
 * The LZ4 of librdkafka's sources, found by the include path, as librdkafka keeps its own copy to itself. The order is
 * LZ4's for one file of all; memory comes from where it comes without librdkafka.
 */
#include <stdlib.h>

#define rd_kafka_mem_malloc(rk, size) malloc(size)
#define rd_kafka_mem_calloc(rk, count, size) calloc(count, size)
#define rd_kafka_mem_free(rk, memory) free(memory)

#include "rdxxhash.c"
#include "lz4.c"
#include "lz4hc.c"
#include "lz4frame.c"
