#include "driver/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/find_program.h"
#include "base/text.h"
#include "config/load.h"
#include "driver/kinds.h"
#include "engine/command/progress_pattern.h"
#include "engine/options.h"
#include "model/model.h"
#include "sharing/device.h"
#include "sharing/device_shares.h"
#include "sharing/host_share.h"
#include "sharing/yield.h"
#include "telemetry/environment.h"
#include "worker/engine_setup.h"
#include "workload/trace.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr int kInFlight = 1024;                    // of a server that gets an open workload
constexpr uint64_t kTokenTimesBytes = 1ull << 30;  // of all requests that a server may have at a time
constexpr uint64_t kWorkerFiles = 256;             // of a worker besides its connections
constexpr uint64_t kWorkerBytes = 48ull << 20;  // of a worker besides its model: the program, its libraries, its rings

SettingsRecord settings_of(const ExperimentConfig& config, const std::string& device, SharingMode mode) {
  SettingsRecord settings;
  settings.experiment_name = config.experiment_name;
  settings.config_file = config.file;
  settings.overrides = config.overrides;
  settings.device = device;
  settings.sharing = mode;
  settings.yield = config.yield;
  settings.corun = config.corun;
  settings.wait = config.wait;
  settings.min_duration_s = config.min_duration_s;
  settings.warmup_s = config.warmup_s;
  settings.max_duration_s = config.max_duration_s;
  settings.sleep_duration_s = config.sleep_duration_s;
  settings.seed = config.seed;
  settings.telemetry_interval_ms = config.telemetry_interval_ms;
  settings.single = config.single;
  return settings;
}

HostRecord host_of(const Machine& machine) {
  HostRecord host;
  host.hostname = machine.hostname;
  host.os = machine.os;
  host.kernel = machine.kernel;
  host.cpu = machine.cpu;
  host.logical_cpus = machine.logical_cpus;
  host.physical_cores = machine.physical_cores;
  host.cpu_limit = machine.cpu_limit;
  host.memory_limit_bytes = machine.memory_limit_bytes;
  host.open_files_limit = machine.most_open_files;
  host.is_virtual = machine.is_virtual;
  for (const std::string& feature : machine.cpu_features)
    host.cpu_features += (host.cpu_features.empty() ? "" : " ") + feature;
  host.memory_total_bytes = machine.memory_total_bytes;
  host.memory_available_bytes = machine.memory_available_bytes;
  host.governor = machine.governor;
  host.transparent_hugepages = machine.transparent_hugepages;
  host.load1 = machine.load1;
  host.environment = telling_variables(::environ);
  return host;
}

// What the tenant is and where it stands, with nothing left to the device.
TenantOrder order_of(const ExperimentConfig& config, const TenantConfig& tenant, const std::string& device,
                     const HostShare& share, const DeviceShareOrder& device_share, bool spin_wait) {
  TenantOrder order;
  static_cast<TenantDescription&>(order) = tenant;
  std::visit(
      [&](auto& what) {
        if constexpr (requires { what.dtype; })
          if (!what.dtype) what.dtype = device == "cpu" ? Dtype::f32 : Dtype::f16;
      },
      order.engine);
  order.device = device;
  order.threads = device == "cpu" ? share.threads : tenant.threads.value_or(1);
  order.cpus = share.cpus;
  order.spin_wait = spin_wait;
  order.sm_groups = device_share.sm_groups;
  order.seed = config.seed;
  order.warmup_s = config.warmup_s;
  if (auto* server = std::get_if<ServerSpec>(&order.engine); server && !server->max_in_flight)
    server->max_in_flight = tenant.workload.is_open() ? kInFlight : tenant.workload.concurrency;
  order.fixed_iters = config.corun == Corun::fixed ? tenant.num_iters : 0;
  return order;
}

