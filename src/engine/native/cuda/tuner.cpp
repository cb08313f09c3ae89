#include "engine/native/cuda/tuner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "engine/native/cuda/gemv.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/product_check.h"
#include "engine/native/cuda/product_hopper.h"
#include "engine/native/cuda/program.h"

namespace cotenant {
namespace {

constexpr int rounds = 3;
constexpr size_t most_chosen = 4;
constexpr float near = 1.1f;  // times the fastest

// With few rows a pass is a row of our own kernels, each of which fetches weights while the one before it ends. A
// kernel of the library neither does so nor lets the next one, which does not show among its own kind. On an H100 one
// such kernel a layer made a decode step longer by 2.5 us a layer (Llama-3.2-3B) and 1.2 (Mistral-7B), although alone
// it was faster than ours by 0.3 and 1.4 us.
constexpr float lost_overlap_us = 3;

bool is_library(const Plan& plan) {
  return plan.method == Plan::Method::library || plan.method == Plan::Method::library_epilogue;
}

std::string describe(const ProductKey& key, const Plan& plan) {
  switch (plan.method) {
    case Plan::Method::hopper: {
      const HopperPlan& cut = hopper_plans(key.gated, key.accumulate)[static_cast<size_t>(plan.variant)];
      return fmt::format("{}, {} columns", to_string(plan.method), cut.tile_columns);
    }
    case Plan::Method::gemv:
    case Plan::Method::gemv_after_norm: {
      const GemvPlan& cut = gemv_plans()[static_cast<size_t>(plan.variant)];
      return fmt::format("{}, {} tiles x {} warps x {} stages", to_string(plan.method), cut.tiles, cut.warps,
                         cut.stages);
    }
    case Plan::Method::library:
    case Plan::Method::library_epilogue:
      break;
  }
  return std::string(to_string(plan.method));
}

struct Candidate {
  Plan plan;
  TimedGraph graph;
};

}  // namespace

TimedGraph::TimedGraph(cudaStream_t stream, int count, const std::function<void(int)>& call)
    : stream_(stream), count_(count), begin_(make_event()), end_(make_event()) {
  graph_ = capture(stream, "tune", [&] {
    for (int i = 0; i < count; ++i) call(i);
  });
}

double TimedGraph::run_us() {
  COTENANT_CUDA("tune", cudaEventRecord(begin_.get(), stream_));
  COTENANT_CUDA("tune", cudaGraphLaunch(graph_.get(), stream_));
  COTENANT_CUDA("tune", cudaEventRecord(end_.get(), stream_));
  COTENANT_CUDA("tune", cudaEventSynchronize(end_.get()));
  float ms = 0;
  COTENANT_CUDA("tune", cudaEventElapsedTime(&ms, begin_.get(), end_.get()));
  return 1e3 * static_cast<double>(ms) / count_;
}

Tuner::Tuner(cudaStream_t stream, const Products& products, Arena::Region weights, size_t l2_bytes)
    : stream_(stream), products_(products), weights_(weights), l2_bytes_(l2_bytes) {}

TimedGraph Tuner::time(const ProductKey& key, const Plan& plan, const ProductOperands& operands) const {
  const size_t bytes = key.weight_bytes();
  const size_t stride = (bytes + Arena::alignment_bytes - 1) / Arena::alignment_bytes * Arena::alignment_bytes;
  const size_t places = std::max<size_t>(1, weights_.bytes / stride);
  const auto calls = static_cast<int>(std::clamp<size_t>(2 * l2_bytes_ / bytes, 8, 256));
  return {stream_, calls, [&](int i) {
            ProductOperands at = operands;
            if (weights_.bytes >= stride) at.w = weights_.begin + static_cast<size_t>(i) % places * stride;
            products_.run(key, plan, at);
          }};
}

bool Tuner::right(const ProductKey& key, const Plan& plan, const ProductOperands& operands, void* scratch) const {
  poison_result(stream_, key, operands.y);
  fill_input(stream_, key, const_cast<void*>(operands.x));
  products_.run(key, plan, operands);
  // The reference takes its normed input from the separate kernel, which gemv does not use.
  if (key.normed && plan.method == Plan::Method::gemv)
    launch_norm(stream_, {operands.normed, key.dtype, {key.rows, key.in, 1, 1}},
                {const_cast<void*>(operands.x), key.dtype, {key.rows, key.in, 1, 1}}, operands.norm);
  const double error = relative_error(stream_, key, operands, scratch);
  if (error <= tolerated_error(key.dtype)) return true;
  spdlog::debug("tune {}: a candidate of {:.1f} us is off by {:.1e} and not used", to_string(key), plan.time_us, error);
  return false;
}

std::vector<Plan> Tuner::fastest(const ProductKey& key, const ProductOperands& operands, void* scratch) const {
  fill_input(stream_, key, const_cast<void*>(operands.x));
  std::vector<Candidate> candidates;
  for (const Plan& plan : products_.candidates(key)) {
    try {
      candidates.push_back({plan, time(key, plan, operands)});
    } catch (const Error& e) {  // the library thinks better of it when it comes to launching
      spdlog::debug("tune {}: {} cannot be used ({})", to_string(key), describe(key, plan), e.message());
    }
  }
  for (Candidate& candidate : candidates) {
    candidate.graph.run_us();  // clocks, caches, modules
    candidate.plan.time_us = std::numeric_limits<float>::infinity();
  }
  // Round by round, so that a change of clocks meets all of them.
  for (int round = 0; round < rounds; ++round)
    for (Candidate& candidate : candidates)
      candidate.plan.time_us = std::min(candidate.plan.time_us, static_cast<float>(candidate.graph.run_us()));
  const bool among_gemvs = std::ranges::any_of(
      candidates, [](const Candidate& candidate) { return candidate.plan.method == Plan::Method::gemv; });
  std::ranges::sort(candidates, {}, [&](const Candidate& candidate) {
    return candidate.plan.time_us + (among_gemvs && is_library(candidate.plan) ? lost_overlap_us : 0);
  });
  for (const Candidate& candidate : candidates)
    spdlog::debug("tune {}: {:.2f} us by {}", to_string(key), candidate.plan.time_us, describe(key, candidate.plan));
  std::vector<Plan> chosen;
  for (const Candidate& candidate : candidates) {
    if (chosen.size() == most_chosen || (!chosen.empty() && candidate.plan.time_us > near * chosen.front().time_us))
      break;
    if (right(key, candidate.plan, operands, scratch)) chosen.push_back(candidate.plan);
  }
  if (!chosen.empty()) return chosen;
  throw internal_error("tune", fmt::format("none of {} ways computes {} right", candidates.size(), to_string(key)));
}

}  // namespace cotenant
