#include "driver/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "config/load.h"
#include "driver/kinds.h"
#include "engine/options.h"
#include "model/model.h"
#include "sharing/device.h"
#include "sharing/device_shares.h"
#include "sharing/host_share.h"
#include "worker/engine_setup.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kWorkerBytes = 48ull << 20;  // of a worker besides its model: the program, its libraries, its rings

SettingsRecord settings_of(const ExperimentConfig& config, const std::string& device, SharingMode mode) {
  SettingsRecord settings;
  settings.experiment_name = config.experiment_name;
  settings.config_file = config.file;
  settings.overrides = config.overrides;
  settings.device = device;
  settings.sharing = to_string(mode);
  settings.corun = to_string(config.corun);
  settings.wait = to_string(config.wait);
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
  host.is_virtual = machine.is_virtual;
  for (const std::string& feature : machine.cpu_features)
    host.cpu_features += (host.cpu_features.empty() ? "" : " ") + feature;
  host.memory_total_bytes = machine.memory_total_bytes;
  host.memory_available_bytes = machine.memory_available_bytes;
  host.governor = machine.governor;
  host.transparent_hugepages = machine.transparent_hugepages;
  host.load1 = machine.load1;
  return host;
}

std::string engine_name(const TenantConfig& tenant) {
  return std::string(tenant.engine == EngineKind::stress ? to_string(tenant.stress_kind) : to_string(tenant.engine));
}

std::string dtype_of(const TenantConfig& tenant, const std::string& device) {
  if (tenant.engine == EngineKind::stress) return "";
  return std::string(to_string(tenant.dtype.value_or(device == "cpu" ? Dtype::f32 : Dtype::f16)));
}

TenantOrder order_of(const ExperimentConfig& config, const TenantConfig& tenant, const std::string& device,
                     const HostShare& share, const DeviceShareOrder& device_share, bool spin_wait) {
  TenantOrder order;
  order.name = tenant.name;
  order.engine = engine_name(tenant);
  order.model = tenant.model_name;
  order.weights = tenant.weights;
  order.device = device;
  order.dtype = dtype_of(tenant, device);
  order.batch_size = tenant.batch_size;
  order.seq_len = tenant.seq_len;
  order.max_new_tokens = tenant.task == Task::generate ? tenant.max_new_tokens : 0;
  order.service_ms = tenant.service_ms;
  if (tenant.engine == EngineKind::stress && tenant.stress_intensity < 1)
    order.period_ms = tenant.service_ms / tenant.stress_intensity;
  order.sms = tenant.stress_sms.value_or(0);
  order.threads = device == "cpu" ? share.threads : tenant.threads.value_or(1);
  order.cpus = share.cpus;
  order.spin_wait = spin_wait;
  order.sm_groups = device_share.sm_groups;
  order.priority = tenant.priority.value_or(0);
  order.memory_limit_bytes = tenant.memory_limit_bytes.value_or(0);
  order.seed = config.seed;
  order.num_warmup = tenant.num_warmup;
  order.warmup_s = config.warmup_s;
  order.fixed_iters = config.corun == Corun::fixed ? tenant.num_iters : 0;
  return order;
}

// The prompt and every further token of all rows; a token's attention over the longer and longer sequence is counted as
// over its middle.
double flops_per_request(const ModelSpec& spec, const TenantOrder& order) {
  const int64_t rows = order.batch_size;
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
  TenantPlan plan{.order = order, .record = {}, .out_dir = "", .environment = {}};
  TenantRecord& record = plan.record;
  record.name = tenant.name;
  record.directory = directory_name(tenant.name);
  record.tag = tenant.tag;
  record.model = tenant.model_name;
  record.weights = tenant.weights;
  record.engine = to_string(tenant.engine);
  if (tenant.engine == EngineKind::stress) {
    record.stress_kind = to_string(tenant.stress_kind);
    record.service_ms = tenant.service_ms;
    record.stress.emplace().intensity = tenant.stress_intensity;
    if (order.period_ms > 0) record.stress->period_ms = order.period_ms;
    record.stress->sms = tenant.stress_sms;
  }
  record.dtype = order.dtype;
  record.task = to_string(tenant.task);
  record.batch_size = tenant.batch_size;
  record.seq_len = tenant.seq_len;
  record.max_new_tokens = order.max_new_tokens;
  record.num_iters = tenant.num_iters;
  record.num_warmup = tenant.num_warmup;
  record.threads = order.threads;
  record.cpus = order.cpus;
  record.sm_percent = tenant.sm_percent;
  record.priority = tenant.priority;
  record.memory_limit_bytes = tenant.memory_limit_bytes;
  record.mig_instance = tenant.mig_instance;
  if (fs::path(tenant.out_dir).lexically_normal() != (fs::path(experiment_dir) / record.directory).lexically_normal())
    plan.out_dir = tenant.out_dir;
  return plan;
}

