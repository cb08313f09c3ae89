#pragma once

#include "analysis/analysis.h"
#include "analysis/load.h"

namespace cotenant {

// From which deviation on clocks are said to differ: mean SM clock shared / alone - 1.
constexpr double clocks_differ = 0.03;

// From which mean slowdown over median slowdown on the median is said to hide the tenant's waits.
constexpr double median_hides = 1.5;

// What a reader of the figures should know: samples too few or suspicious, files damaged, tenants that cannot be
// compared, clocks that differ. Each a sentence that ends in what to do, if something can be done.
void add_warnings(ExperimentAnalysis& analysis, const LoadedExperiment& experiment);

}  // namespace cotenant
