#include "timing.h"

#include <algorithm>

#include "base/clock.h"
#include "engine/native/cuda/arena.h"
#include "engine/native/cuda/product.h"
#include "engine/native/cuda/tuner.h"
#include "engine/native/cuda/weight_kernels.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

constexpr size_t spread_samples = 1000;  // in a row: over minutes clocks wander, which is no spread of a pass

// Host time of work on a stream, in ms.
double time_ms(cudaStream_t stream, const std::function<void()>& work) {
  const int64_t begin_ns = now_ns();
  work();
  COTENANT_CUDA("bench", cudaStreamSynchronize(stream));
  return ns_to_ms(now_ns() - begin_ns);
}

double p50(const TimingOptions& options, GpuState& state, const std::function<double()>& iteration) {
  return median(measure(options, state, iteration));
}

}  // namespace

std::vector<double> measure(const TimingOptions& options, GpuState& state, const std::function<double()>& iteration) {
  const int64_t loaded_ns = now_ns() + s_to_ns(options.load_s);
  do iteration();
  while (now_ns() < loaded_ns);

  std::vector<double> samples;
  const int64_t begin_ns = now_ns();
  int states = 0;
  while (static_cast<int>(samples.size()) < options.least || now_ns() < begin_ns + s_to_ns(options.measure_s)) {
    samples.push_back(iteration());
    // Between iterations, a few times; the next iteration is not counted against it since the device stays busy.
    if (ns_to_s(now_ns() - begin_ns) > options.measure_s * (states + 1) / 6) {
      state.sample();
      ++states;
      iteration();
    }
  }
  return samples;
}

nlohmann::json summarise(const std::vector<double>& samples_ms) {
  const std::vector<double> sorted = sorted_copy(samples_ms);
  const double p50 = percentile(sorted, 0.5), p99 = percentile(sorted, 0.99);
  const auto first = samples_ms.begin(),
             end = first + static_cast<ptrdiff_t>(std::min(samples_ms.size(), spread_samples));
  const std::vector<double> in_a_row = sorted_copy({first, end});
  const double row_p50 = percentile(in_a_row, 0.5);
  return {{"p50_ms", p50},
          {"p99_ms", p99},
          {"mean_ms", mean(samples_ms)},
          {"min_ms", sorted.front()},
          {"spread", (percentile(in_a_row, 0.99) - row_p50) / row_p50},
          {"samples", samples_ms.size()}};
}

nlohmann::json to_json(const GpuState& state) {
  return {{"sm_mhz", state.sm_mhz()}, {"event_reasons", state.held_by()}};
}

Ceilings measure_ceilings(const TimingOptions& options, GpuState& state) {
  constexpr int64_t side = 8192;
  constexpr size_t matrix_bytes = side * side * 2;
  constexpr size_t workspace_bytes = size_t{32} << 20;
  const Stream stream = make_stream();
  Arena arena(false);
  constexpr size_t copy_bytes = size_t{1} << 30;
  arena.reserve(2 * copy_bytes + 4 * matrix_bytes);
  void* workspace = arena.take(workspace_bytes);
  std::byte* matrices[3];
  for (std::byte*& matrix : matrices) {
    matrix = static_cast<std::byte*>(arena.take(matrix_bytes));
    launch_generate(stream.get(), {.to = matrix, .dtype = Dtype::f16, .rows = side, .columns = side},
                    {.key = 1, .mean = 0, .half_width = 1});
  }
  const Products products(stream.get(), workspace, workspace_bytes, 0);
  const ProductKey key{.dtype = Dtype::f16, .rows = side, .in = side, .columns = side};
  const ProductOperands operands{.y = matrices[0], .w = matrices[1], .x = matrices[2], .out = side};
  const Tuner tuner(stream.get(), products, {matrices[1], matrix_bytes}, 0);
  const Plan plan = tuner.fastest(key, operands, workspace).front();
  const double product_ms =
      p50(options, state, [&] { return time_ms(stream.get(), [&] { products.run(key, plan, operands); }); });
  void *to = arena.take(copy_bytes), *from = arena.take(copy_bytes);
  const double copy_ms = p50(options, state, [&] {
    return time_ms(stream.get(), [&] {
      COTENANT_CUDA("bench", cudaMemcpyAsync(to, from, copy_bytes, cudaMemcpyDeviceToDevice, stream.get()));
    });
  });
  const PinnedMemory pinned = allocate_pinned(matrix_bytes);
  const double link_ms = p50(options, state, [&] {
    return time_ms(stream.get(), [&] {
      COTENANT_CUDA("bench", cudaMemcpyAsync(to, pinned.get(), matrix_bytes, cudaMemcpyHostToDevice, stream.get()));
    });
  });
  return {.tflops = 2.0 * side * side * side / product_ms * 1e-9,
          .copy_gbs = 2.0 * copy_bytes / copy_ms * 1e-6,
          .link_gbs = static_cast<double>(matrix_bytes) / link_ms * 1e-6};
}

}  // namespace cotenant
