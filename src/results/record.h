#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenant/tenant.h"

// experiment.json: all that is known about one run besides its samples. Plain data with no rules in it; a field that
// could not be had is empty or std::nullopt, and null or absent in the file. Seconds (`_s`) count from T0, the instant
// at which all tenants started; what came before is negative.
namespace cotenant {

// What the configuration came to, defaults filled in. A tenant's part is in TenantRecord.
struct SettingsRecord {
  std::string experiment_name;
  std::string config_file;             // as given on the command line; empty: none
  std::vector<std::string> overrides;  // of --set and --vary
  std::string device;                  // "cpu", "cuda:0"; of several the first
  SharingMode sharing = SharingMode::timeslice;
  std::optional<Yielding> yield;  // none: tenants do not give way to each other
  Corun corun = Corun::overlap;
  WaitPolicy wait = WaitPolicy::automatic;
  double min_duration_s = 0, warmup_s = 0, max_duration_s = 0, sleep_duration_s = 0;
  uint64_t seed = 0;              // of weights and inputs
  int telemetry_interval_ms = 0;  // 0: no telemetry
  bool single = false;
  bool profiled = false;  // kernels were recorded: latencies are inflated
};

struct HostRecord {
  std::string hostname, os, kernel;  // os: "Debian GNU/Linux 12 (bookworm)"
  std::string cpu;                   // "AMD EPYC 9B14"
  int logical_cpus = 0;              // usable by this process
  int physical_cores = 0;
  std::optional<double> cpu_limit;             // cores that the cgroup's quota allows; none: no quota
  std::optional<uint64_t> memory_limit_bytes;  // of the cgroup; none: no limit below the machine's memory
  uint64_t open_files_limit = 0;               // of one process, at most
  bool is_virtual = false;                     // a hypervisor is below: clocks and neighbours are out of sight
  std::string cpu_features;                    // "avx512f avx512_bf16 amx_tile"
  uint64_t memory_total_bytes = 0, memory_available_bytes = 0;
  std::string governor;  // of cpu0: "performance"; empty: no frequency scaling to be seen
  std::string transparent_hugepages;
  std::optional<double> load1;           // load average over 1 min at the start
  std::vector<std::string> environment;  // variables that change how fast programs are: "OMP_PROC_BIND=true"
};

struct DeviceSummary {
  // All tenants' tokens / window; `corun: fixed`: / the longest completion time.
  std::optional<double> tokens_per_s;
  std::optional<double> max_completion_s;  // of the slowest tenant
};

// A device that tenants ran on. Of the CPU nothing but `device` and `summary`: what it is stands in HostRecord.
struct DeviceRecord {
  std::string device;              // "cpu", "cuda:0"
  std::string name;                // "NVIDIA H100 80GB HBM3"
  std::string uuid, driver, cuda;  // driver: "580.159.04"; cuda: the newest that it supports, "13.0"
  int sm_count = 0;
  uint64_t memory_total_bytes = 0;
  std::optional<double> sm_clock_mhz, memory_clock_mhz;  // means over the window
  std::optional<double> max_sm_clock_mhz, power_limit_w;
  DeviceSummary summary;  // of its own tenants
};

struct BuildRecord {
  std::string version, commit, compiler, build_type;
};

struct PhaseRecord {
  std::string name;  // "load", "prepare", "warm", "run", "stop"
  double start_s = 0, end_s = 0;
};

// The interval in which every tenant was active.
struct WindowRecord {
  double start_s = 0, end_s = 0;
  double duration_s() const { return end_s - start_s; }
};

struct WarningRecord {
  std::string what;    // "too few samples for p99 of distilgpt2: needs 368, has 100"
  std::string remedy;  // "raise num_iters or min_duration_s"
};

struct ValidityRecord {
  bool complete = false;             // false: a tenant died or the run was interrupted, and this is what there is
  bool valid = false;                // complete, and nothing in `reasons`
  std::vector<std::string> reasons;  // why not, each a sentence with what to do about it
  std::vector<WarningRecord> warnings;
  std::string interrupted_by;  // "SIGINT", "SIGTERM"; empty: was not
};

// Of latencies that lie wholly inside the window. Nothing but `count` without any.
struct LatencySummary {
  int64_t count = 0;
  std::optional<double> mean_ms, min_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms;
};

struct TenantSummary {
  LatencySummary latency;
  LatencySummary ttft, tpot;  // of generate; count 0 otherwise
  std::optional<double> requests_per_s, tokens_per_s, tokens_in_per_s, tokens_out_per_s;  // edges pro rata
  int64_t completed = 0;               // requests in the file with status ok
  int64_t rejected = 0, failed = 0;    // requests in the file with these
  std::optional<double> completion_s;  // end of the last request, from the first start
};

// What the tenant's worker used between T0 and its last request, from getrusage and /proc.
struct UsageRecord {
  std::optional<double> cpu_user_s, cpu_system_s;
  std::optional<int64_t> voluntary_switches, involuntary_switches, major_faults;
  std::optional<uint64_t> resident_peak_bytes;
};

// How well an open loop or a replay kept its schedule.
struct ScheduleRecord {
  int64_t offered = 0;   // requests that were due until the end of the measurement
  int64_t rejected = 0;  // of these: they found the queue full
  int64_t waiting = 0;   // of these: never sent, because the measurement ended
  // sent - due where the engine had room, else sent - since when it had: how late the generator itself was.
  std::optional<double> lag_p50_us, lag_p99_us, lag_max_us;
};

// The last three of five equal parts of the window (results/steady.h). Empty where there were too few requests to tell.
struct SteadyRecord {
  std::vector<double> rates_per_s, latencies_ms;      // of the parts: requests/s, mean latency
  std::optional<double> rate_spread, latency_spread;  // (greatest - least) / mean
  std::optional<bool> rate_changed, latency_changed;  // by more than a tenth, and than chance explains

