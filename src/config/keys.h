#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/experiment.h"

// Every key of a configuration, once: its path, type, range, default and description, and where its value goes. The
// reader, the JSON Schema, the documentation and the flags of the command line all come from this table.
namespace cotenant {

enum class ValueType : uint8_t {
  boolean,
  integer,
  number,
  choice,   // one of `choices`
  text,     // without control characters
  name,     // text that can be a directory's name once '/' has become '_'
  device,   // cpu, cuda, cuda:N, GPU-<UUID>, auto
  url,      // http://127.0.0.1:8000
  bytes,    // 1073741824, 512MiB, 4G
  cpus,     // [0, 1] or "0-3,8"
  length,   // 128, trace, {kind: uniform, least: 16, most: 512}
  yield,    // {}, {quantum_us: 50, max_wait_ms: 20}
  steps,    // [{rate: 10, duration_s: 60}, ...]
  command,  // [python3, train.py, --steps, 100]
  tenant,   // a map of tenant keys
  tenants,  // a list of such maps
  vary,     // a map from key paths to lists of values
};

struct Key {
  std::string path;  // "batch_size", "sharing.mode": at most one level of maps
  ValueType type = ValueType::text;
  double minimum = 0, maximum = 0;  // integer, number: inclusive
  bool above_minimum = false;       // number: the minimum itself is excluded
  std::vector<std::string> choices;
  std::string default_text;              // as a reader is told; "required" where there is none
  nlohmann::ordered_json default_value;  // where it is one fixed value; else null
  std::string description;               // one line
};

// A value that has passed the checks of its key.
using Value = std::variant<bool, int64_t, double, std::string, std::vector<int>, std::vector<Step>,
                           std::vector<std::string>, LengthDescription, Yielding>;

enum class EngineKind : uint8_t { native, stress, external, command, server };
template <>
inline constexpr auto words_of<EngineKind> =
    std::array{Word{EngineKind::native, NativeSpec::type}, Word{EngineKind::stress, StressSpec::type},
               Word{EngineKind::external, ExternalSpec::type}, Word{EngineKind::command, CommandSpec::type},
               Word{EngineKind::server, ServerSpec::type}};

// What has been read so far, before defaults that depend on other keys.
struct TenantDraft {
  TenantConfig config;  // its engine is one of these:
  EngineKind engine = EngineKind::native;
  NativeSpec native;
  StressSpec stress;
  std::vector<std::string> command;  // of engines that have one
  std::string progress;
  int samples_per_step = 0;  // 0: not given
  int64_t tokens_per_step = 0;
  ServerSpec server;
  std::string path;                          // "tenants.0"
  std::map<std::string, std::string> given;  // key path within the tenant -> where
};
struct ExperimentDraft {
  ExperimentConfig config;
  bool mps = false;
  std::map<std::string, std::string> given;
};

// A key together with the field it belongs to.
//   store  puts a checked value into the draft
//   show   the resolved value; null: not set, or told by another key
template <class Draft, class Config>
struct BoundKey : Key {
  std::function<void(Draft&, const Value&)> store;
  std::function<nlohmann::ordered_json(const Config&)> show;
};
using ExperimentKey = BoundKey<ExperimentDraft, ExperimentConfig>;
using TenantKey = BoundKey<TenantDraft, TenantConfig>;

const std::vector<ExperimentKey>& experiment_keys();
const std::vector<TenantKey>& tenant_keys();

// Which keys of `workload` mean something with which of its kinds; needed: it must be given with them.
struct WorkloadKey {
  std::string_view name;
  std::vector<WorkloadKind> kinds;
  bool needed = false;
};
const std::vector<WorkloadKey>& workload_keys();

// The key of this path; nullptr: there is none.
template <class Bound>
const Bound* find_key(const std::vector<Bound>& keys, std::string_view path) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

// "an integer from 1 to 65536", "one of overlap, fixed": for messages and the documentation.
std::string expectation(const Key& key);

// The regular expressions (ECMAScript) of types that are written as text; the schema has them, too.
inline constexpr std::string_view kDevicePattern =
    "^(auto|cpu|cuda|cuda:[0-9]{1,3}|GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";
inline constexpr std::string_view kUrlPattern =
    "^https?://([A-Za-z0-9._~-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]+)*/?$";
inline constexpr std::string_view kBytesPattern = "^[1-9][0-9]{0,14} ?(B|KiB|MiB|GiB|TiB|K|M|G|T)?$";
inline constexpr std::string_view kCpusPattern = "^[0-9]{1,4}(-[0-9]{1,4})?(, ?[0-9]{1,4}(-[0-9]{1,4})?)*$";
inline constexpr size_t kLongestName = 100;   // bytes; so that <tenant>_<model>_... fits into 255
inline constexpr size_t kLongestText = 1024;  // bytes
inline constexpr int kMostTenants = 256;
inline constexpr int kNewTokens = 64;                    // of task: generate
inline constexpr int64_t kMostBytes = int64_t{1} << 53;  // survives JSON
inline constexpr int kHighestCpu = 4095;
inline constexpr double kMostRate = 1e6;  // requests/s
inline constexpr size_t kMostSteps = 10000;
inline constexpr double kLeastQuantum_us = 20;  // a gate costs 1 us and more
inline constexpr double kMostQuantum_us = 100'000;
inline constexpr double kMostYield_ms = 60'000;
inline constexpr size_t kMostValues = 1000;          // of one key under vary
inline constexpr size_t kMostArguments = 1000;       // of a command
inline constexpr size_t kLongestArgument = 1 << 16;  // bytes

}  // namespace cotenant
