#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "results/record.h"

// What driver and worker say to each other, one JSON object on a line. A message names its tenant, because a worker may
// host several.
namespace cotenant {

// All that a worker has to know of one tenant. Nothing is left to decide: defaults, shares and counts are the driver's.
struct TenantOrder : TenantDescription {
  bool spin_wait = true;  // how it waits for a device
  // Among the tenants that give way to each other; none: it is not one of them.
  std::optional<uint32_t> yield_seat = {};
  double yield_quantum_us = 0;
  int sm_groups = 0;  // green contexts: of the device's groups of multiprocessors; 0: all of the device
  uint64_t seed = 0;
  double warmup_s = 0;
  int64_t fixed_iters = 0;  // stop after exactly so many; 0: until the driver says so
  std::string profile_dir;  // where its kernels are written at the end; empty: they are not recorded
};

// Driver to worker, in this order.
namespace command {

// The first one. Event ring i is the worker's descriptor 4 + i. A tenant that is wired to a program is the worker's
// only one: it reads from 5, and writes to 6. Where tenants have a yield_seat, the page is the descriptor behind the
// rings.
struct Order {
  static constexpr const char* type = "order";
  std::vector<TenantOrder> tenants;
};
struct Load {
  static constexpr const char* type = "load";
};
struct Prepare {
  static constexpr const char* type = "prepare";
};
struct Warm {
  static constexpr const char* type = "warm";
};
struct Go {
  static constexpr const char* type = "go";
  int64_t t0_ns = 0;  // the instant at which all start
};
struct Exit {
  static constexpr const char* type = "exit";
};

}  // namespace command

struct Command {
  std::string tenant;  // empty: to all of the worker's
  std::variant<command::Order, command::Load, command::Prepare, command::Warm, command::Go, command::Exit> what;

  template <class What>
  bool is() const {
    return std::holds_alternative<What>(what);
  }
};

// Worker to driver: the answer to each command, Failed instead of any of them, and Notice at any time.
namespace report {

struct Loaded {
  static constexpr const char* type = "loaded";
  std::string weights_origin;
  std::string weights_hash, input_hash;              // of a model
  int sm_count = 0;                                  // the multiprocessors it has on a CUDA device
  uint64_t weights_bytes = 0, activation_bytes = 0;  // what it takes of the device
};
struct Prepared {
  static constexpr const char* type = "prepared";
  std::optional<StressRecord> stress;  // of a stressor that has calibrated itself
};
struct Warm {
  static constexpr const char* type = "warm";
  int64_t longest_pass_ns = 0;
  std::optional<uint64_t> resident_bytes;
  std::string tokens_hash;  // of what the first pass generated
};
struct Done {
  static constexpr const char* type = "done";
  int64_t requests = 0;                    // recorded
  UsageRecord usage;                       // between T0 and the last request
  std::optional<ScheduleRecord> schedule;  // of an open loop
  std::optional<ServerRecord> server;      // of a server
  std::optional<YieldRecord> yielded;      // where it has a yield_seat
};
struct Failed {
  static constexpr const char* type = "failed";
  std::string error;  // in one line, with what to do
};

struct Notice {
  static constexpr const char* type = "notice";
  std::string text;  // a line for people, while all goes on
};

}  // namespace report

struct Report {
  std::string tenant;
  std::variant<report::Loaded, report::Prepared, report::Warm, report::Done, report::Failed, report::Notice> what;
};

std::string to_json(const Command& command);
std::string to_json(const Report& report);
// Throw usage_error for what is no such message.
Command command_from_json(std::string_view text);
Report report_from_json(std::string_view text);

}  // namespace cotenant
