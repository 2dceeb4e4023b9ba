/*
 * The librdkafka that node-rdkafka has loaded: its functions are looked up by name, so that the
 * process has only one copy.
 */
#pragma once

#include <string>

#include "rdkafka.h"

namespace millrace {

#define LIBRARY_FUNCTIONS(F)                          \
  F(rd_kafka_AdminOptions_destroy)            \
  F(rd_kafka_AdminOptions_new)                \
  F(rd_kafka_AdminOptions_set_request_timeout) \
  F(rd_kafka_DeleteRecords)                   \
  F(rd_kafka_DeleteRecords_destroy)           \
  F(rd_kafka_DeleteRecords_new)               \
  F(rd_kafka_DeleteRecords_result_offsets)    \
  F(rd_kafka_ListOffsets)                     \
  F(rd_kafka_ListOffsetsResultInfo_topic_partition) \
  F(rd_kafka_ListOffsets_result_infos)        \
  F(rd_kafka_committed)                       \
  F(rd_kafka_conf_interceptor_add_on_conf_dup) \
  F(rd_kafka_conf_interceptor_add_on_new)     \
  F(rd_kafka_consumer_group_metadata)         \
  F(rd_kafka_consumer_group_metadata_destroy) \
  F(rd_kafka_consumer_group_metadata_generation_id) \
  F(rd_kafka_consumer_group_metadata_group_id) \
  F(rd_kafka_consumer_group_metadata_group_instance_id) \
  F(rd_kafka_consumer_group_metadata_member_id) \
  F(rd_kafka_consumer_poll)                   \
  F(rd_kafka_err2str)                         \
  F(rd_kafka_error_code)                      \
  F(rd_kafka_error_destroy)                   \
  F(rd_kafka_error_string)                    \
  F(rd_kafka_event_DeleteRecords_result)      \
  F(rd_kafka_event_ListOffsets_result)        \
  F(rd_kafka_event_destroy)                   \
  F(rd_kafka_event_error)                     \
  F(rd_kafka_event_error_string)              \
  F(rd_kafka_fatal_error)                     \
  F(rd_kafka_flush)                           \
  F(rd_kafka_header_add)                      \
  F(rd_kafka_header_get_all)                  \
  F(rd_kafka_headers_destroy)                 \
  F(rd_kafka_headers_new)                     \
  F(rd_kafka_interceptor_add_on_acknowledgement) \
  F(rd_kafka_interceptor_add_on_send)         \
  F(rd_kafka_message_destroy)                 \
  F(rd_kafka_message_errstr)                  \
  F(rd_kafka_message_headers)                 \
  F(rd_kafka_message_status)                  \
  F(rd_kafka_message_timestamp)               \
  F(rd_kafka_producev)                        \
  F(rd_kafka_queue_destroy)                   \
  F(rd_kafka_queue_new)                       \
  F(rd_kafka_queue_poll)                      \
  F(rd_kafka_send_offsets_to_transaction)     \
  F(rd_kafka_topic_destroy)                   \
  F(rd_kafka_topic_name)                      \
  F(rd_kafka_topic_new)                       \
  F(rd_kafka_topic_partition_list_add)        \
  F(rd_kafka_topic_partition_list_destroy)    \
  F(rd_kafka_topic_partition_list_new)        \
  F(rd_kafka_version)

#define DECLARE(name) decltype(&::name) name;
struct Library {
  LIBRARY_FUNCTIONS(DECLARE)
};
#undef DECLARE

extern Library lib;

/** Looks up the functions. Returns the missing ones; empty if all were found. */
std::string load_library();

}  // namespace millrace
