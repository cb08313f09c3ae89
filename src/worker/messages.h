#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

// What driver and worker say to each other, one JSON object on a line. A message names its tenant, because a worker may
// host several.
namespace cotenant {

// All that a worker has to know of one tenant. Nothing is left to decide: defaults, shares and counts are the driver's.
struct TenantOrder {
  std::string name;
  std::string engine;  // "native", or the kind of stress: "sleep", "spin", "compute", ...
  std::string model, weights, device, dtype;
  int batch_size = 1, seq_len = 1, max_new_tokens = 0;
  double service_ms = 1;
  double period_ms = 0;  // between requests; 0: one after another
  int sms = 0;           // multiprocessors that a stressor loads; 0: all
  int threads = 1;
  std::vector<int> cpus;
  bool spin_wait = true;            // how it waits for a device
  int sm_groups = 0;                // green contexts: of the device's groups of multiprocessors; 0: all of the device
  int priority = 0;                 // of its stream: higher is more urgent
  uint64_t memory_limit_bytes = 0;  // of device memory; 0: none
  uint64_t seed = 0;
  int num_warmup = 0;
  double warmup_s = 0;
  int64_t fixed_iters = 0;  // stop after exactly so many; 0: until the driver says so
  std::string profile_dir;  // where its kernels are written at the end; empty: they are not recorded
};

// Driver to worker. The first one is an order; event ring i is the worker's descriptor 4 + i.
struct Command {
  std::string type;  // "order", "load", "prepare", "warm", "go", "exit"
  std::string tenant;
  int64_t t0_ns = 0;                 // go: the instant at which all start
  std::vector<TenantOrder> tenants;  // order
};

// Worker to driver: the answer to each command, and "failed" instead of any of them.
struct Report {
  std::string type;  // "loaded", "prepared", "warm", "done", "failed"
  std::string tenant;
  std::string weights_origin{};                      // loaded
  int sm_count = 0;                                  // loaded: the multiprocessors it has on a CUDA device
  uint64_t weights_bytes = 0, activation_bytes = 0;  // loaded: what it takes of the device
  int64_t longest_pass_ns = 0;                       // warm
  std::optional<uint64_t> resident_bytes{};          // warm
  std::optional<StressRecord> stress{};              // prepared: of a stressor that has calibrated itself
  int64_t requests = 0;                              // done: recorded
  UsageRecord usage{};                               // done: between T0 and the last request
  std::string error{};                               // failed: in one line, with what to do
};

std::string to_json(const Command& command);
std::string to_json(const Report& report);
// Throw usage_error for what is no such message.
Command command_from_json(std::string_view text);
Report report_from_json(std::string_view text);

}  // namespace cotenant
