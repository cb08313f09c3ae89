#include "driver/kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "config/load.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

bool is_partition(const RunPlan& run) {
  return run.settings.sharing == SharingMode::partition;
}

bool has_share(const RunPlan& run, const TenantPlan& tenant) {
  return tenant.record.sm_percent.has_value() || tenant.order.sm_groups > 0 || is_partition(run);
}

// The tenant as it is measured alone: without a share it is not bound to the CPUs of its partition.
TenantPlan alone(const RunPlan& run, TenantPlan tenant, bool with_share) {
  if (!with_share) {
    if (is_partition(run)) tenant.order.cpus.clear();
    tenant.record.cpus = tenant.order.cpus;
    tenant.order.sm_percent.reset();
    tenant.record.sm_percent.reset();
    tenant.order.sm_groups = 0;
    std::erase_if(tenant.environment, [](const auto& variable) { return variable.first == mps_share_variable; });
  }
  tenant.order.yield_seat.reset();  // there is nobody to give way to
  tenant.order.yield_quantum_us = 0;
  tenant.order.weight.reset();
  tenant.record.weight.reset();
  tenant.order.slo = tenant.record.slo = {};  // a baseline promises nothing
  tenant.out_dir.clear();
  return tenant;
}

// Two tenants with equal keys do the same work in the same way. Which CPUs a partition gave does not matter, their
// number does.
std::string key_of(const RunPlan& run, const TenantPlan& tenant) {
  TenantOrder order = tenant.order;
  order.name.clear();
  order.tag.clear();
  order.num_iters = 0;
  order.fixed_iters = 0;
  if (is_partition(run) && !order.cpus.empty()) order.cpus.assign(1, static_cast<int>(order.cpus.size()));
  order.device = tenant.record.device;  // which its process may know by another name
  return fmt::format("{} {}", to_json(Command{"", command::Order{{order}}}), tenant.environment);
}

// "cuda1" of "cuda:1".
std::string device_stem(std::string device) {
  std::erase(device, ':');
  return device;
}

std::string stem_of(const RunPlan& run, const TenantPlan& tenant, bool with_share) {
  const TenantRecord& record = tenant.record;
  std::string stem = fmt::format("{}_b{}_L{}", default_name(record.model), record.batch_size, record.seq_len);
  if (record.task == Task::generate) stem += fmt::format("_new{}", record.max_new_tokens);
  if (const auto dtype = record.dtype(); dtype && dtype != Dtype::f32) stem.append("_").append(to_string(*dtype));
  if (run.devices.size() > 1) stem.append("_").append(device_stem(record.device));
  if (!with_share) return stem;
  if (record.sm_percent) return stem + fmt::format("_share{:g}", *record.sm_percent);
  if (tenant.order.sm_groups > 0) return stem + fmt::format("_groups{}", tenant.order.sm_groups);
  return stem + (is_partition(run) ? fmt::format("_cpus{}", record.cpus.size()) : "");
}

// The configuration of that tenant alone, made of one without tenants, which `cotenant run` would take.
std::string config_text(ExperimentConfig one, const TenantConfig& config, const TenantPlan& tenant,
                        const std::string& directory) {
  one.experiment_name = directory;
  one.out_dir.clear();
  if (one.sharing == SharingMode::partition) one.sharing = SharingMode::timeslice;  // its CPUs are named
  one.device = tenant.record.device;
  one.tenants = {config};
  one.tenants.front().device.clear();
  one.tenants.front().out_dir.clear();
  one.tenants.front().weight.reset();
  one.tenants.front().sm_percent = tenant.record.sm_percent;
  one.tenants.front().threads = tenant.order.threads;
  one.tenants.front().cpus = tenant.order.cpus;
  return resolved_json(one).dump(2) + "\n";
}

class Kinds {
 public:
  // `run` and `config` as they are without tenants: those of each run are added.
  Kinds(RunPlan run, ExperimentConfig config) : run_(std::move(run)), config_(std::move(config)) {}

  // The name of the kind that `tenant` is; a new one gets a run of its own.
  std::string name_of(const TenantPlan& tenant, const TenantConfig& config, bool with_share) {
    TenantPlan measured = alone(run_, tenant, with_share);
    const auto [found, is_new] = names_.emplace(key_of(run_, measured), "");
    if (is_new) {
      const std::string stem = stem_of(run_, measured, with_share);
      const int same_stem = ++stems_[stem];
      found->second = same_stem == 1 ? stem : fmt::format("{}_{}", stem, same_stem);
      add_run(std::move(measured), config, found->second, with_share);
    }
    return found->second;
  }

  std::vector<BaselinePlan> take() { return std::move(plans_); }

 private:
  void add_run(TenantPlan measured, const TenantConfig& config, const std::string& directory, bool with_share) {
    RunPlan run = run_;
    run.name = measured.record.model + " alone" + (with_share ? " with its share" : "");
    run.settings.experiment_name = directory;
    run.settings.device = measured.record.device;
    std::erase_if(run.devices, [&](const DeviceRecord& device) { return device.device != measured.record.device; });
    run.config_text = config_text(config_, config, measured, directory);
    run.tenants = {std::move(measured)};
    plans_.push_back({directory, std::move(run)});
  }

  const RunPlan run_;
  const ExperimentConfig config_;
  std::map<std::string, std::string> names_;  // key -> directory
  std::map<std::string, int> stems_;
  std::vector<BaselinePlan> plans_;
};

// Nothing that grows with the tenants: each kind takes a copy.
RunPlan without_tenants(const RunPlan& run) {
  RunPlan rest;
  rest.name = run.name;
  rest.settings = run.settings;
  rest.settings.yield.reset();
  rest.host = run.host;
  rest.devices = run.devices;
  rest.one_worker = run.one_worker;
  rest.environment = run.environment;
  return rest;  // without warnings, which are of tenants together
}

ExperimentConfig without_tenants(const ExperimentConfig& config) {
  ExperimentConfig rest = config;
  rest.text.clear();
  rest.tenants.clear();
  rest.yield.reset();
  return rest;
}

}  // namespace

std::vector<BaselinePlan> plan_baselines(RunPlan& run, const ExperimentConfig& config) {
  Kinds kinds(without_tenants(run), without_tenants(config));
  for (size_t i = 0; i < run.tenants.size(); ++i) {
    TenantPlan& tenant = run.tenants[i];
    if (tenant.order.is_load_only()) continue;  // alone there would be nothing to measure
    const std::string kind = kinds.name_of(tenant, config.tenants[i], false);
    if (has_share(run, tenant)) tenant.record.kind_with_share = kinds.name_of(tenant, config.tenants[i], true);
    tenant.record.kind = kind;
  }
  return kinds.take();
}

}  // namespace cotenant
