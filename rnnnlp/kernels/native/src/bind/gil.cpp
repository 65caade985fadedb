#include "bind/gil.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "runtime/platform.hpp"

namespace rnnnlp {
namespace {

// Never destroyed: threads may wait in it until the process is gone.
struct Exit {
  std::mutex mutex;
  std::condition_variable changed;
  int64_t away = 0;  // threads that have let go of the global lock and have not got it back
  bool began = false;
  std::thread::id thread;  // the one that ends the interpreter
};

Exit* the_exit = new Exit;  // NOLINT(cert-err58-cpp,bugprone-throwing-static-initialization): nobody could go on

}  // namespace

void begin_exit() {
  Exit& all = *the_exit;
  PyThreadState* state = PyEval_SaveThread();
  {
    std::unique_lock<std::mutex> guard(all.mutex);
    all.began = true;
    all.thread = std::this_thread::get_id();
    all.changed.wait(guard, [&] { return all.away == 0; });
  }
  PyEval_RestoreThread(state);
}

GilRelease::GilRelease() {
  {
    std::lock_guard<std::mutex> guard(the_exit->mutex);
    the_exit->away++;
  }
  state_ = PyEval_SaveThread();
}

GilRelease::~GilRelease() {
  Exit& all = *the_exit;
  {
    std::unique_lock<std::mutex> guard(all.mutex);
    if (all.began && all.thread != std::this_thread::get_id()) {
      all.away--;
      all.changed.notify_all();
      all.changed.wait(guard, [] { return false; });
    }
  }
  PyEval_RestoreThread(state_);
  std::lock_guard<std::mutex> guard(all.mutex);
  all.away--;
  if (all.began) all.changed.notify_all();
}

void prepare_exit_for_forks() {
  at_fork(nullptr, nullptr, [] { the_exit = new Exit; });  // the other threads exist only in the parent
}

}  // namespace rnnnlp
