/**
 * Adds the cells of a changelog batch to a store that is being restored. It replaces
 * engine/state/put-cells.ts at half the time, and is fast from the first record on, before
 * JavaScript is compiled. The columns belong to JavaScript, as described in key-table.ts,
 * packed-cells.ts and record/batch.ts; JavaScript grows them before the call. Every thread of tasks
 * loads it (Node-API); it keeps no state between calls.
 */
#include <node_api.h>

#include <cstdint>
#include <cstring>

namespace {

/** First byte of the key of a record that holds a cell; the rest is the cell's (changelog.ts). */
constexpr uint8_t kCellTag = 1;
constexpr size_t kHeadBytes = 16;
constexpr size_t kCountAt = 8;
/** Records that are added together, in passes without dependencies, so that their cache misses overlap. */
constexpr uint32_t kTogether = 64;
constexpr int32_t kGone = -1;

template <typename T>
struct Column {
  T *at = nullptr;
  size_t length = 0;
};

struct Batch {
  /** False if the image's description of its columns is impossible. */
  bool Read(const uint8_t *image, size_t size) {
    if (size < kHeadBytes) return false;
    memcpy(&count, image + kCountAt, sizeof count);
    const size_t columns = size_t{count} * 24 + (size_t{count} + 1) * 4;
    if (size - kHeadBytes < columns) return false;
    starts = reinterpret_cast<const int32_t *>(image + kHeadBytes + size_t{count} * 16);
    key_lengths = starts + count + 1;
    value_lengths = key_lengths + count;
    bytes = reinterpret_cast<const uint8_t *>(value_lengths + count);
    size_of_bytes = size - kHeadBytes - columns;
    return true;
  }

  /** True if key and value are inside the batch. */
  bool IsWhole(uint32_t i) const {
    const int64_t value = value_lengths[i] < 0 ? 0 : value_lengths[i];
    const int64_t key = key_lengths[i] < 0 ? 0 : key_lengths[i];
    return starts[i] >= 0 && starts[i] + key + value <= static_cast<int64_t>(size_of_bytes);
  }

  bool IsCell(uint32_t i) const { return key_lengths[i] >= 1 && bytes[starts[i]] == kCellTag; }

  uint32_t count = 0;
  const int32_t *starts = nullptr;
  const int32_t *key_lengths = nullptr;
  const int32_t *value_lengths = nullptr;
  const uint8_t *bytes = nullptr;
  size_t size_of_bytes = 0;
};

class Cells {
 public:
  /** Adds records from `from` on; returns the first without a cell, or the number of records. `problem` says what went wrong. */
  uint32_t Put(const Batch &batch, uint32_t from) {
    while (from < batch.count && problem == nullptr) {
      const uint32_t taken = PutSome(batch, from);
      from += taken;
      if (taken < kTogether) break;
    }
    return from;
  }

  /** By row: of keys and of cells. */
  int32_t rows = 0;
  int32_t keys_length = 0;
  int32_t body_length = 0;
  uint32_t first_factor = 1;
  uint32_t second_factor = 1;
  Column<int32_t> slots;
  Column<int32_t> places;
  Column<uint8_t> keys;
  Column<int32_t> cells;
  Column<uint8_t> body;
  const char *problem = nullptr;

 private:
  uint32_t PutSome(const Batch &batch, uint32_t from) {
    uint32_t hashes[kTogether];
    int32_t found[kTogether];
    uint32_t count = 0;
    for (; count < kTogether && from + count < batch.count; count++) {
      const uint32_t i = from + count;
      if (!batch.IsWhole(i)) problem = "a record does not lie in its batch";
      if (problem != nullptr || !batch.IsCell(i)) break;
      hashes[count] = HashOf(batch.bytes + batch.starts[i] + 1, batch.key_lengths[i] - 1);
      __builtin_prefetch(slots.at + HomeOf(hashes[count]));
    }
    for (uint32_t k = 0; k < count; k++) {
      size_t slot = HomeOf(hashes[k]);
      while (slots.at[slot + 1] != 0 && slots.at[slot] != static_cast<int32_t>(hashes[k])) slot = Next(slot);
      found[k] = slots.at[slot + 1] - 1;
      if (found[k] < 0) continue;
      __builtin_prefetch(places.at + 2 * size_t(found[k]));
      __builtin_prefetch(cells.at + 4 * size_t(found[k]));
    }
    for (uint32_t k = 0; k < count; k++) {
      if (found[k] < 0) continue;
      __builtin_prefetch(keys.at + places.at[2 * size_t(found[k])]);
      __builtin_prefetch(body.at + cells.at[4 * size_t(found[k])], 1);
    }
    for (uint32_t k = 0; k < count; k++) {
      const uint32_t i = from + k;
      const uint8_t *key = batch.bytes + batch.starts[i] + 1;
      const int32_t length = batch.key_lengths[i] - 1;
      const bool is_known = found[k] >= 0 && IsKey(found[k], key, length);
      const int32_t row = is_known ? found[k] : RowOf(key, length, hashes[k]);
      if (row >= 0) PutCell(row, key + length, batch.value_lengths[i]);
      if (problem != nullptr) return k;
    }
    return count;
  }

