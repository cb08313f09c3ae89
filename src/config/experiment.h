#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

// An experiment as the user wrote it, checked, with every default filled in. Plain data: what the keys mean is told in
// docs/configuration.md and, for editors, by schema.h.
namespace cotenant {

enum class SharingMode : uint8_t { timeslice, mps, streams, green, mig, partition };
enum class Corun : uint8_t {
  overlap,  // tenants run until every one has its num_iters and min_duration_s has passed
  fixed,    // each tenant stops after exactly its num_iters
};
enum class Task : uint8_t { forward, generate };
enum class WaitPolicy : uint8_t { automatic, spin, block };
enum class EngineKind : uint8_t { native, stress };
enum class StressKind : uint8_t { sleep, spin, compute, dram, l2, pcie, launch };

// Whether this kind of stress loads a resource of a CUDA device: all but sleep and spin.
bool is_device_stress(StressKind kind);

std::string_view to_string(SharingMode mode);
std::string_view to_string(Corun corun);
std::string_view to_string(Task task);
std::string_view to_string(WaitPolicy wait);
std::string_view to_string(EngineKind kind);
std::string_view to_string(StressKind kind);

struct TenantConfig {
  std::string name;        // unique in its directory form; default: the model's name, numbered when it repeats
  std::string model_name;  // Hugging Face name or a directory; for stress the kind's name
  std::string tag;         // the study's label; default: name
  int batch_size = 0;
  int seq_len = 0;
  int num_iters = 200;
  int num_warmup = 10;
  std::string out_dir;  // default: <experiment out_dir>/<directory of name>

  EngineKind engine = EngineKind::native;
  StressKind stress_kind = StressKind::spin;
  double service_ms = 1;          // stress: what a request takes alone
  double stress_intensity = 1;    // (0, 1]: requests are sent every service_ms / intensity
  std::optional<int> stress_sms;  // multiprocessors that compute, dram and l2 load; default: all

  std::optional<Dtype> dtype;  // default: by device
  std::string weights = "auto";
  Task task = Task::forward;
  int max_new_tokens = 64;  // of generate

  std::optional<double> sm_percent;  // (0, 100]
  std::optional<int> priority;       // higher is more urgent
  std::optional<uint64_t> memory_limit_bytes;
  std::string mig_instance;  // UUID or index; empty: none
  std::optional<int> threads;
  std::vector<int> cpus;  // empty: not pinned, or by the sharing mode

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
  std::string device = "auto";         // auto, cpu, cuda, cuda:N
  std::string out_dir;                 // default data/<experiment_name>
  std::optional<SharingMode> sharing;  // default: mps with `mps: true`, else timeslice
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
