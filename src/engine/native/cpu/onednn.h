#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "base/dtype.h"
#include "model/spec.h"

// Where oneDNN 2 (Debian 12) and oneDNN 3 (Ubuntu 24.04) differ, and what both need alike.
namespace cotenant::onednn {

inline dnnl::memory::data_type data_type(Dtype dtype) {
  return dtype == Dtype::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// A dense or strided matrix [rows, columns].
inline dnnl::memory::desc matrix(int64_t rows, int64_t columns, Dtype dtype, int64_t row_stride,
                                 int64_t column_stride) {
  return {{rows, columns}, data_type(dtype), dnnl::memory::dims{row_stride, column_stride}};
}

// A matrix in whatever layout the product likes best.
inline dnnl::memory::desc any_matrix(int64_t rows, int64_t columns, Dtype dtype) {
  return {{rows, columns}, data_type(dtype), dnnl::memory::format_tag::any};
}

// dst = src weights + bias. Throws dnnl::error (unimplemented) where this CPU has no such product.
inline dnnl::matmul::primitive_desc product(const dnnl::engine& engine, const dnnl::memory::desc& src,
                                            const dnnl::memory::desc& weights, const dnnl::memory::desc* bias,
                                            const dnnl::memory::desc& dst, const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return bias ? dnnl::matmul::primitive_desc(engine, src, weights, *bias, dst, attributes)
              : dnnl::matmul::primitive_desc(engine, src, weights, dst, attributes);
#else
  return {bias ? dnnl::matmul::desc(src, weights, *bias, dst) : dnnl::matmul::desc(src, weights, dst), attributes,
          engine};
#endif
}

inline void append_activation(dnnl::post_ops& ops, Activation activation) {
  using dnnl::algorithm;
  const auto append = [&](algorithm which, float alpha) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(which, alpha, 0);
#else
    ops.append_eltwise(1, which, alpha, 0);
#endif
  };
  switch (activation) {
    case Activation::none:
      return;
    case Activation::gelu_tanh:
      return append(algorithm::eltwise_gelu_tanh, 0);
    case Activation::gelu_erf:
      return append(algorithm::eltwise_gelu_erf, 0);
    case Activation::silu:
      return append(algorithm::eltwise_swish, 1);
    case Activation::relu:
      return append(algorithm::eltwise_relu, 0);
  }
}

}  // namespace cotenant::onednn
