#include "engine/native/cpu/widened_product.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr int64_t panel_columns = 512;  // a multiple of every block of oneDNN's layouts

}  // namespace

WidenedProduct::WidenedProduct(const dnnl::engine& engine, const PackedWeight& weight, const Tensor& y, const Tensor& x,
                               Activation activation, bool accumulate)
    : engine_(engine) {
  const int64_t rows = x.shape[0], in = weight.in, widest = std::min(panel_columns, weight.out);
  const bool narrows = y.dtype != Dtype::f32;  // else the product writes to y itself
  dnnl::post_ops post_ops;
  if (accumulate) post_ops.append_sum(1);
  onednn::append_activation(post_ops, activation);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const auto product_of = [&](int64_t columns) {
    const auto bias = onednn::matrix(1, columns, Dtype::f32, columns, 1);
    return onednn::product(engine, onednn::matrix(rows, in, Dtype::f32, in, 1),
                           onednn::any_matrix(in, columns, Dtype::f32), weight.has_bias ? &bias : nullptr,
                           onednn::matrix(rows, columns, Dtype::f32, narrows ? columns : y.shape[1], 1), attributes);
  };
  const auto whole = product_of(widest);
  const auto x_desc = onednn::matrix(rows, in, x.dtype, x.shape[1], 1);
  const auto wide_x_desc = onednn::matrix(rows, in, Dtype::f32, in, 1);
  const size_t wide_x = place(wide_x_desc), wide_weight = place(whole.weights_desc());
  const size_t wide_y = narrows ? place(onednn::matrix(rows, widest, Dtype::f32, widest, 1)) : 0;
  const int64_t last_columns = weight.out % widest == 0 ? widest : weight.out % widest;
  const auto last = last_columns == widest ? whole : product_of(last_columns);
  // The last panel's own layout may be padded further than the part of a wide one.
  workspace_bytes_ = std::max(workspace_bytes_, wide_weight + Buffer::rounded(last.weights_desc().get_size()));
  const size_t scratch = workspace_bytes_;
  workspace_bytes_ += Buffer::rounded(std::max(whole.scratchpad_desc().get_size(), last.scratchpad_desc().get_size()));
  if (!x.data) return;

  add_reorder(fixed(x_desc, x.data), x_desc, placed(wide_x_desc, wide_x), wide_x_desc);
  const dnnl::matmul whole_product(whole), last_product(last);
  for (int64_t first = 0; first < weight.out; first += widest) {
    const int64_t columns = std::min(widest, weight.out - first);
    const auto& description = columns == widest ? whole : last;
    const auto from = weight.layout.submemory_desc({in, columns}, {0, first});
    const dnnl_memory_t panel = placed(description.weights_desc(), wide_weight);
    add_reorder(fixed(from, weight.matrix.data()), from, panel, description.weights_desc());

    auto* y_data = static_cast<std::byte*>(y.data) + static_cast<size_t>(first) * size_of(y.dtype);
    const auto y_desc = onednn::matrix(rows, columns, y.dtype, y.shape[1], 1);
    const dnnl_memory_t result = fixed(y_desc, y_data);
    const auto wide_y_desc = description.dst_desc();
    const dnnl_memory_t wide_result = narrows ? placed(wide_y_desc, wide_y) : result;
    if (narrows && accumulate) add_reorder(result, y_desc, wide_result, wide_y_desc);

    Step step{.primitive = columns == widest ? whole_product : last_product,
              .arguments = {
                  {DNNL_ARG_SRC, placed(wide_x_desc, wide_x)}, {DNNL_ARG_WEIGHTS, panel}, {DNNL_ARG_DST, wide_result}}};
    if (weight.has_bias)
      step.arguments.push_back({DNNL_ARG_BIAS, fixed(onednn::matrix(1, columns, Dtype::f32, columns, 1),
                                                     weight.bias.data() + static_cast<size_t>(first) * sizeof(float))});
    if (description.scratchpad_desc().get_size() > 0)
      step.arguments.push_back({DNNL_ARG_SCRATCHPAD, placed(description.scratchpad_desc(), scratch)});
    steps_.push_back(std::move(step));
    if (narrows) add_reorder(wide_result, wide_y_desc, result, y_desc);
  }
}

size_t WidenedProduct::place(const dnnl::memory::desc& desc) {
  const size_t offset = workspace_bytes_;
  workspace_bytes_ += Buffer::rounded(desc.get_size());
  return offset;
}

dnnl_memory_t WidenedProduct::fixed(const dnnl::memory::desc& desc, void* data) {
  memories_.emplace_back(desc, engine_, data);
  return memories_.back().get();
}

dnnl_memory_t WidenedProduct::placed(const dnnl::memory::desc& desc, size_t offset) {
  const dnnl_memory_t memory = fixed(desc, nullptr);
  placed_.push_back({memory, offset});
  return memory;
}

void WidenedProduct::add_reorder(dnnl_memory_t from, const dnnl::memory::desc& from_desc, dnnl_memory_t to,
                                 const dnnl::memory::desc& to_desc) {
  steps_.push_back({.primitive = dnnl::reorder(dnnl::reorder::primitive_desc(engine_, from_desc, engine_, to_desc)),
                    .arguments = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}});
}

void WidenedProduct::run(dnnl_stream_t stream, std::byte* workspace) const {
  for (const Placed& each : placed_) dnnl_memory_set_data_handle(each.memory, workspace + each.offset);
  for (const Step& step : steps_) {
    const dnnl_status_t status = dnnl_primitive_execute(step.primitive.get(), stream,
                                                        static_cast<int>(step.arguments.size()), step.arguments.data());
    if (status != dnnl_success) throw internal_error("WidenedProduct::run", fmt::format("oneDNN says {}", int{status}));
  }
}

}  // namespace cotenant
