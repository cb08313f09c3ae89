#pragma once

#include <vector>

#include "engine/native/cpu/product.h"

namespace cotenant {

// One product of bfloat16 tensors, multiplied in float32: x is widened once, and for each panel of output columns the
// weights are widened into a workspace that stays in cache, multiplied, and the result is narrowed to where it belongs.
// Widening is exact, so only the result is rounded. Costs little where there are many rows: a panel of 768 x 512
// weights takes 0.1 ms to widen and, with 1024 rows, some 5 ms to multiply.
class WidenedProduct {
 public:
  // As Product's. With tensors that have no data (a dry run) it only knows its workspace.
  WidenedProduct(const dnnl::engine& engine, const PackedWeight& weight, const Tensor& y, const Tensor& x,
                 Activation activation, bool accumulate);

  size_t workspace_bytes() const { return workspace_bytes_; }
  void run(dnnl_stream_t stream, std::byte* workspace) const;

 private:
  struct Step {
    dnnl::primitive primitive;
    std::vector<dnnl_exec_arg_t> arguments;
  };
  struct Placed {  // in the workspace
    dnnl_memory_t memory;
    size_t offset;
  };

  // Room in the workspace; returns where it begins.
  size_t place(const dnnl::memory::desc& desc);
  dnnl_memory_t fixed(const dnnl::memory::desc& desc, void* data);
  dnnl_memory_t placed(const dnnl::memory::desc& desc, size_t offset);
  void add_reorder(dnnl_memory_t from, const dnnl::memory::desc& from_desc, dnnl_memory_t to,
                   const dnnl::memory::desc& to_desc);

  dnnl::engine engine_;
  std::vector<dnnl::memory> memories_;
  std::vector<Placed> placed_;
  std::vector<Step> steps_;
  size_t workspace_bytes_ = 0;
};

}  // namespace cotenant