// The prompt and every further token of all rows; a token's attention over the longer and longer sequence is counted as
// over its middle.
double flops_per_request(const ModelSpec& spec, const TenantOrder& order) {
  const int64_t rows = order.rows_of_request();
  if (order.max_new_tokens == 0) return forward_flops(spec, rows, order.seq_len);
  const double prompt = forward_flops(spec, rows, order.seq_len, true);
  const int64_t middle = order.seq_len + order.max_new_tokens / 2;
  const double step = forward_flops(spec, rows, middle, true) - forward_flops(spec, rows, middle - 1, true);
  const double head = 2.0 * static_cast<double>(rows * spec.vocab_size * spec.hidden);
  return prompt + (step + head) * (order.max_new_tokens - 1);
}

void check_length(const TenantConfig& tenant, const TenantOrder& order, const ModelSpec& spec) {
  const int64_t length = int64_t{order.seq_len} + order.max_new_tokens;
  const char* keys = order.max_new_tokens > 0 ? "seq_len + max_new_tokens" : "seq_len";
  if (length > spec.max_positions)
    throw usage_error(place(tenant), fmt::format("expected {} of at most {}, the positions of {}; found {}", keys,
                                                 spec.max_positions, order.model, length));
  if (order.max_new_tokens > 0 && !spec.has_head)
    throw usage_error(place(tenant),
                      fmt::format("{} {} and generates no text", order.model,
                                  spec.causal ? "has no language-model head" : "is an encoder"),
                      "Use task: forward.");
}

TenantPlan plan_tenant(const TenantConfig& tenant, const TenantOrder& order, const std::string& experiment_dir) {
  TenantPlan plan{.order = order,
                  .record = {},
                  .out_dir = "",
                  .environment = {},
                  .quiet_s = 0,
                  .longest_request_s = 0,
                  .program = {}};
  if (const ServerSpec* server = order.server()) plan.longest_request_s = server->timeout_s;
  TenantRecord& record = plan.record;
  static_cast<TenantDescription&>(record) = order;
  record.directory = directory_name(tenant.name);
  if (const StressSpec* stress = order.stressor()) {
    record.stress.emplace().intensity = stress->intensity;
    if (stress->period_ms() > 0) record.stress->period_ms = stress->period_ms();
    record.stress->sms = stress->sms;
  }
  if (fs::path(tenant.out_dir).lexically_normal() != (fs::path(experiment_dir) / record.directory).lexically_normal())
    plan.out_dir = tenant.out_dir;
  return plan;
}

void check_stress(const TenantConfig& tenant, const std::string& device) {
  const StressSpec* stress = tenant.stressor();
  if (stress == nullptr || !is_device_stress(stress->kind) || device != "cpu") return;
  throw usage_error(
      place(tenant),
      fmt::format("stress.kind: {} loads a CUDA device, and the device is the CPU", to_string(stress->kind)),
      "Use device: cuda (see `cotenant doctor`), or stress.kind: spin or sleep.");
}

// What makes the passes of its engine smaller.
const char* key_of_rows(const TenantOrder& order) {
  return order.native() && order.native()->slots ? "slots" : "batch_size";
}

std::string keys_of_rows(const RunPlan& run) {
  std::set<std::string> keys;
  for (const TenantPlan& tenant : run.tenants) keys.insert(key_of_rows(tenant.order));
  return fmt::format("{}", fmt::join(keys, ", "));
}

// For which its engine may keep a request that waits for others.
double longest_wait_s(const TenantOrder& order) {
  return order.native() ? order.native()->max_wait_ms.value_or(0) * 1e-3 : 0;
}

