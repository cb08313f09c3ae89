#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

namespace cotenant {

// fn(i) for i in [0, count) on the thread team of the caller (omp_set_num_threads). One piece of work stays on the
// caller's thread: waking the others costs more than it would save.
template <typename Function>
void parallel_for(int64_t count, const Function& fn) {
#pragma omp parallel for schedule(static) if (count > 1)
  for (int64_t i = 0; i < count; ++i) fn(i);
}

// As parallel_for, for what may throw, which must not leave a thread of the team: one of the exceptions is thrown here
// when all have ended.
template <typename Function>
void parallel_for_throwing(int64_t count, const Function& fn) {
  std::exception_ptr failure;
  std::atomic_flag failed;
  parallel_for(count, [&](int64_t i) {
    try {
      fn(i);
    } catch (...) {
      if (!failed.test_and_set()) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

// As parallel_for, for pieces of unequal cost: whoever is free takes the next.
template <typename Function>
void parallel_for_uneven(int64_t count, const Function& fn) {
#pragma omp parallel for schedule(dynamic) if (count > 1)
  for (int64_t i = 0; i < count; ++i) fn(i);
}

// Splits [0, count) into ranges of at least `least` and calls fn(first, last) for each: for pieces too small to hand
// out one by one.
template <typename Function>
void parallel_ranges(int64_t count, int64_t least, int64_t threads, const Function& fn) {
  const int64_t most = count / (least > 0 ? least : 1);
  const int64_t pieces = most < 1 ? 1 : (most < threads ? most : threads);
  parallel_for(pieces, [&](int64_t i) { fn(count * i / pieces, count * (i + 1) / pieces); });
}

}  // namespace cotenant
