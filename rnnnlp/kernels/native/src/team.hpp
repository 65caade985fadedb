// The one pool of threads that does all the work of a step.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rnnnlp {

// A team runs one function on all its threads at once; the caller is rank 0. Between calls the others spin for some
// microseconds (the next call usually follows at once), then sleep, so that they take no core from anybody else.
class Team {
 public:
  using Work = void (*)(void* context, int rank);

  explicit Team(int size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }
  void run(Work work, void* context);
  void barrier(int rank);     // every rank of a running function must come here
  long take();                // the next of 0, 1, ... that no rank of this run has yet

 private:
  void live(int rank);

  struct alignas(64) Arrivals {
    std::atomic<unsigned> number{0};
  };

  const int size_;
  std::unique_ptr<Arrivals[]> arrivals_;  // at barriers, of each rank
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Work work_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<unsigned> started_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<long> taken_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
};

template <class F>
void run_on(Team& team, F&& f) {
  team.run([](void* context, int rank) { (*static_cast<F*>(context))(rank); }, &f);
}

int available_cores();      // of this process: its affinity
long bytes_of_L2();         // of one core

// The team of this process, nobody else's for the time of this object. After a fork the child gets a new one.
class Crew {
 public:
  explicit Crew();
  Team& team() { return *team_; }
  Team& team_for(double floats);  // the caller alone where so few are handled that waking others takes longer
  static Team& alone();

 private:
  std::unique_lock<std::mutex> lock_;
  Team* team_;
};

void set_threads(int threads);
int threads();

}  // namespace rnnnlp
