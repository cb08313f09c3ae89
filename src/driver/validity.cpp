#include "driver/validity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "base/text.h"
#include "results/steady.h"
#include "results/window.h"
#include "sharing/device_shares.h"
#include "stats/change_point.h"
#include "stats/intervals.h"

namespace cotenant {
namespace {

constexpr double kForeignCores = 0.1;                         // more than this is worth a warning
constexpr double kLateSend_us = 1000, kLateSendShare = 0.05;  // both: of the latency
constexpr double kGrowth = 1.05;                              // arrivals over what is served, above which a queue grows
constexpr int64_t kFewUnserved = 10;                          // which the end of any run may leave
constexpr double kShortAnswer = 0.99;                         // of the tokens that were asked for
constexpr double kLateShift = 0.1;                            // of the latency, after a late warm-up

bool is_fixed(const ExperimentRecord& record) {
  return record.settings.corun == Corun::fixed;
}

std::string enough_iterations(const ExperimentRecord& record) {
  return is_fixed(record) ? "raise num_iters" : "raise num_iters or min_duration_s";
}

void check_window(ExperimentRecord& record) {
  auto& validity = record.validity;
  const auto nothing_good = [](const TenantRecord& tenant) {
    return tenant.summary.completed == 0 && tenant.summary.failed + tenant.summary.rejected > 0;
  };
  if (!record.window && std::ranges::any_of(record.tenants, nothing_good)) {
    for (const TenantRecord& tenant : record.tenants)
      if (nothing_good(tenant)) validity.reasons.push_back(fmt::format("no request of {} succeeded", tenant.name));
    return;
  }
  if (!record.window) {
    validity.reasons.push_back(
        "there was no time in which all tenants were active: raise num_iters of those that end first, or use corun: "
        "overlap");
    return;
  }
  const double longest_s = record.device_summary.max_completion_s.value_or(0);
  const double overlap_s = record.window->duration_s();
  if (is_fixed(record) && record.tenants.size() > 1 && overlap_s < least_overlap * longest_s)
    validity.warnings.push_back({fmt::format("the tenants overlapped for {} of {} only", format_duration_s(overlap_s),
                                             format_duration_s(longest_s)),
                                 "use corun: overlap, or raise num_iters of those that end first"});
}

// Whether requests came when they should, and were served as fast as they came.
void check_schedule(ValidityRecord& validity, const TenantRecord& tenant) {
  const ScheduleRecord& schedule = *tenant.schedule;
  if (sent_late(tenant))
    validity.reasons.push_back(fmt::format(
        "{} sent its requests late, p99 {:.1f} ms after they were due and could be taken, so they did not come "
        "as workload says: leave it a core of its own, or lower its rate",
        tenant.name, schedule.lag_p99_us.value_or(0) * 1e-3));
  const auto offered = static_cast<double>(schedule.offered), served = static_cast<double>(tenant.summary.completed);
  if (queue_grew(tenant))
    validity.warnings.push_back(
        {fmt::format(
             "requests of {} came {:.2f} times as fast as it served them ({} of {} were rejected, {} still waited at "
             "the end): its queue grew, and its latencies depend on the length of the run",
             tenant.name, offered / std::max(served, 1.0), schedule.rejected, schedule.offered, schedule.waiting),
         "lower its rate"});
}

// " (HTTP 503 12 times, "overloaded"; timeout once)"
std::string faults_text(const TenantRecord& tenant) {
  std::string text;
  for (const ServerRecord::Fault& fault : tenant.served.value_or(ServerRecord()).faults) {
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", fault.what,
                        fault.count == 1 ? "once" : fmt::format("{} times", fault.count));
    if (!fault.example.empty()) text += fmt::format(", \"{}\"", fault.example);
  }
  return text.empty() ? "" : fmt::format(" ({})", text);
}

// What its server did not say, or did otherwise than it was asked.
void check_server(ValidityRecord& validity, const TenantRecord& tenant) {
  const ServerRecord& server = *tenant.served;
  const bool generates = tenant.max_new_tokens > 0;
  const int64_t good = server.counted_by_chunk_usage + server.counted_by_usage + server.counted_by_chunks;
  if (const int64_t refused = tenant.summary.rejected - (tenant.schedule ? tenant.schedule->rejected : 0); refused > 0)
    validity.warnings.push_back({fmt::format("the server of {} refused {} requests (HTTP 429)", tenant.name, refused),
                                 "lower its rate, or raise what the server lets wait"});
  if (server.counted_by_chunks > 0)
    validity.warnings.push_back(
        {fmt::format("{} of {} answers of {} came without usage: their tokens were counted as chunks with text, which "
                     "may hold more than one",
                     server.counted_by_chunks, good, tenant.name),
         "use a server that sends usage (stream_options.include_usage)"});
  if (server.other_prompts > 0)
    validity.warnings.push_back(
        {fmt::format("{} of {} prompts of {} were not of the length that was asked for, by the server's count",
                     server.other_prompts, server.other_prompts + server.exact_prompts, tenant.name),
         "see tokens_in in its events.jsonl; prompts of token ids are exact"});
  if (server.exact_prompts + server.other_prompts == 0 && server.prompts == "words" && tenant.summary.completed > 0)
    validity.warnings.push_back(
        {fmt::format("the server of {} sends no usage: how many tokens its prompts of words have is not known",
                     tenant.name),
         "use a server that sends usage, or one that takes token ids"});
  if (generates && static_cast<double>(server.tokens) < kShortAnswer * static_cast<double>(server.tokens_asked))
    validity.warnings.push_back({fmt::format("the {} answers of {} have {} tokens, and were asked to have {}", good,
                                             tenant.name, server.tokens, server.tokens_asked),
                                 "use a server that knows ignore_eos, or give the length that its answers have"});
}

void check_counts(ExperimentRecord& record) {
  auto& validity = record.validity;
  for (const TenantRecord& tenant : record.tenants) {
    if (tenant.exit.events_dropped > 0)
      validity.reasons.push_back(
          fmt::format("{} requests of {} were not recorded, because they came faster than the driver reads: {}",
                      tenant.exit.events_dropped, tenant.name,
                      tenant.command() ? "let progress match fewer lines" : "raise batch_size or seq_len"));
    if (!tenant.exit.what.empty())
      validity.reasons.push_back(fmt::format(
          "the worker of {} did not end well after its run ({}{}{}): what it writes at its end may be incomplete",
          tenant.name, tenant.exit.what, tenant.exit.last_error.empty() ? "" : ": ", tenant.exit.last_error));
    if (!tenant.exit.ended_early.empty())
      validity.reasons.push_back(
          fmt::format("the program of {} ended by itself ({}) before the measurement was over: give it more to do, or "
                      "lower num_iters and min_duration_s",
                      tenant.name, tenant.exit.ended_early));
    if (tenant.is_load_only()) continue;
    if (tenant.summary.failed > 0)
      validity.reasons.push_back(fmt::format("{} requests of {} failed{}: see status in its events.jsonl",
                                             tenant.summary.failed, tenant.name, faults_text(tenant)));
    if (tenant.served) check_server(validity, tenant);
    if (tenant.schedule) check_schedule(validity, tenant);
    if (!tenant.steady.settled() && !queue_grew(tenant))  // which is told already
      validity.warnings.push_back({unsteady_text(tenant),
                                   "raise warmup_s, or min_duration_s if it comes and goes; figures of a change depend "
                                   "on when one looks"});
    if (tenant.yielded && tenant.yielded->bound_hits > 0)
      validity.warnings.push_back(
          {fmt::format("{} passes of {} went on beside more urgent ones, after {:g} ms of waiting at gates",
                       tenant.yielded->bound_hits, tenant.name, record.settings.yield.value_or(Yielding{}).max_wait_ms),
           "raise sharing.yield.max_wait_ms, or lower the load of the urgent tenants: they leave the others too "
           "little"});
    const int64_t inside = tenant.summary.latency.count;
    if (record.window && inside == 0) {
      validity.reasons.push_back(
          fmt::format("no request of {} lies inside the window: {}", tenant.name, enough_iterations(record)));
    } else if (const size_t needed = fewest_for_interval(0.99);
               record.window && inside < static_cast<int64_t>(needed)) {
      validity.warnings.push_back(
          {fmt::format("too few samples for p99 of {}: needs {}, has {}", tenant.name, needed, inside),
           enough_iterations(record)});
    }
    if (tenant.summary.completed + tenant.summary.rejected >= tenant.num_iters || !tenant.exit.ended_early.empty())
      continue;
    const std::string what = fmt::format("{} finished {} of {} iterations before max_duration_s", tenant.name,
                                         tenant.summary.completed, tenant.num_iters);
    if (is_fixed(record))
      validity.reasons.push_back(what + ": raise max_duration_s or lower num_iters");
    else
      validity.warnings.push_back({what, "raise max_duration_s or lower num_iters"});
  }
}

void check_start(ExperimentRecord& record, const TenantRecord& tenant, const IterationSource& iterations) {
  const auto latencies_ms = [&](const std::function<void(double)>& use) {
    iterations([&](const Iteration& iteration) {
      if (counts(iteration, record.window)) use(iteration.latency_ms);
    });
  };
  const auto count = static_cast<size_t>(tenant.summary.latency.count);
  if (const auto late = late_warmup(latencies_ms, count, kLateShift))
    record.validity.warnings.push_back(
        {fmt::format("the first {} of {} requests of {} are {:.0f}% {} than the rest, {}", late->settled_after, count,
                     tenant.name, std::abs(late->shift) * 100, late->shift > 0 ? "slower" : "faster",
                     late->early ? "as if still warming up" : "a change in the middle of the run"),
         late->early ? "raise warmup_s or num_warmup" : "look at what began or ended then"});
}

// Limits of control groups that bit while the tenants ran.
void check_limits(ExperimentRecord& record) {
  auto& warnings = record.validity.warnings;
  const LimitsRecord& limits = record.limits;
  if (limits.throttled_periods.value_or(0) > 0)
    warnings.push_back(
        {fmt::format("the CPU quota{} was used up in {} of {} periods: threads stood still for {:.2f} s",
                     record.host.cpu_limit ? fmt::format(" of {:g} cores", *record.host.cpu_limit) : "",
                     *limits.throttled_periods, limits.cpu_periods.value_or(0), limits.throttled_s.value_or(0)),
         "raise the quota, or give the tenants fewer threads"});
  if (limits.oom_kills.value_or(0) > 0)
    warnings.push_back({fmt::format("the control group's memory limit ended {} processes", *limits.oom_kills),
                        "raise the limit, or use fewer or smaller tenants"});
  if (limits.memory_hits.value_or(0) > 0)
    warnings.push_back({fmt::format("the control group's memory limit was met {} times", *limits.memory_hits),
                        "raise the limit, or use fewer or smaller tenants"});
}

void check_machine(ExperimentRecord& record) {
  auto& warnings = record.validity.warnings;
  if (record.foreign.busy_cores.value_or(0) > kForeignCores)
    warnings.push_back(
        {fmt::format("other programs kept {:.2f} cores busy during the window{}", *record.foreign.busy_cores,
                     record.foreign.top_process.empty() ? "" : ", most of all " + record.foreign.top_process),
         "end them, or run again when the machine is idle"});
  if (!record.host.governor.empty() && record.host.governor != "performance")
    warnings.push_back({fmt::format("the CPU's frequency governor is {}", record.host.governor),
                        "cpupower frequency-set -g performance"});
  if (record.build.build_type == "Debug")
    warnings.push_back({"this is a debug build", "use a release build (cmake --preset release)"});
}

// Whether everybody had the part of the device that the configuration says.
void check_shares(ExperimentRecord& record) {
  for (const TenantRecord& tenant : record.tenants) {
    if (tenant.mps_client == false)
      record.validity.reasons.push_back(fmt::format(
          "{} was no client of the MPS daemon, so it did not share the device by mps: see `cotenant doctor`",
          tenant.name));
    const int sm_count = device_of(record, tenant).sm_count;
    if (!tenant.sm_percent || !tenant.sm_granted || sm_count == 0) continue;
    if (!is_granted(record.settings.sharing, *tenant.sm_percent, *tenant.sm_granted, sm_count))
      record.validity.reasons.push_back(
          fmt::format("{} asked for {:g}% of {} SMs and saw {}: its share was not granted", tenant.name,
                      *tenant.sm_percent, sm_count, *tenant.sm_granted));
  }
}

// What ends a client of MPS and no other: no memory, no room for one more client.
constexpr std::array kHarmless{"cudaErrorMemoryAllocation",
                               "cudaErrorMpsMaxClientsReached",
                               "cudaErrorMpsMaxConnectionsReached",
                               "cudaErrorDevicesUnavailable",
                               "CUDA_ERROR_OUT_OF_MEMORY",
                               "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED",
                               "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED",
                               "CUDA_ERROR_DEVICE_UNAVAILABLE"};

// Under MPS clients share one context of the server: a fault of one is a fault of all.
void check_faults(ExperimentRecord& record) {
  if (record.settings.sharing != SharingMode::mps) return;
  if (!record.daemon.death.empty())
    record.validity.reasons.push_back("the MPS daemon ended before its time: " + record.daemon.death);
  const bool fault = std::ranges::any_of(record.tenants, [](const TenantRecord& tenant) {
    const auto names = [&](const char* error) { return tenant.exit.last_error.find(error) != std::string::npos; };
    return tenant.exit.died && (names("cudaError") || names("CUDA_ERROR_")) && std::ranges::none_of(kHarmless, names);
  });
  if (fault)
    record.validity.reasons.push_back(
        "under mps a fault in one client ends the work of all that share its GPU: no sample after it counts, whose "
        "ever it was; use timeslice to find who faults");
}

// A server that was started outside of this run is one of them, and which is not known.
void note_server_processes(ExperimentRecord& record) {
  if (record.foreign.gpu_processes.empty()) return;
  record.validity.warnings.push_back(
      {fmt::format("programs that this run did not start used the GPU ({}): its servers are taken to be among them",
                   fmt::join(record.foreign.gpu_processes, "; ")),
       "look whether there is any that is no server of this run"});
}

void check_gpu_processes(ExperimentRecord& record) {
  const auto is_server = [](const TenantRecord& tenant) { return tenant.is_elsewhere(); };
  if (std::ranges::any_of(record.tenants, is_server)) return note_server_processes(record);
  for (const std::string& process : record.foreign.gpu_processes)
    record.validity.reasons.push_back(
        fmt::format("another program ({}) used the GPU during the run: end it and run again", process));
}

void check_deaths(ExperimentRecord& record) {
  for (const TenantRecord& tenant : record.tenants)
    if (tenant.exit.died)
      record.validity.reasons.push_back(
          fmt::format("{} died in phase {}: {}{}", tenant.name, tenant.exit.phase, tenant.exit.what,
                      tenant.exit.last_error.empty() ? "" : ": " + tenant.exit.last_error));
  if (!record.validity.interrupted_by.empty())
    record.validity.reasons.push_back("interrupted by " + record.validity.interrupted_by);
}

}  // namespace

