#include "team.hpp"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace rnnnlp {
namespace {

inline void pause_a_little() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins while `waits()`; lets other threads run once it has lasted, as on a machine with more threads than cores.
template <class F>
void spin_while(F&& waits) {
  for (int turn = 0; waits(); turn++) {
    if (turn < 1000)
      pause_a_little();
    else
      sched_yield();
  }
}

// True if `waits()` ended within the time.
template <class F>
bool spin_for(std::chrono::microseconds time, F&& waits) {
  auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int turn = 0; turn < 64; turn++) {
      if (!waits()) return true;
      pause_a_little();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

constexpr std::chrono::microseconds patience{100};

}  // namespace

Team::Team(int size) : size_(size), arrivals_(new Arrivals[size]) {
  for (int rank = 1; rank < size; rank++) threads_.emplace_back([this, rank] { live(rank); });
}

Team::~Team() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
    started_++;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::run(Work work, void* context) {
  taken_ = 0;
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

void Team::live(int rank) {
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
    work_(context_, rank);
    running_--;
  }
}

// Each rank writes its own number and reads the others': a cache line changes hands once, where a common count takes three turns.
void Team::barrier(int rank) {
  if (size_ == 1) return;
  const unsigned here = arrivals_[rank].number.load(std::memory_order_relaxed) + 1;
  arrivals_[rank].number.store(here, std::memory_order_release);
  for (int other = 0; other < size_; other++)
    spin_while([&] { return static_cast<int>(arrivals_[other].number.load(std::memory_order_acquire) - here) < 0; });
}

long Team::take() { return taken_.fetch_add(1, std::memory_order_relaxed); }

int available_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
#endif
  int cores_of_machine = static_cast<int>(std::thread::hardware_concurrency());
  return cores_of_machine > 0 ? cores_of_machine : 1;
}

long bytes_of_L2() {
  constexpr long usual = 1 << 20;
#if defined(_SC_LEVEL2_CACHE_SIZE)
  long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : usual;
#else
  return usual;
#endif
}

namespace {

std::mutex crew_mutex;
Team* crew_team = nullptr;
pid_t crew_process = 0;
int crew_size = 0;

int threads_at_start() {
  const char* asked = std::getenv("OMP_NUM_THREADS");
  int number = asked ? std::atoi(asked) : 0;
  return number > 0 ? number : available_cores();
}

}  // namespace

void set_threads(int threads) {
  std::lock_guard<std::mutex> guard(crew_mutex);
  crew_size = threads;
}

int threads() {
  std::lock_guard<std::mutex> guard(crew_mutex);
  if (crew_size == 0) crew_size = threads_at_start();
  return crew_size;
}

Team& Crew::alone() {
  static Team one(1);
  return one;
}

Team& Crew::team_for(double floats) { return floats < 20000 ? alone() : *team_; }

Crew::Crew() : lock_(crew_mutex) {
  if (crew_size == 0) crew_size = threads_at_start();
  bool forked = crew_team != nullptr && crew_process != getpid();
  if (forked) crew_team = nullptr;  // its threads live in the parent only: nothing to join, so it is left alone
  if (crew_team != nullptr && crew_team->size() != crew_size) {
    delete crew_team;
    crew_team = nullptr;
  }
  if (crew_team == nullptr) {
    crew_team = new Team(crew_size);
    crew_process = getpid();
  }
  team_ = crew_team;
}

}  // namespace rnnnlp