  uint32_t HashOf(const uint8_t *key, int32_t length) const {
    uint32_t hash = static_cast<uint32_t>(length);
    const uint8_t *end = key + length;
    for (; end - key >= 4; key += 4) {
      uint32_t word;
      memcpy(&word, key, sizeof word);
      hash = Mixed(hash ^ word);
    }
    for (; key < end; key++) hash = Mixed(hash ^ *key);
    return hash ^ hash >> 15;
  }

  uint32_t Mixed(uint32_t bits) const { return bits * first_factor + (bits >> 16) * second_factor; }

  size_t HomeOf(uint32_t hash) const { return (size_t{hash} << 1) & (slots.length - 1); }
  size_t Next(size_t slot) const { return (slot + 2) & (slots.length - 1); }

  bool IsKey(int32_t row, const uint8_t *key, int32_t length) const {
    const int32_t *place = places.at + 2 * size_t(row);
    return place[1] == length && memcmp(keys.at + place[0], key, length) == 0;
  }

  /** Row of a key that may be new; -1 if there is no room. */
  int32_t RowOf(const uint8_t *key, int32_t length, uint32_t hash) {
    size_t slot = HomeOf(hash);
    for (; slots.at[slot + 1] != 0; slot = Next(slot)) {
      const int32_t row = slots.at[slot + 1] - 1;
      if (slots.at[slot] == static_cast<int32_t>(hash) && IsKey(row, key, length)) return row;
    }
    const size_t more = size_t(rows) + 1;
    if (4 * more > slots.length || 2 * more > places.length || 4 * more > cells.length ||
        size_t(keys_length) + length > keys.length) {
      problem = "there is no room for a key";
      return -1;
    }
    int32_t *place = places.at + 2 * size_t(rows);
    place[0] = keys_length;
    place[1] = length;
    memcpy(keys.at + keys_length, key, length);
    keys_length += length;
    cells.at[4 * size_t(rows) + 1] = kGone;
    cells.at[4 * size_t(rows) + 2] = kGone;
    slots.at[slot] = static_cast<int32_t>(hash);
    slots.at[slot + 1] = ++rows;
    return rows - 1;
  }

  void PutCell(int32_t row, const uint8_t *value, int32_t length) {
    int32_t *cell = cells.at + 4 * size_t(row);
    const bool is_first = cell[2] == kGone;
    const int32_t most = length < 0 ? 0 : length;
    if (is_first || most > cell[2]) {
      // A cell that has grown will probably grow again.
      const size_t room = is_first ? size_t(most) : 2 * size_t(most);
      if (size_t(body_length) + room > body.length) {
        problem = "there is no room for a cell";
        return;
      }
      cell[0] = body_length;
      cell[2] = static_cast<int32_t>(room);
      body_length += static_cast<int32_t>(room);
    }
    cell[1] = length < 0 ? kGone : length;
    memcpy(body.at + cell[0], value, most);
  }
};

template <typename T>
bool read_column(napi_env env, napi_value value, Column<T> *column) {
  napi_typedarray_type type;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &column->length, &data, nullptr, nullptr) != napi_ok) return false;
  column->at = static_cast<T *>(data);
  return type == (sizeof(T) == 1 ? napi_uint8_array : napi_int32_array);
}

/** Checks the length of the slots, two numbers each, so that no slot is beyond the last. */
bool is_power_of_two(size_t length) { return length > 1 && (length & (length - 1)) == 0; }

/** putCells(image, from, numbers, slots, places, keys, cells, body); numbers: rows, bytes of keys, of body, factors of the hash. */
napi_value put_cells(napi_env env, napi_callback_info info) {
  constexpr size_t kArguments = 8;
  size_t count = kArguments;
  napi_value given[kArguments];
  void *image;
  size_t size;
  uint32_t from;
  Column<int32_t> numbers;
  Cells cells;
  Batch batch;
  const bool is_read = napi_get_cb_info(env, info, &count, given, nullptr, nullptr) == napi_ok && count == kArguments &&
                       napi_get_arraybuffer_info(env, given[0], &image, &size) == napi_ok &&
                       napi_get_value_uint32(env, given[1], &from) == napi_ok &&
                       read_column(env, given[2], &numbers) && numbers.length == 5 &&
                       read_column(env, given[3], &cells.slots) && is_power_of_two(cells.slots.length) &&
                       read_column(env, given[4], &cells.places) &&
                       read_column(env, given[5], &cells.keys) && read_column(env, given[6], &cells.cells) &&
                       read_column(env, given[7], &cells.body) &&
                       batch.Read(static_cast<const uint8_t *>(image), size);
  if (!is_read) {
    napi_throw_type_error(env, nullptr, "putCells: a batch and its store's columns are needed");
    return nullptr;
  }
  cells.rows = numbers.at[0];
  cells.keys_length = numbers.at[1];
  cells.body_length = numbers.at[2];
  cells.first_factor = static_cast<uint32_t>(numbers.at[3]);
  cells.second_factor = static_cast<uint32_t>(numbers.at[4]);
  const uint32_t next = cells.Put(batch, from);
  if (cells.problem != nullptr) {
    napi_throw_range_error(env, nullptr, cells.problem);
    return nullptr;
  }
  numbers.at[0] = cells.rows;
  numbers.at[1] = cells.keys_length;
  numbers.at[2] = cells.body_length;
  napi_value answer;
  napi_create_uint32(env, next, &answer);
  return answer;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "putCells", NAPI_AUTO_LENGTH, put_cells, nullptr, &function);
  napi_set_named_property(env, exports, "putCells", function);
  return exports;
}
