#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <span>
#include <vector>

#include "engine/native/cuda/arena.h"
#include "engine/native/cuda/product.h"

namespace cotenant {

// Times `count` calls in one graph, so that what is timed is the device and not the host that launches: microseconds a
// call, the least of `repeats` replays. `call` gets 0, 1, ...
class TimedGraph {
 public:
  TimedGraph(cudaStream_t stream, int count, const std::function<void(int)>& call);
  double run_us();  // one replay; microseconds a call

 private:
  cudaStream_t stream_;
  int count_;
  GraphExec graph_;
  Event begin_, end_;
};

// Finds the fastest ways to compute a product among those that compute it right.
class Tuner {
 public:
  // `weights`: memory full of weights, of any shape. Each call in a row reads another stretch of it, so that the
  // second-level cache does not hold what a pass would have to fetch from memory.
  Tuner(cudaStream_t stream, const Products& products, Arena::Region weights, size_t l2_bytes);

  // The fastest first, and up to three others that take at most a tenth longer. Overwrites y, x and the scratch of
  // `operands`.
  std::vector<Plan> fastest(const ProductKey& key, const ProductOperands& operands, void* scratch) const;

 private:
  TimedGraph time(const ProductKey& key, const Plan& plan, const ProductOperands& operands) const;
  bool right(const ProductKey& key, const Plan& plan, const ProductOperands& operands, void* scratch) const;

  cudaStream_t stream_;
  const Products& products_;
  Arena::Region weights_;
  size_t l2_bytes_;
};

}  // namespace cotenant
