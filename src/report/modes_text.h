#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "analysis/analysis.h"
#include "analysis/compare.h"

// One mix of tenants in several runs, such as under several kinds of sharing: which serves it best, and is that better
// than running the tenants one after another?
namespace cotenant {

// A row per run (the device), then a row per tenant with its median and slowdown in every run, then which runs do more
// work than one after another. `against_first` has one comparison for each run but the first, or is empty: it adds
// FASTER, SLOWER, SAME, UNCLEAR to the tenants' cells.
std::string modes_text(std::span<const ExperimentAnalysis> runs, std::span<const Comparison> against_first,
                       bool colour);

// The same figures: a list with one object per run.
nlohmann::ordered_json modes_json(std::span<const ExperimentAnalysis> runs);

}  // namespace cotenant