bool sent_late(const TenantRecord& tenant) {
  const double late_us = tenant.schedule ? tenant.schedule->lag_p99_us.value_or(0) : 0;
  return late_us > std::max(kLateSend_us, kLateSendShare * 1e3 * tenant.summary.latency.mean_ms.value_or(0));
}

bool queue_grew(const TenantRecord& tenant) {
  if (!tenant.schedule) return false;
  const auto offered = static_cast<double>(tenant.schedule->offered);
  return tenant.schedule->rejected + tenant.schedule->waiting > kFewUnserved &&
         offered > kGrowth * static_cast<double>(tenant.summary.completed);
}

void judge(ExperimentRecord& record, const std::vector<IterationSource>& samples, bool strict) {
  auto& validity = record.validity;
  check_deaths(record);
  check_faults(record);
  validity.complete = validity.reasons.empty();
  if (validity.complete) {
    check_window(record);
    check_counts(record);
    check_shares(record);
    check_gpu_processes(record);
    for (size_t i = 0; i < samples.size(); ++i) check_start(record, record.tenants[i], samples[i]);
  }
  check_limits(record);
  check_machine(record);
  if (strict)
    for (const WarningRecord& warning : validity.warnings)
      validity.reasons.push_back(fmt::format("{} (strict): {}", warning.what, warning.remedy));
  validity.valid = validity.reasons.empty();
}

}  // namespace cotenant