void check_stress(const TenantConfig& tenant, const std::string& device) {
  if (tenant.engine != EngineKind::stress || !is_device_stress(tenant.stress_kind) || device != "cpu") return;
  throw usage_error(
      place(tenant),
      fmt::format("stress.kind: {} loads a CUDA device, and the device is the CPU", to_string(tenant.stress_kind)),
      "Use device: cuda (see `cotenant doctor`), or stress.kind: spin or sleep.");
}

// Opens the model and sizes the engine, neither of which loads anything.
void examine_engine(const TenantConfig& config, TenantPlan& plan) {
  check_stress(config, plan.order.device);
  if (config.memory_limit_bytes && plan.order.device == "cpu")
    throw usage_error(place(config, "memory_limit"), "expected none on device: cpu; it limits the memory of a GPU",
                      "Remove memory_limit, or use device: cuda.");
  const auto model = open_model_of(plan.order);
  if (model) {
    check_length(config, plan.order, model->spec);
    plan.record.parameters = parameter_count(model->spec);
    plan.record.flops_per_request = flops_per_request(model->spec, plan.order);
    plan.record.weights_origin = model->origin;
  }
  if (plan.order.device != "cpu") return;  // its memory is the device's, and asked for by the worker that has it
  const MemoryNeed need = make_engine(engine_options(plan.order, model))->memory_needed().value_or(MemoryNeed{});
  plan.record.weights_bytes = need.weights_bytes;
  plan.record.activation_bytes = need.activation_bytes;
}

// Names the tenant that an Error without a place in the configuration is about.
void examine(const TenantConfig& config, TenantPlan& plan) {
  try {
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
                    "Use fewer or smaller tenants, a smaller batch_size or dtype: bfloat16, or end other programs.");
}

Environment worker_environment(bool crowded) {
  if (!crowded) return {};
  return {{"OMP_WAIT_POLICY", "passive"}};
}

}  // namespace

ExperimentPlan make_plan(const ExperimentConfig& config, const Machine& machine) {
  const SharingMode mode = config.sharing.value_or(SharingMode::timeslice);
  const std::string device = resolve_device(config.device);
  check_sharing(mode, device);
  const std::vector<int> cpus = usable_cpus();
  const std::vector<HostShare> shares = divide_host(mode, config.tenants, cpus);
  // A MIG instance is the only device that its process sees.
  const std::string own_device = mode == SharingMode::mig ? "cuda:0" : device;
  const DeviceDivision division = divide_device(mode, config.tenants, device);
  const bool crowded = device == "cpu" && oversubscribed(shares, cpus);
  const bool spin =
      config.wait == WaitPolicy::spin || (config.wait == WaitPolicy::automatic && config.tenants.size() < cpus.size());

  ExperimentPlan plan{.out_dir = config.out_dir,
                      .sleep_duration_s = config.sleep_duration_s,
                      .with_baselines = config.baselines,
                      .run = {},
                      .baselines = {}};
  RunPlan& run = plan.run;
  run.name = config.experiment_name;
  run.config_text = config.text;
  run.settings = settings_of(config, device, mode);
  run.host = host_of(machine);
  run.device = describe_device(device);
  run.one_worker = shares_one_process(mode);
  run.environment = worker_environment(crowded);
  run.warnings = division.warnings;
  if (crowded)
    run.warnings.push_back({fmt::format("the tenants' compute threads outnumber the {} CPUs", cpus.size()),
                            "lower threads, or use fewer tenants: they also wait for each other's time slices"});
  for (size_t i = 0; i < config.tenants.size(); ++i) {
    const TenantConfig& tenant = config.tenants[i];
    const DeviceShareOrder& device_share = division.tenants[i];
    run.tenants.push_back(
        plan_tenant(tenant, order_of(config, tenant, own_device, shares[i], device_share, spin), config.out_dir));
    run.tenants.back().environment = device_share.environment;
    examine(tenant, run.tenants.back());
  }
  check_memory(run, machine);
  plan.baselines = plan_baselines(run, config);
  return plan;
}

}  // namespace cotenant
