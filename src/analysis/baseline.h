#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/load.h"

namespace cotenant {

// The same tenant alone on the device, from the first of: --baseline, the experiment's own baselines/, a solo
// experiment of the same work beside it in the data root, which nobody named: it must be complete and valid. One of the
// tenant's own chip is taken before others.
struct Baseline {
  std::shared_ptr<const LoadedExperiment> experiment;
  const LoadedTenant* tenant = nullptr;  // in there
  std::string why;
  bool found_by_search = false;         // in the data root
  std::vector<std::string> mismatches;  // in spite of which it is used (--force-baseline)
};

// In what `alone` is not the same tenant on the same machine: device, driver, engine, dtype, weights, host threads,
// commit, clock; or that it was not alone. Only what both sides' files tell is compared.
std::vector<std::string> mismatches(const LoadedExperiment& shared, const LoadedTenant& tenant,
                                    const LoadedExperiment& alone, const LoadedTenant& tenant_alone);

// Finds the baselines of experiments; keeps what it has read.
class BaselineFinder {
 public:
  explicit BaselineFinder(const AnalysisRequest& request) : request_(request) {}

  // One per tenant; nullopt where there is none. Throws usage_error when --baseline is of other work or does not match,
  // unless forced. What else was found and not used, or could not be read, is added to `warnings`.
  std::vector<std::optional<Baseline>> find(const LoadedExperiment& shared, std::vector<std::string>& warnings);

 private:
  using Experiment = std::shared_ptr<const LoadedExperiment>;

  Experiment load(const std::filesystem::path& directory);
  std::optional<Baseline> asked_for(const LoadedExperiment& shared, const LoadedTenant& tenant);
  std::optional<Baseline> own(const LoadedExperiment& shared, const LoadedTenant& tenant);
  std::optional<Baseline> beside(const LoadedExperiment& shared, const LoadedTenant& tenant,
                                 std::vector<std::string>& warnings);
  Baseline accept(const LoadedExperiment& shared, const LoadedTenant& tenant, Experiment alone,
                  const LoadedTenant& tenant_alone, std::string why) const;
  const std::vector<std::filesystem::path>& solo_experiments(const std::filesystem::path& data_root);
  Experiment load_or_note(const std::filesystem::path& directory);
  void add_warnings(const LoadedExperiment& shared, const std::vector<std::optional<Baseline>>& found,
                    std::vector<std::string>& warnings);

  const AnalysisRequest& request_;
  std::map<std::filesystem::path, Experiment> loaded_;
  std::map<std::filesystem::path, std::vector<std::filesystem::path>> solos_;  // by data root
  std::map<std::filesystem::path, std::string> damaged_;                       // and what is wrong with each
};

}  // namespace cotenant
