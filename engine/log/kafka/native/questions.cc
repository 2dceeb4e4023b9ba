/* Requests about partitions and groups, one librdkafka call each. */
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bridge.h"
#include "calls.h"

namespace millrace {

namespace {

std::vector<End> places_of(Local<v8::Value> value) {
  Local<v8::Array> list = value.As<v8::Array>();
  std::vector<End> places;
  for (uint32_t i = 0; i < list->Length(); i++) {
    Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
    auto number = [&](const char *name) {
      Local<v8::Value> field = Nan::Get(object, text(name)).ToLocalChecked();
      return field->IsNumber() ? Nan::To<double>(field).FromJust() : -1;
    };
    Nan::Utf8String topic(Nan::Get(object, text("topic")).ToLocalChecked());
    places.push_back({*topic, static_cast<int>(number("partition")),
                      static_cast<int64_t>(number("offset"))});
  }
  return places;
}

/** A request about a list of partitions. */
class ListWork : public ClientWork {
 public:
  ListWork(Local<v8::Value> client, Local<v8::Value> places, int timeout_ms, Local<v8::Value> done)
      : ClientWork(client, done), timeout_ms_(timeout_ms), places_(places_of(places)) {}

 protected:
  rd_kafka_topic_partition_list_t *List() {
    auto *list = lib.rd_kafka_topic_partition_list_new(static_cast<int>(places_.size()));
    for (const End &place : places_) {
      auto *entry =
          lib.rd_kafka_topic_partition_list_add(list, place.topic.c_str(), place.partition);
      entry->offset = place.offset;
    }
    return list;
  }

  /** Runs an admin call and returns its event; null if it failed. */
  template <typename Call>
  rd_kafka_event_t *Ask(rd_kafka_t *rk, rd_kafka_admin_op_t kind, Call call) {
    rd_kafka_queue_t *queue = lib.rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = lib.rd_kafka_AdminOptions_new(rk, kind);
    char problem[256];
    lib.rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms_, problem, sizeof problem);
    call(options, queue);
    rd_kafka_event_t *event = lib.rd_kafka_queue_poll(queue, timeout_ms_ + 1000);
    lib.rd_kafka_AdminOptions_destroy(options);
    lib.rd_kafka_queue_destroy(queue);
    if (event == nullptr) {
      Fail(RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer");
      return nullptr;
    }
    if (lib.rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
    Fail(lib.rd_kafka_event_error(event), lib.rd_kafka_event_error_string(event));
    lib.rd_kafka_event_destroy(event);
    return nullptr;
  }

  /** Stores a result; false if it is an error. */
  bool Add(const rd_kafka_topic_partition_t *entry) {
    if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Fail(entry->err, std::string(entry->topic) + ": " + lib.rd_kafka_err2str(entry->err));
      return false;
    }
    answers_.push_back({entry->topic, entry->partition, entry->offset});
    const char *metadata = static_cast<const char *>(entry->metadata);
    metadata_.emplace_back(metadata == nullptr ? "" : std::string(metadata, entry->metadata_size));
    return true;
  }

  Local<v8::Value> Result() override {
    Local<v8::Array> list = ends_of(answers_);
    for (uint32_t i = 0; i < answers_.size(); i++) {
      Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
      set(object, "metadata", text(metadata_[i]));
    }
    return list;
  }

  int timeout_ms_;

 private:
  std::vector<End> places_;
  std::vector<End> answers_;
  std::vector<std::string> metadata_;
};

class CommittedWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    rd_kafka_resp_err_t error = lib.rd_kafka_committed(rk, list, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(error, lib.rd_kafka_err2str(error));
    for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
      if (!Add(&list->elems[i])) break;
    }
    lib.rd_kafka_topic_partition_list_destroy(list);
  }
};

class EndOffsetsWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    for (int i = 0; i < list->cnt; i++) list->elems[i].offset = RD_KAFKA_OFFSET_SPEC_LATEST;
    rd_kafka_event_t *event =
        Ask(rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS, [&](auto *options, auto *queue) {
          lib.rd_kafka_ListOffsets(rk, list, options, queue);
        });
    lib.rd_kafka_topic_partition_list_destroy(list);
    if (event == nullptr) return;
    size_t count;
    auto **infos =
        lib.rd_kafka_ListOffsets_result_infos(lib.rd_kafka_event_ListOffsets_result(event), &count);
    for (size_t i = 0; i < count; i++) {
      if (!Add(lib.rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]))) break;
    }
    lib.rd_kafka_event_destroy(event);
  }
};

