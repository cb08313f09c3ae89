#pragma once

#include <array>
#include <vector>

#include "engine/native/cpu/buffer.h"
#include "engine/native/cpu/onednn.h"
#include "engine/native/ops.h"

namespace cotenant {

// A matrix in oneDNN's own layout, and its bias. One layout serves products of any number of rows.
struct PackedWeight {
  int64_t in = 0, out = 0;
  Dtype dtype = Dtype::f32;
  dnnl::memory::desc layout;
  Buffer matrix;
  Buffer bias;  // float [out]; empty: none

  bool has_bias = false;
  size_t bytes() const;  // also in a dry run, which leaves the buffers empty
};

// Whether oneDNN can multiply in `dtype` on this CPU.
bool can_multiply(const dnnl::engine& engine, Dtype dtype);

// Chooses the layout; allocates nothing.
PackedWeight plan_weight(const dnnl::engine& engine, int64_t in, int64_t out, bool has_bias, Dtype dtype);

// Allocates a planned weight's buffers and fills them from `source`, piece by piece.
void fill_weight(const dnnl::engine& engine, PackedWeight& weight, const LinearSource& source);

// One product with fixed addresses: y = activation(x W^T + b), or y += x W^T + b.
class Product {
 public:
  Product(const dnnl::engine& engine, const PackedWeight& weight, const Tensor& y, const Tensor& x,
          Activation activation, bool accumulate);

  size_t workspace_bytes() const { return workspace_bytes_; }
  // By oneDNN's C interface: its C++ one would allocate a list of arguments on every call.
  void run(dnnl_stream_t stream, std::byte* workspace) const;

 private:
  dnnl::matmul primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  dnnl_memory_t workspace_ = nullptr;  // one of memories_
  size_t workspace_bytes_ = 0;
};

}  // namespace cotenant
