#include "runtime/memory.hpp"

#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

#include "runtime/platform.hpp"

namespace rnnnlp {
namespace {

constexpr size_t alignment = 64;

#if defined(RNNNLP_EXACT_MEMORY)
// For AddressSanitizer: each array ends where its last number does, and is freed when it is gone.
constexpr bool keeps_memory = false;

void* allocate(size_t bytes) {
  void* memory = allocate_aligned(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

size_t size_class(size_t bytes) { return bytes; }
#else
constexpr bool keeps_memory = true;

void* allocate(size_t bytes) {
  size_t unit = bytes >= huge_page ? huge_page : alignment;
  size_t rounded = (bytes + unit - 1) / unit * unit;
  void* memory = allocate_aligned(unit, rounded ? rounded : unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Sizes in steps of an eighth, so that a ragged batch finds an array of an earlier batch.
size_t size_class(size_t bytes) {
  size_t step = alignment;
  while (step * 16 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}
#endif

thread_local ScratchMemory* scratch_in_use = nullptr;  // of the PoolLock that this thread holds

struct Store {
  std::mutex mutex;
  std::multimap<size_t, float*> kept;       // by bytes
  std::unordered_map<float*, size_t> used;  // bytes of each
  size_t bytes_kept = 0, bytes_used = 0, most_used = 0;
};

Store& store() {
  static Store* all = new Store;  // never destroyed: arrays may be returned while the interpreter ends
  return *all;
}

}  // namespace

void use_scratch(ScratchMemory* memory) { scratch_in_use = memory; }

float* scratch(Scratch purpose, size_t floats) {
  ScratchMemory::Buffer& buffer = scratch_in_use->buffers[static_cast<int>(purpose)];
  if (buffer.floats < floats) {
    if (floats > most_floats) throw std::bad_alloc();
    free_aligned(buffer.memory);
    buffer = {};
    buffer.memory = static_cast<float*>(allocate(floats * sizeof(float)));
    buffer.floats = floats;
  }
  return buffer.memory;
}

float* acquire_memory(size_t floats) {
  if (floats > most_floats) throw std::bad_alloc();
  size_t bytes = size_class(floats * sizeof(float) + 1);
  Store& all = store();
  std::lock_guard<std::mutex> guard(all.mutex);
  float* memory;
  if (auto found = all.kept.find(bytes); found != all.kept.end()) {
    memory = found->second;
    all.kept.erase(found);
    all.bytes_kept -= bytes;
  } else {
    memory = static_cast<float*>(allocate(bytes));
  }
  all.used[memory] = bytes;
  all.bytes_used += bytes;
  if (all.bytes_used > all.most_used) all.most_used = all.bytes_used;
  return memory;
}

void return_memory(float* memory) {
  Store& all = store();
  std::lock_guard<std::mutex> guard(all.mutex);
  auto found = all.used.find(memory);
  size_t bytes = found->second;
  all.used.erase(found);
  all.bytes_used -= bytes;
  try {
    all.kept.emplace(bytes, memory);
  } catch (const std::bad_alloc&) {
    free_aligned(memory);
    return;
  }
  all.bytes_kept += bytes;
  // Kept and used bytes together exceed the most that was in use at one time by at most a quarter.
  while (!all.kept.empty() && (!keeps_memory || all.bytes_kept + all.bytes_used > all.most_used + all.most_used / 4)) {
    auto smallest = all.kept.begin();
    all.bytes_kept -= smallest->first;
    free_aligned(smallest->second);
    all.kept.erase(smallest);
  }
}

size_t kept_bytes() {
  std::lock_guard<std::mutex> guard(store().mutex);
  return store().bytes_kept;
}

size_t used_bytes() {
  std::lock_guard<std::mutex> guard(store().mutex);
  return store().bytes_used;
}

void hold_memory() { store().mutex.lock(); }
void release_memory() { store().mutex.unlock(); }

}  // namespace rnnnlp
