#include "runtime/thread_pool.hpp"

#include <chrono>
#include <exception>

#include "runtime/memory.hpp"
#include "runtime/platform.hpp"

namespace rnnnlp {
namespace {

inline void pause_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins while `waits()`. After a while it lets other threads run, for a machine with more threads than cores.
template <class F>
void spin_while(F&& waits) {
  for (int turn = 0; waits(); turn++) {
    if (turn < 1000)
      pause_core();
    else
      std::this_thread::yield();
  }
}

// True if `waits()` ended within the time.
template <class F>
bool spin_for(std::chrono::microseconds time, F&& waits) {
  auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int turn = 0; turn < 64; turn++) {
      if (!waits()) return true;
      pause_core();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

constexpr std::chrono::microseconds patience{100};

}  // namespace

ThreadPool::ThreadPool(int size) : size_(size), arrivals_(new Arrivals[size]) {
  threads_.reserve(size);
  try {
    for (int thread = 1; thread < size; thread++) threads_.emplace_back([this, thread] { worker_loop(thread); });
  } catch (const std::exception&) {  // a limit of threads or of memory
    size_ = static_cast<int>(threads_.size()) + 1;
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
    started_++;
  }
  wake_.notify_all();
  for (std::thread& worker : threads_) worker.join();
}

void ThreadPool::run(Work work, void* context) {
  tasks_ = 0;
  if (size_ == 1) return work(context, 0);
  work_ = work;
  context_ = context;
  running_ = size_ - 1;
  started_++;
  if (sleeping_ > 0) {
    std::lock_guard<std::mutex> guard(mutex_);
    wake_.notify_all();
  }
  work(context, 0);
  spin_while([&] { return running_ > 0; });
}

void ThreadPool::worker_loop(int thread) {
  for (unsigned seen = 0;;) {
    auto idle = [&] { return started_ == seen; };
    if (!spin_for(patience, idle)) {
      std::unique_lock<std::mutex> guard(mutex_);
      sleeping_++;
      wake_.wait(guard, [&] { return !idle(); });
      sleeping_--;
    }
    seen = started_;
    if (stop_) return;
    work_(context_, thread);
    running_--;
  }
}

// Each thread writes its own number and reads the numbers of the others. So a cache line changes hands once; a common
// counter would take three turns.
void ThreadPool::barrier(int thread) {
  if (size_ == 1) return;
  const unsigned here = arrivals_[thread].number.load(std::memory_order_relaxed) + 1;
  arrivals_[thread].number.store(here, std::memory_order_release);
  for (int other = 0; other < size_; other++)
    spin_while([&] { return static_cast<int>(arrivals_[other].number.load(std::memory_order_acquire) - here) < 0; });
}

int64_t ThreadPool::next_task() { return tasks_.fetch_add(1, std::memory_order_relaxed); }

// What a caller needs for itself. With several threads all callers use the first place, and the pool of the process.
struct Place {
  std::mutex mutex;
  ThreadPool alone{1};
  ScratchMemory memory;
};

namespace {

constexpr int most_callers = 32;  // at the same time, with one thread each; others wait

Place* places() {
  static Place* all = new Place[most_callers];  // never destroyed: a thread may compute while the interpreter ends
  return all;
}

std::atomic<int> pool_size{1};      // as asked for, of the next pool
ThreadPool* shared_pool = nullptr;  // guarded by the first place, as its size
int shared_pool_size = 0;           // as asked for, of this pool

void hold_locks() {  // in the order in which kernels take them
  for (int k = 0; k < most_callers; k++) places()[k].mutex.lock();
  hold_memory();
}

void release_locks() {
  release_memory();
  for (int k = 0; k < most_callers; k++) places()[k].mutex.unlock();
}

void begin_child() {
  shared_pool = nullptr;  // its threads exist only in the parent, so there is nothing to join
  release_locks();
}

}  // namespace

void set_threads(int threads) { pool_size = threads; }

int threads() { return pool_size; }

void prepare_for_forks() { at_fork(hold_locks, release_locks, begin_child); }

PoolLock::PoolLock() {
  const int size = pool_size;
  Place& place = lock_place(size == 1);
  use_scratch(&place.memory);
  alone_ = pool_ = &place.alone;
  if (size == 1) return;
  if (shared_pool == nullptr || shared_pool_size != size) {
    delete shared_pool;
    shared_pool = nullptr;  // if the next line throws
    shared_pool = new ThreadPool(size);
    shared_pool_size = size;
  }
  pool_ = shared_pool;
}

// Any place that is free, or else the first one when it becomes free.
Place& PoolLock::lock_place(bool any) {
  for (int k = 0; any && k < most_callers; k++) {
    lock_ = std::unique_lock(places()[k].mutex, std::try_to_lock);
    if (lock_.owns_lock()) return places()[k];
  }
  lock_ = std::unique_lock(places()[0].mutex);
  return places()[0];
}

}  // namespace rnnnlp
