#include "products_floor.h"

#include <algorithm>

#include "base/clock.h"
#include "engine/native/cuda/program.h"
#include "engine/native/cuda/tuner.h"
#include "engine/native/cuda/weight_kernels.h"

namespace cotenant {
namespace {

constexpr size_t workspace_bytes = size_t{32} << 20;

// in and out of every product of a pass, in order.
std::vector<std::pair<int64_t, int64_t>> products_of(const ModelSpec& spec) {
  std::vector<std::pair<int64_t, int64_t>> products;
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    products.emplace_back(spec.hidden, spec.qkv_width());
    products.emplace_back(spec.q_width(), spec.hidden);
    products.emplace_back(spec.hidden, (spec.gated ? 2 : 1) * spec.intermediate);
    products.emplace_back(spec.intermediate, spec.hidden);
  }
  if (spec.has_head) products.emplace_back(spec.hidden, (spec.vocab_size + 127) / 128 * 128);
  return products;
}

}  // namespace

ProductsFloor::ProductsFloor(const DeviceFacts& device, const ModelSpec& spec, int64_t rows)
    : rows_(rows), list_(products_of(spec)), stream_(make_stream()), arena_(false) {
  int64_t widest = 0;
  size_t bytes = workspace_bytes + Arena::alignment_bytes;
  for (const auto& [in, out] : list_) {
    widest = std::max({widest, in, out});
    bytes += static_cast<size_t>(in * out) * 2 + Arena::alignment_bytes;
  }
  arena_.reserve(bytes + 2 * (static_cast<size_t>(rows * widest) * 2 + Arena::alignment_bytes));
  for (const auto& [in, out] : list_) weights_.push_back(filled(in * out, 0.035f));
  const Arena::Region region = arena_.largest_block();
  workspace_ = arena_.take(workspace_bytes);
  x_ = filled(rows * widest, 1);
  y_ = filled(rows * widest, 1);
  products_ = std::make_unique<Products>(stream_.get(), workspace_, workspace_bytes, device.sms);
  const Tuner tuner(stream_.get(), *products_, region, device.l2_bytes);
  for (size_t i = 0; i < list_.size(); ++i)
    if (!plans_.contains(list_[i])) plans_[list_[i]] = tuner.fastest(key(i), operands(i), workspace_).front();
  graph_ = capture(stream_.get(), "floor", [this] {
    for (size_t i = 0; i < list_.size(); ++i) products_->run(key(i), plans_[list_[i]], operands(i));
  });
}

double ProductsFloor::run_ms() {
  const int64_t begin_ns = now_ns();
  COTENANT_CUDA("floor", cudaGraphLaunch(graph_.get(), stream_.get()));
  while (cudaStreamQuery(stream_.get()) == cudaErrorNotReady) {
  }
  COTENANT_CUDA("floor", cudaStreamQuery(stream_.get()));
  return ns_to_ms(now_ns() - begin_ns);
}

double ProductsFloor::weight_bytes() const {
  double bytes = 0;
  for (const auto& [in, out] : list_) bytes += 2.0 * static_cast<double>(in * out);
  return bytes;
}

void* ProductsFloor::filled(int64_t count, float half_width) {
  void* data = arena_.take(static_cast<size_t>(count) * 2);
  launch_generate(stream_.get(), {.to = data, .dtype = Dtype::f16, .rows = 1, .columns = count},
                  {.key = static_cast<uint64_t>(count), .mean = 0, .half_width = half_width});
  return data;
}

ProductKey ProductsFloor::key(size_t i) const {
  return {.dtype = Dtype::f16, .rows = rows_, .in = list_[i].first, .columns = list_[i].second};
}

ProductOperands ProductsFloor::operands(size_t i) const {
  return {.y = y_, .w = weights_[i], .x = x_, .out = list_[i].second};
}

}  // namespace cotenant