  bool settled() const { return !rate_changed.value_or(false) && !latency_changed.value_or(false); }
};

// What giving way to others cost a tenant, from T0 to its last request.
struct YieldRecord {
  int64_t gates = 0;  // that its passes had
  int64_t waits = 0;  // of these: it waited
  double waited_ms = 0, longest_wait_ms = 0;
  int64_t bound_hits = 0;                // passes that went on because they had waited for max_wait_ms
  std::optional<double> device_ms = {};  // by weights: time that it had the device
};

// What a server was asked, and how it answered, of all requests from T0 on.
struct ServerRecord {
  struct Fault {
    std::string what;  // "HTTP 503", "timeout", "closed early"
    int64_t count = 0;
    std::string example;  // what the first of them said
  };
  std::string prompts;                           // "token ids", "words"
  int64_t exact_prompts = 0, other_prompts = 0;  // of the length that was asked for, by the server's count; of another
  // Good answers, by what their tokens were counted from: the usage with each chunk, the usage at the end, the chunks.
  int64_t counted_by_chunk_usage = 0, counted_by_usage = 0, counted_by_chunks = 0;
  int64_t tokens_asked = 0;        // of good answers, as many as each was asked to have
  int64_t chunks = 0, tokens = 0;  // with text, and all that was generated
  int64_t connections = 0;         // that were opened
  std::vector<Fault> faults;       // in the order in which they first came
};

// How many requests met the tenant's objectives (slo), of those that ended in the window: completed, rejected or
// failed.
struct AttainmentRecord {
  int64_t requests = 0, met = 0;
  std::optional<double> goodput_requests_per_s = {},
                        goodput_tokens_per_s = {};  // of those that met them; tokens as tokens_per_s

  double share() const { return requests > 0 ? static_cast<double>(met) / static_cast<double>(requests) : 0; }
};

// How the tenant's worker ended.
struct ExitRecord {
  bool died = false;           // by a signal or with an error of its own
  std::optional<int> code;     // exit code
  std::optional<int> signal;   // "9", with its name in `what`
  std::string phase;           // in which it died
  std::string what;            // "killed by SIGKILL", "exit code 1"
  std::string last_error;      // its last error line
  std::string ended_early;     // how its program ended by itself before the measurement did; empty: it did not
  int64_t events_dropped = 0;  // that found the event ring full; more than 0 makes the run invalid
};

// Of a stress engine: what its requests are, what they reached alone, and what in the window.
struct StressRecord {
  double intensity = 1;             // share of the time that the requests fill alone
  std::optional<double> period_ms;  // one is sent this often; none: one after another
  std::optional<int> sms;           // multiprocessors to load, as asked; none: all
  // Of the kinds that load a device: blocks of the load, one on a multiprocessor each; 0: it runs on none.
  std::optional<int> footprint_sms;
  std::string unit;                        // of the rates: "GFLOP/s", "GB/s", "launches/s"; empty: has none
  std::optional<double> work_per_request;  // in that unit times seconds: GFLOP, GB, launches
  std::optional<double> calibrated_ms;     // what a request takes with the device otherwise idle
  std::optional<double> rate_alone;        // work_per_request / calibrated_ms: the rate while a request runs
  std::optional<double> rate;              // of the requests completed in the window, over its length
  std::optional<double> rate_share;        // rate / rate_alone
  std::optional<double> slowdown;          // mean latency in the window / calibrated_ms
};

struct TenantRecord : TenantDescription {
  std::string directory;       // of its files, relative to the experiment's
  std::string weights_origin;  // what the weights were: "random weights (seed 0): ...", a directory
  std::optional<StressRecord> stress;
  std::optional<int> sm_granted;   // multiprocessors that it had
  std::optional<bool> mps_client;  // under mps: whether the daemon counted it as a client

  // Where its runs alone are under --baselines: baselines/<kind>/. Equal tenants have one kind. A tenant with a share
  // is also measured alone with that share, in baselines/<kind_with_share>/; empty: it has none.
  std::string kind, kind_with_share;

