#include "blocks.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>

namespace {

/** malloc already reuses shorter blocks itself. */
constexpr size_t kLeast = 64u << 10;
/** Limit of the free blocks, bytes; above it, the oldest free block is released. */
constexpr size_t kMostKept = 64u << 20;

/** Header of each block; as long as malloc's alignment. */
struct alignas(16) Head {
  size_t capacity;
};

Head *head_of(uint8_t *block) { return reinterpret_cast<Head *>(block) - 1; }

class Kept {
 public:
  /**
   * Null if no block fits; a block of twice the size would waste memory. The block returned last is
   * most likely in the processor's cache.
   */
  Head *Take(size_t size) {
    std::lock_guard<std::mutex> guard(mutex_);
    for (size_t i = heads_.size(); i-- > 0;) {
      Head *head = heads_[i];
      if (head->capacity < size || head->capacity / 2 > size) continue;
      heads_.erase(heads_.begin() + static_cast<std::ptrdiff_t>(i));
      bytes_ -= head->capacity;
      return head;
    }
    return nullptr;
  }

  void Give(Head *head) {
    std::lock_guard<std::mutex> guard(mutex_);
    heads_.push_back(head);
    bytes_ += head->capacity;
    while (bytes_ > kMostKept) {
      bytes_ -= heads_.front()->capacity;
      free(heads_.front());
      heads_.pop_front();
    }
  }

 private:
  std::mutex mutex_;
  std::deque<Head *> heads_;
  size_t bytes_ = 0;
};

/** Never destroyed, because buffers are returned even while the process ends. */
Kept &kept = *new Kept();

}  // namespace

uint8_t *take_block(size_t size) {
  Head *head = size < kLeast ? nullptr : kept.Take(size);
  if (head == nullptr) {
    // Rounded, so that blocks of similar sizes are interchangeable.
    const size_t capacity = size < kLeast ? size : (size + kLeast - 1) / kLeast * kLeast;
    head = static_cast<Head *>(malloc(sizeof(Head) + capacity));
    if (head == nullptr) throw std::bad_alloc();
    head->capacity = capacity;
  }
  return reinterpret_cast<uint8_t *>(head + 1);
}

uint8_t *grow_block(uint8_t *block, size_t used, size_t size) {
  uint8_t *grown = take_block(size);
  memcpy(grown, block, used);
  give_block(block);
  return grown;
}

void give_block(uint8_t *block) {
  if (block == nullptr) return;
  Head *head = head_of(block);
  if (head->capacity < kLeast) free(head);
  else kept.Give(head);
}
