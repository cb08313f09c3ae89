#include "engine/native/cuda/division.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "engine/native/cuda/product_check.h"
#include "engine/native/cuda/tuner.h"

namespace cotenant {
namespace {

constexpr double most_slower = 1.05;
constexpr int rounds = 3;

using Run = std::function<void()>;

std::vector<std::byte> bits_of(const ProductKey& key, const ProductOperands& operands, cudaStream_t stream,
                               const Run& run) {
  fill_input(stream, key, const_cast<void*>(operands.x));
  poison_result(stream, key, operands.y);
  run();
  std::vector<std::byte> y(static_cast<size_t>(key.rows * key.columns / (key.gated ? 2 : 1)) * size_of(key.dtype));
  COTENANT_CUDA("record", cudaMemcpyAsync(y.data(), operands.y, y.size(), cudaMemcpyDefault, stream));
  COTENANT_CUDA("record", cudaStreamSynchronize(stream));
  return y;
}

double time_us(cudaStream_t stream, const Run& run) {
  constexpr int calls = 4;
  TimedGraph graph(stream, calls, [&](int) { run(); });
  double us = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) us = std::min(us, graph.run_us());
  return us;
}

}  // namespace

Division divide_product(const Products& products, const ProductKey& key, const Plan& plan,
                        const ProductOperands& operands, int wanted, cudaStream_t stream) {
  Division whole{.plan = plan, .columns = key.columns, .us = expected_us(key, plan)};
  if (wanted <= 1) return whole;
  const auto runs = [&](const Division& division) {
    return [&, division] { products.run_in_parts(key, division, operands, [] {}); };
  };
  whole.us = time_us(stream, runs(whole));
  std::vector<Division> ways;
  for (Division& way : products.ways_to_divide(key, plan, wanted)) try {
      way.us = time_us(stream, runs(way));
      if (way.us <= most_slower * whole.us) ways.push_back(way);
    } catch (const Error&) {  // the library thinks better of it when it comes to launching
    }
  std::ranges::sort(ways, {}, &Division::us);
  const std::vector<std::byte> bits = bits_of(key, operands, stream, runs(whole));
  for (const Division& way : ways) {
    if (bits_of(key, operands, stream, runs(way)) != bits) continue;
    spdlog::debug("divide {}: {:.1f} us, in {} parts {:.1f} us", to_string(key), whole.us, way.parts, way.us);
    return way;
  }
  return whole;
}

}  // namespace cotenant
