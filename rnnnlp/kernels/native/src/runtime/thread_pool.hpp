// The pool of threads that does all the work of a step.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rnnnlp {

// Runs one function on all its threads at once. The caller is thread 0. Between calls the other threads spin for some
// microseconds, because the next call usually follows at once. Then they sleep, so that they take no core from other
// programs.
class ThreadPool {
 public:
  using Work = void (*)(void* context, int thread);

  explicit ThreadPool(int size);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }
  void run(Work work, void* context);
  void barrier(int thread);  // waits until every thread of the running function is here
  int64_t next_task();       // 0, 1, ...: each number goes to one thread of this run

 private:
  void worker_loop(int thread);

  struct alignas(64) Arrivals {
    std::atomic<unsigned> number{0};
  };

  int size_;                              // smaller than asked for if the system gives no more threads
  std::unique_ptr<Arrivals[]> arrivals_;  // at barriers, of each thread
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Work work_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<unsigned> started_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<int64_t> tasks_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
};

// Runs f(thread) on each thread of the pool.
template <class F>
void run_on(ThreadPool& pool, F&& f) {
  pool.run([](void* context, int thread) { (*static_cast<F*>(context))(thread); }, &f);
}

struct Place;

// Holds a pool and scratch memory while it is alive; no other caller has them meanwhile. With several threads there is
// one pool, and callers wait for each other. With one thread each caller computes in its own thread, beside the others.
// A fork waits until nobody holds a pool, and the child gets new ones.
class PoolLock {
 public:
  PoolLock();
  ThreadPool& pool() { return *pool_; }
  // The caller alone if there is so little to do that waking threads would take longer.
  ThreadPool& pool_for(double floats) { return floats < 20000 ? *alone_ : *pool_; }
  ThreadPool& alone() { return *alone_; }

 private:
  Place& lock_place(bool any);

  std::unique_lock<std::mutex> lock_;
  ThreadPool *alone_ = nullptr, *pool_ = nullptr;
};

void set_threads(int threads);
int threads();

// Makes forks safe at any moment: no lock of this library is held across one. To be called once.
void prepare_for_forks();

}  // namespace rnnnlp