// Reads its trace where it has one.
void examine_workload(const TenantConfig& config, TenantPlan& plan) {
  const WorkloadSpec workload = workload_of(plan.order);
  check(workload, place(config, "workload"));
  plan.quiet_s = patience_s(workload, 0) + longest_wait_s(plan.order);
  if (config.workload.input_tokens) plan.order.seq_len = plan.record.seq_len = longest_prompt(workload);
  if (config.workload.output_tokens) plan.order.max_new_tokens = plan.record.max_new_tokens = longest_answer(workload);
  if (config.task == Task::generate && longest_answer(workload) == 0)
    throw usage_error(place(config, "workload.output_tokens"), "the trace has no lengths of answers",
                      "Use a trace that has them, or give max_new_tokens.");
  const Replay* replay = std::get_if<Replay>(&workload.arrivals);
  if (replay && std::ssize(replay->trace->requests) < config.num_iters)
    throw usage_error(place(config, "num_iters"),
                      fmt::format("expected at most {}, the requests of the trace; found {}",
                                  replay->trace->requests.size(), config.num_iters),
                      "Lower num_iters; the trace is replayed to its end all the same, unless corun is fixed.");
}

// Connections are files, and every token of a request in flight has its time.
void check_server(const TenantConfig& config, const TenantPlan& plan, const Machine& machine) {
  const ServerSpec* server = plan.order.server();
  if (server == nullptr) return;
  const auto in_flight = static_cast<uint64_t>(server->max_in_flight.value_or(1));
  if (in_flight + kWorkerFiles > machine.most_open_files)
    throw usage_error(place(config, "server.max_in_flight"),
                      fmt::format("{} connections need {} open files, one process may have {}", in_flight,
                                  in_flight + kWorkerFiles, machine.most_open_files),
                      "Raise the hard limit (ulimit -Hn, or LimitNOFILE of the service), or lower it.");
  const uint64_t bytes = in_flight * static_cast<uint64_t>(longest_answer(workload_of(plan.order))) * sizeof(int64_t);
  if (bytes > kTokenTimesBytes)
    throw usage_error(place(config, "server.max_in_flight"),
                      fmt::format("the times of the tokens of {} requests would take {}, at most {} are for them",
                                  in_flight, format_bytes(bytes), format_bytes(kTokenTimesBytes)),
                      "Lower server.max_in_flight or max_new_tokens.");
}

// Opens the model and sizes the engine, neither of which loads anything.
void examine_engine(const TenantConfig& config, TenantPlan& plan) {
  check_stress(config, plan.order.device);
  if (config.memory_limit_bytes && plan.order.device == "cpu")
    throw usage_error(place(config, "memory_limit"), "expected none on device: cpu; it limits the memory of a GPU",
                      "Remove memory_limit, or use device: cuda.");
  if (config.external() || config.command()) return;  // its program's affair
  const auto model = open_model_of(plan.order);
  if (model) {
    check_length(config, plan.order, model->spec);
    plan.record.parameters = parameter_count(model->spec);
    plan.record.flops_per_request = flops_per_request(model->spec, plan.order);
    plan.record.weights_origin = model->origin;
  }
  if (!config.mig_instance.empty()) return;  // a device that only its process sees
  const MemoryNeed need = make_engine(engine_options(plan.order, model))->memory_needed().value_or(MemoryNeed{});
  plan.record.weights_bytes = need.weights_bytes;
  plan.record.activation_bytes = need.activation_bytes;
  if (config.memory_limit_bytes && need.total() > *config.memory_limit_bytes)
    throw usage_error(
        place(config, "memory_limit"),
        fmt::format("is {}, and {} needs {}", format_bytes(*config.memory_limit_bytes), config.name,
                    format_bytes(need.total())),
        fmt::format("Raise memory_limit, lower {} or seq_len, or use a smaller dtype.", key_of_rows(plan.order)));
}

// A name is looked for on PATH, as a shell does.
std::string find_file(const std::string& name, const std::string& where) {
  if (name.find('/') == std::string::npos) {
    if (const auto found = find_program(name)) return *found;
    throw usage_error(where, fmt::format("there is no program {} on PATH", name), "Install it, or give its path.");
  }
  std::string file = expand_home(name);
  if (fs::is_directory(file) || ::access(file.c_str(), X_OK) != 0)
    throw usage_error(
        where,
        fmt::format("{} cannot be run: {}", file, fs::is_directory(file) ? "it is a directory" : std::strerror(errno)),
        "Give a file that is there and may be executed, such as [python3, train.py].");
  return file;
}

