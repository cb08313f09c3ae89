#pragma once

#include <map>
#include <memory>
#include <vector>

#include "engine/native/cuda/arena.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/product.h"
#include "engine/native/cuda/stream.h"
#include "model/spec.h"

namespace cotenant {

// The floor of a model's pass: its matrix products alone, the fastest way for each, one after another in one CUDA
// graph, every weight matrix its own so that all of them come from device memory. No engine that multiplies all of them
// can be faster. f16; with buffers of its own.
class ProductsFloor {
 public:
  // `rows`: of every product.
  ProductsFloor(const DeviceFacts& device, const ModelSpec& spec, int64_t rows);

  // One pass, by the host clock.
  double run_ms();
  double weight_bytes() const;

 private:
  void* filled(int64_t count, float half_width);
  ProductKey key(size_t i) const;
  ProductOperands operands(size_t i) const;

  int64_t rows_;
  std::vector<std::pair<int64_t, int64_t>> list_;  // in and out of every product, in order
  Stream stream_;
  Arena arena_;
  std::vector<void*> weights_;
  void *workspace_ = nullptr, *x_ = nullptr, *y_ = nullptr;
  std::unique_ptr<Products> products_;
  std::map<std::pair<int64_t, int64_t>, Plan> plans_;
  GraphExec graph_;
};

}  // namespace cotenant
