#pragma once

#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "report/charts.h"

namespace cotenant {

// One unit and the quantities that are drawn in it, over seconds since T0.
struct TelemetryPanel {
  std::string title, unit;         // "Device utilisation", "%"
  std::vector<std::string> names;  // of the curves
  std::vector<size_t> colours;     // of the curves: a tenant has the colour that it has everywhere
  std::vector<Curve> curves;
};

// telemetry.jsonl as panels, without those of which nothing is known; empty when the experiment has none.
std::vector<TelemetryPanel> telemetry_panels(const ExperimentAnalysis& experiment, size_t most_points = 600);

}  // namespace cotenant