  uint64_t weights_bytes = 0, activation_bytes = 0;  // computed before loading
  std::optional<uint64_t> resident_bytes;            // of the worker, when warm
  int64_t parameters = 0;                            // 0 for stress
  std::optional<double> flops_per_request;           // products and attention; generate: the prompt and all tokens
  std::optional<double> start_skew_us;               // first start - T0

  // Marks of the weights, of a request's input and of the tokens that its first pass generated (worker/fingerprint.h):
  // equal where the numbers are. Empty: it has none.
  std::string weights_hash, input_hash, tokens_hash;
  int pid = 0;

  TenantSummary summary;                   // over the window
  std::optional<TenantSummary> whole_run;  // `corun: fixed`: over all its requests
  std::optional<ScheduleRecord> schedule;  // of an open loop or a replay
  SteadyRecord steady;
  std::optional<ServerRecord> served;          // of a server
  std::optional<YieldRecord> yielded;          // where tenants give way to each other
  std::optional<AttainmentRecord> attainment;  // where it has objectives
  UsageRecord usage;
  ExitRecord exit;
};

// What else ran on the machine during the window.
struct ForeignLoadRecord {
  std::optional<double> busy_cores;  // mean number of cores that other programs kept busy
  std::string top_process;           // "cc1plus (pid 4711), 0.93 cores"

  // Other programs that used the device or its memory while the tenants ran: "python, pid 4711"; of several devices
  // with which: "python, pid 4711, on cuda:1".
  std::vector<std::string> gpu_processes;
  std::vector<std::string> gpu_bystanders;  // likewise, who neither held memory of it nor used its time
  std::string gpu_processes_gap;            // why that could not be told; empty: it could, or the device is the CPU
};

// How often the limits of control groups bit while the tenants ran; each none without such a limit.
struct LimitsRecord {
  std::optional<int64_t> cpu_periods, throttled_periods;  // in which the quota counted; in which it was used up
  std::optional<double> throttled_s;                      // that runnable threads stood still, of all CPUs
  std::optional<int64_t> memory_hits, oom_kills;          // allocations that met the limit, processes killed for it
};

// How telemetry.jsonl was taken. Gaps of several devices are told with their names.
struct TelemetryRecord {
  int64_t samples = 0;                        // each of all devices
  std::optional<double> sampler_cpu_percent;  // of one core, that taking the samples used
  std::optional<double> longest_sample_ms;
  std::string device_gap;    // why nothing of the device is known; empty: it is, or the device is the CPU
  std::string counters_gap;  // why its performance counters are not known
};

// The MPS daemon of the run; of several devices each has its own, and this is the slowest, and the first that died.
struct DaemonRecord {
  std::optional<double> ready_s;  // from its start until it served
  std::optional<double> gone_s;   // from the order to quit until it and its servers had ended
  std::string death;              // how it ended before its time: "killed by SIGKILL"; empty: it did not
};

struct ExperimentRecord {
  int format = 1;
  SettingsRecord settings;
  BuildRecord build;
  HostRecord host;
  std::vector<DeviceRecord> devices = std::vector<DeviceRecord>(1);  // those that tenants ran on; never none
  std::string started_at;                                            // "2026-02-03T14:05:06Z", of the command
  std::string command;                                               // the command line
  std::optional<double> t0_wall_s;                                   // T0, seconds since the epoch
  std::vector<PhaseRecord> phases;                                   // in order of time
  std::optional<WindowRecord> window;                                // none: T0 was never reached by all
  ValidityRecord validity;
  std::vector<TenantRecord> tenants;
  DeviceSummary device_summary;  // of all devices together
  ForeignLoadRecord foreign;
  LimitsRecord limits;
  DaemonRecord daemon;
  TelemetryRecord telemetry;

  DeviceRecord& device() { return devices.front(); }  // the only one, or the first
  const DeviceRecord& device() const { return devices.front(); }
};

// The one that the tenant ran on.
const DeviceRecord& device_of(const ExperimentRecord& record, const TenantRecord& tenant);

// Of all devices: "2 x NVIDIA H100 80GB HBM3"; empty on the CPU. Their UUIDs: "GPU-...+GPU-...".
std::string device_names(const ExperimentRecord& record);
std::string device_uuids(const ExperimentRecord& record);

// The text of experiment.json: indented, keys in the order above, a newline at the end.
std::string to_json(const ExperimentRecord& record);

// `where` names the file in messages. Of a file with one device only, as they were up to 0.2, each tenant ran on it.
// Unknown keys are ignored, missing ones keep their defaults. Throws usage_error
// when the text is no JSON, a value has another type, `format` is newer than this program, or the name of a directory
// is no name of one in the experiment's.
ExperimentRecord record_from_json(std::string_view text, const std::string& where);

}  // namespace cotenant
