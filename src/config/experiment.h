#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenant/tenant.h"

// An experiment as the user wrote it, checked, with every default filled in. Plain data: what the keys mean is told in
// docs/configuration.md and, for editors, by schema.h.
namespace cotenant {

struct TenantConfig : TenantDescription {
  std::string out_dir;  // default: <experiment out_dir>/<directory of name>

  // Where it is written in the configuration, for messages about it: "pair.yaml:7:5". Empty without a file.
  std::string where;
};

// One axis of a sweep: a key's path as `--set` takes it, and its values as YAML.
struct VaryAxis {
  std::string path;
  std::vector<std::string> values;
  std::string where;  // "sweep.yaml:7:3"
};

struct ExperimentConfig {
  std::string file;                    // path as given; empty: from the command line alone
  std::string text;                    // the file, byte for byte; without a file an equivalent YAML
  std::vector<std::string> overrides;  // of --set and --vary, "tenants.0.batch_size=4", in order
  bool single = false;                 // single_model form

  std::string experiment_name;
  std::string device = "auto";         // auto, cpu, cuda, cuda:N, GPU-<UUID>: of tenants without a device of their own
  std::string out_dir;                 // default data/<experiment_name>
  std::optional<SharingMode> sharing;  // default: mps with `mps: true`, else timeslice
  std::optional<Yielding> yield;       // none: tenants do not give way to each other
  double sleep_duration_s = 0;
  Corun corun = Corun::overlap;
  double min_duration_s = 5, warmup_s = 2, max_duration_s = 600;
  uint64_t seed = 0;
  WaitPolicy wait = WaitPolicy::automatic;
  int telemetry_interval_ms = 100;  // 0: none; else at least kLeastTelemetryInterval_ms
  bool baselines = false;           // each distinct tenant alone, too
  std::vector<VaryAxis> vary;       // one experiment per cell of the grid (config/overrides.h); empty: just this one
  std::vector<TenantConfig> tenants;
};

// Performance counters of a GPU that are read more often than this are zero.
inline constexpr int kLeastTelemetryInterval_ms = 100;

// For messages about a tenant: "pair.yaml:7:5: tenant a: cpus"; without a key, and without a file, less.
std::string place(const TenantConfig& tenant, std::string_view key = "");

// A name as a directory: '/' becomes '_'.
std::string directory_name(std::string_view name);

// What a tenant of this model is called without a name: the model's name as a directory, of a path its last part.
std::string default_name(std::string_view model);

}  // namespace cotenant