class DeleteRecordsWork : public ListWork {
 public:
  using ListWork::ListWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_topic_partition_list_t *list = List();
    rd_kafka_DeleteRecords_t *request = lib.rd_kafka_DeleteRecords_new(list);
    rd_kafka_event_t *event =
        Ask(rk, RD_KAFKA_ADMIN_OP_DELETERECORDS, [&](auto *options, auto *queue) {
          lib.rd_kafka_DeleteRecords(rk, &request, 1, options, queue);
        });
    lib.rd_kafka_DeleteRecords_destroy(request);
    lib.rd_kafka_topic_partition_list_destroy(list);
    if (event == nullptr) return;
    auto *result = lib.rd_kafka_event_DeleteRecords_result(event);
    auto *offsets = lib.rd_kafka_DeleteRecords_result_offsets(result);
    for (int i = 0; i < offsets->cnt; i++) {
      if (!Add(&offsets->elems[i])) break;
    }
    lib.rd_kafka_event_destroy(event);
  }
};

/**
 * Sends offsets with their metadata to the open transaction; node-rdkafka's own call drops the
 * metadata.
 */
class SendOffsetsWork : public ListWork {
 public:
  SendOffsetsWork(Local<v8::Value> client, Local<v8::Value> member, Local<v8::Value> places,
                  int timeout_ms, Local<v8::Value> done)
      : ListWork(client, places, timeout_ms, done), member_(connection_of(member)) {
    SaveToPersistent("member", member);
    Local<v8::Array> list = places.As<v8::Array>();
    for (uint32_t i = 0; i < list->Length(); i++) {
      Local<v8::Object> object = Nan::Get(list, i).ToLocalChecked().As<v8::Object>();
      Local<v8::Value> field = Nan::Get(object, text("metadata")).ToLocalChecked();
      sent_.emplace_back(field->IsString() ? *Nan::Utf8String(field) : "");
    }
  }

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_consumer_group_metadata_t *group = nullptr;
    {
      Held member(member_);
      if (member.rk != nullptr) group = lib.rd_kafka_consumer_group_metadata(member.rk);
    }
    if (group == nullptr) return Fail(RD_KAFKA_RESP_ERR__STATE, "the consumer is no member");
    rd_kafka_topic_partition_list_t *list = List();
    for (int i = 0; i < list->cnt; i++) {
      if (sent_[i].empty()) continue;
      // The list frees it.
      list->elems[i].metadata = strdup(sent_[i].c_str());
      list->elems[i].metadata_size = sent_[i].size();
    }
    rd_kafka_error_t *error =
        lib.rd_kafka_send_offsets_to_transaction(rk, list, group, timeout_ms_);
    lib.rd_kafka_topic_partition_list_destroy(list);
    lib.rd_kafka_consumer_group_metadata_destroy(group);
    if (error == nullptr) return;
    Fail(lib.rd_kafka_error_code(error), lib.rd_kafka_error_string(error));
    lib.rd_kafka_error_destroy(error);
  }

 private:
  NodeKafka::Connection *member_;
  std::vector<std::string> sent_;
};

}  // namespace

NAN_METHOD(SendOffsets) {
  int timeout_ms = Nan::To<int>(info[3]).FromJust();
  Nan::AsyncQueueWorker(new SendOffsetsWork(info[0], info[1], info[2], timeout_ms, info[4]));
}

namespace {

/** The identity of a consumer in its group, which brokers check when its offsets are committed. */
class MembershipWork : public ClientWork {
 public:
  using ClientWork::ClientWork;

 protected:
  void Run(rd_kafka_t *rk) override {
    rd_kafka_consumer_group_metadata_t *group = lib.rd_kafka_consumer_group_metadata(rk);
    if (group == nullptr) return Fail(RD_KAFKA_RESP_ERR__STATE, "the consumer is no member");
    group_ = lib.rd_kafka_consumer_group_metadata_group_id(group);
    member_ = lib.rd_kafka_consumer_group_metadata_member_id(group);
    generation_ = lib.rd_kafka_consumer_group_metadata_generation_id(group);
    const char *instance = lib.rd_kafka_consumer_group_metadata_group_instance_id(group);
    has_instance_ = instance != nullptr;
    if (has_instance_) instance_ = instance;
    lib.rd_kafka_consumer_group_metadata_destroy(group);
  }

  Local<v8::Value> Result() override {
    Local<v8::Object> result = Nan::New<v8::Object>();
    set(result, "group", text(group_));
    set(result, "member", text(member_));
    set(result, "generation", Nan::New<v8::Number>(generation_));
    if (has_instance_) set(result, "instance", text(instance_));
    return result;
  }

 private:
  std::string group_;
  std::string member_;
  int32_t generation_ = -1;
  bool has_instance_ = false;
  std::string instance_;
};

}  // namespace

NAN_METHOD(Membership) {
  Nan::AsyncQueueWorker(new MembershipWork(info[0], info[1]));
}

namespace {

template <typename Work>
void ask(const Nan::FunctionCallbackInfo<v8::Value> &info) {
  int timeout_ms = Nan::To<int>(info[2]).FromJust();
  Nan::AsyncQueueWorker(new Work(info[0], info[1], timeout_ms, info[3]));
}

}  // namespace

NAN_METHOD(Committed) { ask<CommittedWork>(info); }

NAN_METHOD(EndOffsets) { ask<EndOffsetsWork>(info); }

NAN_METHOD(DeleteRecords) { ask<DeleteRecordsWork>(info); }

}  // namespace millrace