// It sees the device of its tenant and no other, as workers do by their orders.
void examine_program(const TenantConfig& config, const RunPlan& run, TenantPlan& plan) {
  const std::vector<std::string> command = config.program();
  if (command.empty()) return;
  if (config.command() && config.command()->is_seen()) {
    try {
      ProgressPattern check(config.command()->progress);
    } catch (const Error& error) {
      throw usage_error(place(config, "progress"), error.message(), error.remedy());
    }
  }
  ProgramPlan& program = plan.program.emplace();
  program.file = find_file(command.front(), place(config, "command"));
  program.environment = {{"PYTHONUNBUFFERED", "1"}};  // its lines are to come when they are written
  if (config.threads) program.environment.emplace_back("OMP_NUM_THREADS", std::to_string(*config.threads));
  const DeviceRecord& device = *std::ranges::find(run.devices, plan.record.device, &DeviceRecord::device);
  if (device.device == "cpu")
    program.environment.emplace_back("CUDA_VISIBLE_DEVICES", "");
  else if (run.settings.sharing == SharingMode::timeslice && !device.uuid.empty())
    program.environment.emplace_back("CUDA_VISIBLE_DEVICES", device.uuid);
}

// Names the tenant that an Error without a place in the configuration is about.
void examine(const TenantConfig& config, TenantPlan& plan, const Machine& machine) {
  try {
    examine_workload(config, plan);
    check_server(config, plan, machine);
    examine_engine(config, plan);
  } catch (const Error& error) {
    if (error.where().find("tenant " + config.name) != std::string::npos) throw;
    const std::string where = error.where().empty() ? place(config) : place(config) + ": " + error.where();
    throw Error(error.code(), where, error.message(), error.remedy());
  }
}

void check_memory(const RunPlan& run, const Machine& machine) {
  uint64_t needed = 0;
  std::string parts;
  for (const TenantPlan& tenant : run.tenants) {
    const uint64_t bytes = tenant.record.weights_bytes + tenant.record.activation_bytes + kWorkerBytes;
    needed += bytes;
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", tenant.record.name, format_bytes(bytes));
  }
  if (run.settings.device != "cpu" || machine.memory_available_bytes == 0 || needed <= machine.memory_available_bytes)
    return;
  throw usage_error(run.settings.config_file,
                    fmt::format("{} needs {} ({}), {} free", run.name, format_bytes(needed), parts,
                                format_bytes(machine.memory_available_bytes)),
                    fmt::format("Use fewer or smaller tenants, a smaller {} or dtype: bfloat16, or end other programs.",
                                keys_of_rows(run)));
}

void check_open_files(const RunPlan& run, const Machine& machine) {
  if (open_files_needed(run) <= machine.most_open_files) return;
  throw usage_error(run.settings.config_file,
                    fmt::format("{} tenants need {} open files, one process may have {}", run.tenants.size(),
                                open_files_needed(run), machine.most_open_files),
                    "Raise the hard limit (ulimit -Hn, or LimitNOFILE of the service), or use fewer tenants.");
}

// A worker is a process with a thread for each tenant and those that compute.
void check_tasks(const RunPlan& run, const Machine& machine) {
  uint64_t needed = 8;
  for (const TenantPlan& tenant : run.tenants)
    needed += (tenant.program ? 4 : 2) + static_cast<uint64_t>(std::max(1, tenant.order.threads.value_or(1)));
  if (!machine.tasks_left || needed <= *machine.tasks_left) return;
  throw usage_error(
      run.settings.config_file,
      fmt::format("needs {} processes and threads, the control group lets {} more start", needed, *machine.tasks_left),
      "Raise its pids.max (docker run --pids-limit), or use fewer tenants or threads.");
}

// What can be known without asking who else uses the device; a run asks that before its first process.
void check_device_memory(const RunPlan& run) {
  for (const DeviceRecord& device : run.devices) {
    const DeviceMemoryNeed need = device_memory_needed(run, device.device);
    if (device.memory_total_bytes > 0 && need.bytes > device.memory_total_bytes)
      throw device_memory_error(run, device.device, need,
                                fmt::format("{} has {}", device.device, format_bytes(device.memory_total_bytes)));
  }
}

