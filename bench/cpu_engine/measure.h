#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace cotenant::bench {

struct Options {
  int threads = 1;
  double seconds = 2;  // of each case, at least
  std::string only;    // a part of the names of the cases to run
  bool json = false;
};

// One line of the output.
struct Line {
  std::string name;
  double ms = 0;         // median
  double flops = 0;      // of one run; 0: bytes count
  double bytes = 0;      // read from memory in one run
  double ceiling = 0;    // GFLOP/s or GB/s measured in this process
  double extra_ms = -1;  // of generate: time to the first token
};

void print(const Line& line, bool json);

// Median time in ms of `run`, after a warm-up of a fifth of the time.
double median_ms(double seconds, const std::function<void()>& run);

// What this machine reaches on `threads` threads: products of a size that fits its caches best, and reading memory.
struct Ceilings {
  double f32_gflops = 0, bf16_gflops = 0;  // bf16: 0 where the CPU has none
  double read_gb_per_s = 0;
};
Ceilings measure_ceilings(const Options& options);

// The cases. Passes: whole models. Steps: the operations of a pass, at distilgpt2's shapes.
void run_passes(const Options& options, const Ceilings& ceilings);
void run_steps(const Options& options, const Ceilings& ceilings);

}  // namespace cotenant::bench
