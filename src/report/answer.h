#pragma once

#include <optional>
#include <span>
#include <string>

#include "analysis/analysis.h"

// The answer first: what an experiment comes to, in one sentence.
namespace cotenant {

// "the work of 1.3 GPUs; worst slowdown 2.1x (distilbert_2); device memory-bound; valid". Without a baseline: the
// throughput of all tenants, and that nothing is known of slowdowns.
std::string answer(const ExperimentAnalysis& experiment);

// Of several experiments: which does the most work and which hurts its worst tenant least.
std::string answer(std::span<const ExperimentAnalysis> experiments);

struct WorstSlowdown {
  size_t tenant = 0;
  double slowdown = 0;  // by p50
};
std::optional<WorstSlowdown> worst_slowdown(const ExperimentAnalysis& experiment);

// "GPU", or "CPU" where no accelerator is named.
std::string device_noun(const ExperimentAnalysis& experiment);

}  // namespace cotenant
