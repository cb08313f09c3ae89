#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace cotenant {

enum class ExportFormat : unsigned char { csv, json };

struct ExportRequest {
  std::filesystem::path directory;  // of an experiment
  ExportFormat format = ExportFormat::csv;
  bool everything = false;  // baselines/ and repeats/ too
};

// All iterations in long form, a row or object each: run ("" for the experiment's own, else "repeats/02",
// "baselines/<kind>"), experiment, tenant, model, batch_size, seq_len, what the event says, and whether it counts (lies
// wholly inside the window). Streams through `write`; memory does not grow. Unknown values are empty, or null in JSON,
// which is one array. Throws as load_experiment does.
void export_iterations(const ExportRequest& request, const std::function<void(std::string_view)>& write);

}  // namespace cotenant