std::vector<WarningRecord> host_warnings(const ExperimentConfig& config, bool on_cpu,
                                         const std::vector<HostShare>& shares, const HostCpus& host,
                                         const Machine& machine) {
  std::vector<WarningRecord> warnings = shared_core_warnings(config.tenants, shares, host);
  const bool limited = host.at_once < static_cast<int>(host.cpus().size());
  const std::string cores = limited
                                ? fmt::format("{:g} cores of the CPU quota", machine.cpu_limit.value_or(host.at_once))
                                : fmt::format("{} CPUs", host.at_once);
  if (on_cpu && oversubscribed(shares, host))
    warnings.push_back({fmt::format("the tenants' compute threads outnumber the {}", cores),
                        "lower threads, or use fewer tenants: they also wait for each other's time slices"});
  if (limited && config.wait == WaitPolicy::spin && static_cast<int>(config.tenants.size()) >= host.at_once)
    warnings.push_back({fmt::format("tenants that spin while they wait use up the {}", cores), "use wait: auto"});
  return warnings;
}

Environment worker_environment(bool crowded) {
  if (!crowded) return {};
  return {{"OMP_WAIT_POLICY", "passive"}};
}

}  // namespace

// Of each tenant: its events, its worker's socket and output. Where one worker has all tenants, twice their rings
// instead while it starts. Of a program: its socket, its output and its log, and four more until it has started.
uint64_t open_files_needed(const RunPlan& run) {
  const auto programs =
      std::ranges::count_if(run.tenants, [](const TenantPlan& plan) { return plan.program.has_value(); });
  return 128 + 3 * run.tenants.size() + 7 * static_cast<uint64_t>(programs);
}

DeviceMemoryNeed device_memory_needed(const RunPlan& run, const std::string& device) {
  DeviceMemoryNeed need;
  if (device == "cpu" || run.settings.sharing == SharingMode::mig) return need;
  for (const TenantPlan& tenant : run.tenants) {
    if (tenant.record.device != device) continue;
    const uint64_t bytes = tenant.record.weights_bytes + tenant.record.activation_bytes;
    if (bytes == 0) continue;  // it computes on the host
    need.bytes += bytes;
    if (!run.one_worker || need.contexts == 0) ++need.contexts;
    need.parts += fmt::format("{}{} {}", need.parts.empty() ? "" : ", ", tenant.record.name, format_bytes(bytes));
  }
  need.bytes += need.contexts * gpu_context_bytes;
  if (need.contexts > 0)
    need.parts += fmt::format(", {} context{} {}", need.contexts, need.contexts == 1 ? "" : "s",
                              format_bytes(need.contexts * gpu_context_bytes));
  return need;
}

Error device_memory_error(const RunPlan& run, const std::string& device, const DeviceMemoryNeed& need,
                          const std::string& there_is) {
  return usage_error(
      run.settings.config_file,
      fmt::format("{} needs {} of the GPU's memory{} ({}), {}", run.name, format_bytes(need.bytes),
                  run.devices.size() > 1 ? " on " + device : "", need.parts, there_is),
      fmt::format("Use fewer or smaller tenants, a smaller {} or dtype, or end other programs.", keys_of_rows(run)));
}

