// Letting go of Python's global lock while a kernel runs, also while the interpreter ends.
#pragma once

#include <nanobind/nanobind.h>

namespace rnnnlp {

// While it is alive, other threads may run Python. A thread that Python ends while it waits for the global lock would
// abort the process, because destructors cannot be unwound. So once the interpreter ends, a kernel of another thread
// does not return: its thread sleeps until the process is gone.
class GilRelease {
 public:
  GilRelease();
  ~GilRelease();
  GilRelease(const GilRelease&) = delete;

 private:
  PyThreadState* state_;
};

// Called by Python (forks.py) when only daemon threads are left besides this one.
void begin_exit();

void prepare_exit_for_forks();  // to be called once

}  // namespace rnnnlp
