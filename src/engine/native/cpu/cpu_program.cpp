#include "engine/native/cpu/cpu_program.h"

#include <omp.h>

#include <algorithm>

#include "base/error.h"

namespace cotenant {

void CpuQueue::push(CpuProgram* program) {
  if (count_ == waiting_.size()) throw internal_error("CpuQueue::push", "more programs in flight than allowed");
  waiting_[count_++] = program;
}

void CpuQueue::run_oldest() {
  const CpuProgram* program = waiting_[0];
  std::copy(waiting_.begin() + 1, waiting_.end(), waiting_.begin());
  --count_;
  program->run();
}

void CpuProgram::run() const {
  omp_set_num_threads(threads_);  // another engine of this thread may have asked for other ones
  for (const Step& step : steps_) step(workspace_.data());
}

void CpuProgram::wait() {
  bool own = false;
  while (!own) {
    if (queue_.empty()) throw internal_error("CpuProgram::wait", "the program was not launched");
    own = queue_.oldest() == this;
    queue_.run_oldest();
  }
}

}  // namespace cotenant
