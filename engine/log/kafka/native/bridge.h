/*
 * Connects JavaScript to a client of node-rdkafka. Unwraps its C++ object to reach librdkafka's
 * handle.
 *
 * Threads: polls, flushes and admin requests run in libuv's pool and hold the client's read lock,
 * so that a disconnect waits for them. librdkafka calls the interceptors on its own threads.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "library.h"
#include "src/connection.h"

namespace millrace {

using v8::Local;

/** Gives access to private members of the class. */
struct Access : NodeKafka::Connection {
  static RdKafka::Handle *handle(NodeKafka::Connection *connection) {
    return static_cast<Access *>(connection)->m_client;
  }
  static rd_kafka_conf_t *config(NodeKafka::Connection *connection) {
    return static_cast<Access *>(connection)->m_gconfig->c_ptr_global();
  }
  static uv_rwlock_t *lock(NodeKafka::Connection *connection) {
    return &static_cast<Access *>(connection)->m_connection_lock;
  }
};

/** The handle of a client, valid during the lifetime of this object; null after a disconnect. */
class Held {
 public:
  explicit Held(NodeKafka::Connection *connection) : lock_(Access::lock(connection)) {
    uv_rwlock_rdlock(lock_);
    RdKafka::Handle *handle = Access::handle(connection);
    rk = handle == nullptr ? nullptr : handle->c_ptr();
  }
  ~Held() { uv_rwlock_rdunlock(lock_); }
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  rd_kafka_t *rk;

 private:
  uv_rwlock_t *lock_;
};

struct Failure {
  int code;
  std::string message;
  std::string topic;
  int partition;
};

struct End {
  std::string topic;
  int partition;
  int64_t offset;
};

Local<v8::String> text(const std::string &from);

void set(Local<v8::Object> object, const char *name, Local<v8::Value> value);

/** {topic, partition}; empty without a topic. */
Local<v8::Object> place(const std::string &topic, int partition);

Local<v8::Array> ends_of(const std::vector<End> &ends);

Local<v8::Array> failures_of(const std::vector<Failure> &failures);

/** Takes ownership of the memory, a block (blocks.h). */
Local<v8::ArrayBuffer> buffer_of(uint8_t **data, size_t size);

NodeKafka::Connection *connection_of(Local<v8::Value> client);

/** Work on a client in libuv's pool, which keeps the client's object alive. */
class ClientWork : public Nan::AsyncWorker {
 public:
  ClientWork(Local<v8::Value> client, Local<v8::Value> done)
      : Nan::AsyncWorker(new Nan::Callback(done.As<v8::Function>()), "millrace:kafka"),
        connection_(connection_of(client)) {
    SaveToPersistent("client", client);
  }

  void Execute() final {
    Held held(connection_);
    if (held.rk == nullptr) {
      Fail(RD_KAFKA_RESP_ERR__STATE, "the client is disconnected");
      return;
    }
    Run(held.rk);
  }

 protected:
  virtual void Run(rd_kafka_t *rk) = 0;
  virtual Local<v8::Value> Result() = 0;

  void Fail(int code, const std::string &message) {
    code_ = code;
    SetErrorMessage(message.c_str());
  }

  void HandleOKCallback() final {
    Nan::HandleScope scope;
    Local<v8::Value> args[] = {Nan::Null(), Result()};
    callback->Call(2, args, async_resource);
  }

  void HandleErrorCallback() final {
    Nan::HandleScope scope;
    Local<v8::Object> error = Nan::Error(ErrorMessage()).As<v8::Object>();
    set(error, "code", Nan::New<v8::Number>(code_));
    Local<v8::Value> args[] = {error};
    callback->Call(1, args, async_resource);
  }

 private:
  NodeKafka::Connection *connection_;
  int code_ = 0;
};

}  // namespace millrace