namespace {

// Of each tenant, by its number.
std::vector<std::string> devices_of(const ExperimentConfig& config) {
  std::map<std::string, std::string> resolved;  // asking the driver takes a while
  std::vector<std::string> devices;
  for (const TenantConfig& tenant : config.tenants) try {
      const std::string& name = tenant.device.empty() ? config.device : tenant.device;
      auto& device = resolved[name];
      if (device.empty()) device = resolve_device(name);
      devices.push_back(device);
    } catch (const Error& error) {
      if (tenant.device.empty()) throw;
      throw Error(error.code(), place(tenant, "device"), error.message(), error.remedy());
    }
  for (size_t i = 0; i < devices.size(); ++i)
    if ((devices[i] == "cpu") != (devices[0] == "cpu"))
      throw usage_error(place(config.tenants[i], "device"),
                        fmt::format("is {}, and {} is on {}", devices[i], config.tenants[0].name, devices[0]),
                        "An experiment runs on the CPU or on GPUs, not on both.");
  return devices;
}

// What is known of them, each once, by their numbers.
std::vector<DeviceRecord> describe_each(std::vector<std::string> devices) {
  std::ranges::sort(devices, {}, [](const std::string& device) { return std::pair(device.size(), device); });
  devices.erase(std::unique(devices.begin(), devices.end()), devices.end());
  std::vector<DeviceRecord> described;
  for (const std::string& device : devices) described.push_back(describe_device(device));
  return described;
}

}  // namespace

ExperimentPlan make_plan(const ExperimentConfig& config, const Machine& machine) {
  const SharingMode mode = config.sharing.value_or(SharingMode::timeslice);
  const std::vector<std::string> devices = devices_of(config);
  const std::vector<DeviceRecord> described = describe_each(devices);
  for (const DeviceRecord& device : described) check_sharing(mode, device.device);
  const bool on_cpu = devices.front() == "cpu";
  const HostCpus host = host_cpus(machine);
  const std::vector<HostShare> shares = divide_host(mode, config.tenants, host);
  // A MIG instance is the only device that its process sees, and so is the GPU of an MPS daemon of a run.
  const bool sees_one = mode == SharingMode::mig || mode == SharingMode::mps;
  const DeviceDivision division = divide_devices(mode, config.tenants, devices);
  const bool crowded = on_cpu && oversubscribed(shares, host);
  const bool spin = config.wait == WaitPolicy::spin ||
                    (config.wait == WaitPolicy::automatic && static_cast<int>(config.tenants.size()) < host.at_once);

  ExperimentPlan plan{.out_dir = config.out_dir,
                      .sleep_duration_s = config.sleep_duration_s,
                      .with_baselines = config.baselines,
                      .run = {},
                      .baselines = {}};
  RunPlan& run = plan.run;
  run.name = config.experiment_name;
  run.config_text = config.text;
  run.settings = settings_of(config, described.front().device, mode);
  run.host = host_of(machine);
  run.devices = described;
  run.one_worker = shares_one_process(mode);
  run.environment = worker_environment(crowded);
  run.warnings = division.warnings;
  for (const auto& more :
       {host_warnings(config, on_cpu, shares, host, machine), falsifying_variables(run.host.environment, !on_cpu)})
    run.warnings.insert(run.warnings.end(), more.begin(), more.end());
  const YieldSeats seats = config.yield ? plan_yield(config.tenants, devices) : YieldSeats{};
  run.warnings.insert(run.warnings.end(), seats.warnings.begin(), seats.warnings.end());
  for (size_t i = 0; i < config.tenants.size(); ++i) {
    const TenantConfig& tenant = config.tenants[i];
    const DeviceShareOrder& device_share = division.tenants[i];
    run.tenants.push_back(
        plan_tenant(tenant, order_of(config, tenant, devices[i], shares[i], device_share, spin), config.out_dir));
    run.tenants.back().environment = device_share.environment;
    if (mode == SharingMode::mig) run.tenants.back().order.device = "cuda:0";
    examine(tenant, run.tenants.back(), machine);
    examine_program(tenant, run, run.tenants.back());
    if (sees_one) run.tenants.back().order.device = "cuda:0";
    if (!config.yield) continue;
    run.tenants.back().order.yield_seat = seats.of[i];
    run.tenants.back().order.yield_quantum_us = config.yield->quantum_us;
  }
  check_memory(run, machine);
  check_device_memory(run);
  check_open_files(run, machine);
  check_tasks(run, machine);
  plan.baselines = plan_baselines(run, config);
  return plan;
}

}  // namespace cotenant
