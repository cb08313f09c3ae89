// Measures the CPU engine: whole passes, and the operations they are made of, each beside what the machine can do at
// most, measured in the same process. bench/compare_cpu.py runs it together with its peer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "base/error.h"
#include "cpu_engine/measure.h"

int main(int argc, char** argv) {
  using namespace cotenant;
  bench::Options options;
  bool steps = false;
  options.threads = static_cast<int>(std::thread::hardware_concurrency());
  CLI::App app{"Measures the CPU engine"};
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", options.seconds, "Of each case, at least")->capture_default_str();
  app.add_option("--only", options.only, "A part of the names of the cases to run");
  app.add_flag("--json", options.json, "One JSON object a line");
  app.add_flag("--steps", steps, "The operations, too");
  CLI11_PARSE(app, argc, argv);
  try {
    const bench::Ceilings ceilings = bench::measure_ceilings(options);
    fmt::print(stderr, "{} threads: {:.0f} GFLOP/s float32, {:.0f} bfloat16, {:.1f} GB/s read\n", options.threads,
               ceilings.f32_gflops, ceilings.bf16_gflops, ceilings.read_gb_per_s);
    bench::run_passes(options, ceilings);
    if (steps) bench::run_steps(options, ceilings);
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return static_cast<int>(e.code());
  }
  return 0;
}
