#include "cpu_engine/measure.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/devices.h"

namespace cotenant::bench {
namespace {

// GFLOP/s of a product of 1024 x 1024 by 1024 x 1024, the best of all runs.
double product_gflops(const Options& options, Dtype dtype) {
  constexpr int64_t n = 1024;
  OpsOptions ops_options;
  ops_options.dtype = dtype;
  ops_options.threads = options.threads;
  const auto ops = make_ops(ops_options);
  LinearSource source;
  source.weights = {{.name = "w", .shape = {n, n}, .fill = {.key = 1, .half_width = 0.1f}}};
  source.in = source.out = n;
  const Weight weight = ops->pack(source);
  const Tensor x = ops->allocate(dtype, {n, n, 1, 1}), y = ops->allocate(dtype, {n, n, 1, 1});
  const auto program = ops->record([&] { ops->linear(y, weight, x, Activation::none, false); }, "ceiling");
  double best_ms = 1e9;
  for (int i = 0; i < 50; ++i) {
    const int64_t start_ns = now_ns();
    program->launch();
    program->wait();
    best_ms = std::min(best_ms, ns_to_ms(now_ns() - start_ns));
  }
  return 2e-6 * n * n * n / best_ms;
}

double read_gb_per_s(const Options& options) {
  omp_set_num_threads(options.threads);
  const std::vector<float> data(size_t{64} << 20, 1.f);
  double best_ms = 1e9, total = 0;
  for (int i = 0; i < 10; ++i) {
    const int64_t start_ns = now_ns();
    float sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
    for (size_t k = 0; k < data.size(); ++k) sum += data[k];
    best_ms = std::min(best_ms, ns_to_ms(now_ns() - start_ns));
    total += sum;
  }
  if (total < 0) throw internal_error("read_gb_per_s", "ones sum to less than nothing");
  return static_cast<double>(data.size() * sizeof(float)) * 1e-6 / best_ms;
}

}  // namespace

void print(const Line& line, bool json) {
  const bool counts_bytes = line.flops == 0;
  const double rate = (counts_bytes ? line.bytes : line.flops) * 1e-6 / line.ms;
  const char* unit = counts_bytes ? "GB/s" : "GFLOP/s";
  if (json) {
    nlohmann::json out{{"name", line.name}, {"ms", line.ms}, {"rate", rate}, {"unit", unit}, {"ceiling", line.ceiling}};
    if (line.extra_ms >= 0) out["first_token_ms"] = line.extra_ms;
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("{:<42} {:>9.3f} ms {:>8.1f} {:<8} {:>5.1f}% of the ceiling", line.name, line.ms, rate, unit,
               100 * rate / line.ceiling);
    if (line.extra_ms >= 0) fmt::print("   first token {:.2f} ms", line.extra_ms);
    fmt::print("\n");
  }
  std::fflush(stdout);
}

double median_ms(double seconds, const std::function<void()>& run) {
  std::vector<double> times_ms;
  const int64_t start_ns = now_ns();
  run();
  while (ns_to_s(now_ns() - start_ns) < seconds / 5) run();
  const int64_t timed_ns = now_ns();
  while (times_ms.size() < 5 || ns_to_s(now_ns() - timed_ns) < seconds) {
    const int64_t before_ns = now_ns();
    run();
    times_ms.push_back(ns_to_ms(now_ns() - before_ns));
  }
  std::nth_element(times_ms.begin(), times_ms.begin() + static_cast<ptrdiff_t>(times_ms.size() / 2), times_ms.end());
  return times_ms[times_ms.size() / 2];
}

Ceilings measure_ceilings(const Options& options) {
  Ceilings ceilings{.f32_gflops = product_gflops(options, Dtype::f32), .read_gb_per_s = read_gb_per_s(options)};
  if (cpu_engine_has(Dtype::bf16)) ceilings.bf16_gflops = product_gflops(options, Dtype::bf16);
  return ceilings;
}

}  // namespace cotenant::bench
