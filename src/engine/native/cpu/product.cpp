#include "engine/native/cpu/product.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/native/cpu/parallel.h"
#include "engine/native/cpu/sources.h"

namespace cotenant {
namespace {

// Output columns packed at once: the floats of a piece (at most 3072 x 512 x 4 B for a small model) stay in cache on
// their way from the source to the packed matrix. A multiple of every block of oneDNN's layouts.
constexpr int64_t piece_columns = 512;
// The layout does not depend on the number of rows; some number must be named.
constexpr int64_t typical_rows = 128;

dnnl::memory::desc best_layout(const dnnl::engine& engine, int64_t in, int64_t out, Dtype dtype) {
  return onednn::product(engine, onednn::matrix(typical_rows, in, dtype, in, 1), onednn::any_matrix(in, out, dtype),
                         nullptr, onednn::matrix(typical_rows, out, dtype, out, 1), {})
      .weights_desc();
}

// Columns [first, last) of the matrix [in, out] as floats into `piece`: [last - first][in], or, when the source is
// [in, out] itself, [in][last - first].
void gather_columns(const LinearSource& source, int64_t first, int64_t last, float* piece) {
  int64_t part_first = 0;
  for (const TensorSource& part : source.weights) {
    const int64_t part_out = source.in_out ? part.shape[1] : part.shape[0];
    const int64_t begin = std::max(first, part_first), end = std::min(last, part_first + part_out);
    if (begin < end && source.in_out) {
      parallel_for_throwing(source.in, [&](int64_t k) {
        read_source(part, k * part_out + begin - part_first, end - begin, piece + k * (last - first) + begin - first);
      });
    } else if (begin < end) {
      parallel_for_throwing(end - begin, [&](int64_t i) {
        read_source(part, (begin - part_first + i) * source.in, source.in, piece + (begin - first + i) * source.in);
      });
    }
    part_first += part_out;
  }
}

}  // namespace

size_t PackedWeight::bytes() const {
  return Buffer::rounded(layout.get_size()) + (has_bias ? Buffer::rounded(static_cast<size_t>(out) * 4) : 0);
}

bool can_multiply(const dnnl::engine& engine, Dtype dtype) {
  try {
    best_layout(engine, 64, 64, dtype);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

PackedWeight plan_weight(const dnnl::engine& engine, int64_t in, int64_t out, bool has_bias, Dtype dtype) {
  return {.in = in,
          .out = out,
          .dtype = dtype,
          .layout = best_layout(engine, in, out, dtype),
          .matrix = {},
          .bias = {},
          .has_bias = has_bias};
}

void fill_weight(const dnnl::engine& engine, PackedWeight& weight, const LinearSource& source) {
  const int64_t in = weight.in, out = weight.out;
  weight.matrix = Buffer(weight.layout.get_size());
  Buffer piece(static_cast<size_t>(std::min(piece_columns, out) * in) * sizeof(float));
  auto* floats = reinterpret_cast<float*>(piece.data());
  dnnl::stream stream(engine);
  for (int64_t first = 0; first < out; first += piece_columns) {
    const int64_t n = std::min(piece_columns, out - first);
    gather_columns(source, first, first + n, floats);
    const auto from =
        source.in_out ? onednn::matrix(in, n, Dtype::f32, n, 1) : onednn::matrix(in, n, Dtype::f32, 1, in);
    const auto to = weight.layout.submemory_desc({in, n}, {0, first});
    dnnl::memory from_memory(from, engine, floats), to_memory(to, engine, weight.matrix.data());
    dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to)).execute(stream, from_memory, to_memory);
    stream.wait();
  }
  if (!weight.has_bias) return;
  weight.bias = Buffer(static_cast<size_t>(out) * sizeof(float));
  auto* bias = reinterpret_cast<float*>(weight.bias.data());
  for (const TensorSource& part : source.biases) {
    read_source(part, 0, part.elements(), bias);
    bias += part.elements();
  }
}

Product::Product(const dnnl::engine& engine, const PackedWeight& weight, const Tensor& y, const Tensor& x,
                 Activation activation, bool accumulate) {
  const int64_t rows = x.shape[0];
  const auto src = onednn::matrix(rows, weight.in, x.dtype, x.shape[1], 1);
  const auto dst = onednn::matrix(rows, weight.out, y.dtype, y.shape[1], 1);
  const auto bias = onednn::matrix(1, weight.out, Dtype::f32, weight.out, 1);
  dnnl::post_ops post_ops;
  if (accumulate) post_ops.append_sum(1);
  onednn::append_activation(post_ops, activation);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const auto description =
      onednn::product(engine, src, weight.layout, weight.has_bias ? &bias : nullptr, dst, attributes);
  workspace_bytes_ = description.scratchpad_desc().get_size();
  if (!x.data) return;  // a dry run only asks for the workspace

  primitive_ = dnnl::matmul(description);
  const auto add = [&](int argument, const dnnl::memory::desc& desc, void* data) {
    memories_.emplace_back(desc, engine, data);
    arguments_.push_back({argument, memories_.back().get()});
  };
  add(DNNL_ARG_SRC, src, x.data);
  add(DNNL_ARG_WEIGHTS, weight.layout, weight.matrix.data());
  add(DNNL_ARG_DST, dst, y.data);
  if (weight.has_bias) add(DNNL_ARG_BIAS, bias, weight.bias.data());
  if (workspace_bytes_ == 0) return;
  add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), nullptr);
  workspace_ = arguments_.back().memory;
}

void Product::run(dnnl_stream_t stream, std::byte* workspace) const {
  if (workspace_) dnnl_memory_set_data_handle(workspace_, workspace);
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive_.get(), stream, static_cast<int>(arguments_.size()), arguments_.data());
  if (status != dnnl_success) throw internal_error("Product::run", fmt::format("oneDNN says {}", int{status}));
}

}  // namespace cotenant
