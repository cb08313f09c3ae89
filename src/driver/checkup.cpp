#include "driver/checkup.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/find_program.h"
#include "base/text.h"
#include "engine/native/devices.h"
#include "engine/server/make_server_engine.h"
#include "model/hub.h"
#include "sharing/device.h"
#include "telemetry/environment.h"
#include "telemetry/gpm.h"
#include "telemetry/machine.h"
#include "telemetry/nvml.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using State = Finding::State;
using Findings = std::vector<Finding>;

Findings machine_findings(const Machine& machine) {
  Findings out;
  out.push_back({"machine", "system", State::good,
                 fmt::format("{}, Linux {}{}", machine.os.empty() ? "unknown system" : machine.os, machine.kernel,
                             machine.is_virtual ? ", in a virtual machine" : ""),
                 ""});
  out.push_back({"machine", "CPU", State::good,
                 fmt::format("{}, {} of {} CPUs usable, {} cores", machine.cpu, machine.logical_cpus,
                             machine.online_cpus, machine.physical_cores),
                 ""});
  out.push_back({"machine", "instructions", State::good, fmt::format("{}", fmt::join(machine.cpu_features, " ")), ""});
  out.push_back({"machine", "memory", State::good,
                 fmt::format("{}, {} available", format_bytes(machine.memory_total_bytes),
                             format_bytes(machine.memory_available_bytes)),
                 ""});
  return out;
}

// The first line of an error, and the rest: what to do about it.
std::pair<std::string, std::string> split_lines(const std::string& text) {
  const size_t end = text.find('\n');
  if (end == std::string::npos) return {text, ""};
  const size_t rest = text.find_first_not_of(" \n", end);
  return {text.substr(0, end), rest == std::string::npos ? "" : text.substr(rest)};
}

// What NVML tells of the devices; one finding where it cannot be used.
Findings nvml_findings(const CudaStatus& cuda) {
  if (cuda.devices.empty()) return {};
  Findings out;
  Gap gap;
  const auto nvml = Nvml::open(gap);
  if (!nvml) {
    out.push_back({"devices", "NVML", State::missing, gap.what, gap.remedy});
    return out;
  }
  out.push_back({"devices", "NVML", State::good, "driver " + nvml->driver_version(), ""});
  for (size_t i = 0; i < cuda.devices.size(); ++i) {
    const auto name = [i](const char* what) { return fmt::format("cuda:{} {}", i, what); };
    const auto device = nvml->device_by_uuid(cuda.devices[i].uuid);
    if (!device) {
      out.push_back({"devices", name("in NVML"), State::missing, "NVML knows no device " + cuda.devices[i].uuid,
                     "Compare with `nvidia-smi -L`."});
      continue;
    }
    if (const auto memory = device->memory())
      out.push_back({"devices", name("memory"), State::good,
                     fmt::format("{} of {} free", format_bytes(memory->free_bytes), format_bytes(memory->total_bytes)),
                     ""});
    const NvmlDevice gpu = device->physical();
    const Gap counters = GpmReader(gpu).gap();
    out.push_back({"devices", name("counters"), counters ? State::limited : State::good,
                   counters ? counters.what : "SM, tensor, DRAM and PCIe counters can be read", counters.remedy});
    const auto mig = gpu.mig_enabled();
    const size_t instances = gpu.mig_instances().size();
    out.push_back({"devices", name("MIG"), State::good,
                   !mig   ? "not supported"
                   : *mig ? fmt::format("on, {} instance{}", instances, instances == 1 ? "" : "s")
                          : "off",
                   ""});
  }
  return out;
}

Findings device_findings(const Machine& machine, const CudaStatus& cuda) {
  Findings out;
  const bool has_bf16 =
      machine.has_feature("avx512_bf16") || machine.has_feature("amx_bf16") || machine.has_feature("bf16");
  if (has_cpu_engine()) {
    out.push_back({"devices", "cpu", State::good, "oneDNN is built in", ""});
    out.push_back({"devices", "bfloat16 on the CPU", has_bf16 ? State::good : State::limited,
                   has_bf16 ? "the CPU multiplies bfloat16 itself" : "this CPU has no bfloat16 products",
                   has_bf16 ? "" : "Use dtype: float32 on the CPU; bfloat16 will be slower there."});
  } else {
    out.push_back(
        {"devices", "cpu", State::missing, "built without oneDNN", "apt-get install libdnnl-dev, and build again."});
  }
  if (cuda.devices.empty()) {
    const auto [problem, remedy] = split_lines(cuda.problem.empty() ? "no CUDA device" : cuda.problem);
    out.push_back({"devices", "cuda", State::missing, problem, remedy});
  }
  if (const std::string library = cuda_library(); !library.empty())
    out.push_back({"devices", "cuBLASLt", State::good, library, ""});
  for (size_t i = 0; i < cuda.devices.size(); ++i) {
    const CudaDevice& device = cuda.devices[i];
    const std::string name = fmt::format("cuda:{}", i);
    if (!device.problem.empty()) {
      out.push_back({"devices", name, State::missing, device.problem, device.remedy});
      continue;
    }
    out.push_back({"devices", name, cuda.problem.empty() ? State::good : State::limited,
                   fmt::format("{}, compute capability {}.{}, {} SMs, {}, driver for CUDA {}", device.name,
                               device.compute_major, device.compute_minor, device.sms, format_bytes(device.total_bytes),
                               cuda_version(cuda.driver_version)),
                   cuda.problem});
  }
  return out;
}

// What check_sharing says is what a run would be told.
Finding sharing_finding(SharingMode mode, const std::string& device) {
  Finding finding{"sharing", fmt::format("{} on {}", to_string(mode), device), State::good, "can be used", ""};
  try {
    check_sharing(mode, device);
  } catch (const Error& e) {
    finding.state = State::missing;
    finding.found = e.message();
    finding.remedy = e.remedy();
  }
  return finding;
}

Findings sharing_findings(const CudaStatus& cuda) {
  Findings out;
  for (const SharingMode mode : {SharingMode::timeslice, SharingMode::partition})
    out.push_back(sharing_finding(mode, "cpu"));
  for (const SharingMode mode :
       {SharingMode::timeslice, SharingMode::mps, SharingMode::streams, SharingMode::green, SharingMode::mig}) {
    if (cuda.devices.empty())
      out.push_back({"sharing", fmt::format("{} on cuda", to_string(mode)), State::missing, "no CUDA device", ""});
    else
      out.push_back(sharing_finding(mode, "cuda:0"));
  }
  return out;
}

// Whether there is a token for gated models; its value is nobody's business.
std::optional<std::string> token_source() {
  for (const char* variable : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (const char* value = std::getenv(variable); value && *value) return variable;
  std::error_code ignored;
  const fs::path file = hub_cache().parent_path() / "token";
  return fs::exists(file, ignored) ? std::optional(file.string()) : std::nullopt;
}

Findings model_findings() {
  Findings out;
  std::error_code failed;
  size_t models = 0;
  for (const auto& entry : fs::directory_iterator(hub_cache(), failed))
    models += entry.path().filename().string().starts_with("models--");
  out.push_back(
      {"models", "Hugging Face cache", models ? State::good : State::limited,
       fmt::format("{} model{} in {}", models, models == 1 ? "" : "s", hub_cache().string()),
       models ? "" : "Without files the known models run with random weights: `hf download NAME` fetches them."});
  const auto token = token_source();
  out.push_back(
      {"models", "Hugging Face token", token ? State::good : State::limited, token ? "found in " + *token : "none",
       token ? "" : "Only gated models (Llama, Mistral) need one: accept the licence, then `hf auth login`."});
  return out;
}

Findings program_findings() {
  const auto gnuplot = find_program("gnuplot");
  const auto http = http_library();
  return {{"programs", "gnuplot", gnuplot ? State::good : State::missing, gnuplot.value_or("not on PATH"),
           gnuplot ? "" : "For plots as files: apt-get install gnuplot-nox. The HTML report needs none."},
          {"programs", "libcurl", http ? State::good : State::missing, http.value_or("not found"),
           http ? "" : "For engine: server alone: apt-get install libcurl4."}};
}

Findings measuring_findings(const Machine& machine) {
  Findings out;
  if (machine.governor.empty())
    out.push_back({"measuring", "CPU frequency", State::good, "no scaling to be seen", ""});
  else
    out.push_back({"measuring", "CPU frequency", machine.governor == "performance" ? State::good : State::limited,
                   "governor " + machine.governor,
                   machine.governor == "performance" ? "" : "Steadier: sudo cpupower frequency-set -g performance"});
  if (machine.load1) {
    const bool busy = *machine.load1 > 0.25 * usable_cores(machine);
    out.push_back({"measuring", "other load", busy ? State::limited : State::good,
                   fmt::format("load average {:.2f}", *machine.load1),
                   busy ? "Other programs take time from the tenants: end them, or wait until they are done." : ""});
  }
  if (machine.cpu_limit && *machine.cpu_limit < machine.logical_cpus)
    out.push_back({"measuring", "CPU quota", State::limited,
                   fmt::format("the cgroup allows {:.2f} of {} CPUs", *machine.cpu_limit, machine.logical_cpus),
                   "Tenants are paused when it is used up: raise it, or give the tenants fewer threads."});
  if (machine.memory_limit_bytes)
    out.push_back({"measuring", "memory limit", State::limited,
                   fmt::format("the cgroup allows {} of {}", format_bytes(*machine.memory_limit_bytes),
                               format_bytes(machine.memory_total_bytes)),
                   "What does not fit is refused: raise it, or use smaller tenants."});
  for (const bool on_gpu : {false, true})
    for (const WarningRecord& warning : falsifying_variables(telling_variables(::environ), on_gpu))
      if (std::ranges::none_of(out, [&](const Finding& finding) { return finding.found == warning.what; }))
        out.push_back({"measuring", warning.remedy.substr(warning.remedy.find(' ') + 1), State::limited, warning.what,
                       warning.remedy});
  if (machine.physical_cores > 0 && machine.physical_cores < machine.online_cpus)
    out.push_back({"measuring", "hardware threads", State::limited,
                   fmt::format("{} CPUs are {} cores", machine.online_cpus, machine.physical_cores),
                   "Two tenants on one core disturb each other: pin them with cpus."});
  if (machine.is_virtual)
    out.push_back({"measuring", "virtual machine", State::limited, "clocks and neighbours are out of sight",
                   "Repeat measurements (--repeat 5) to see how much they vary."});
  if (!machine.transparent_hugepages.empty())
    out.push_back({"measuring", "huge pages", State::good, machine.transparent_hugepages, ""});
  return out;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::good:
      return "good";
    case State::limited:
      return "limited";
    case State::missing:
      return "missing";
  }
  return "?";
}

std::vector<Finding> check_machine() {
  const Machine machine = read_machine();
  const CudaStatus cuda = cuda_status();
  Findings all;
  for (Findings& part :
       std::vector<Findings>{machine_findings(machine), device_findings(machine, cuda), nvml_findings(cuda),
                             sharing_findings(cuda), model_findings(), program_findings(), measuring_findings(machine)})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

nlohmann::ordered_json findings_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const Finding& finding : findings) {
    nlohmann::ordered_json one{{"state", to_string(finding.state)}, {"found", finding.found}};
    if (!finding.remedy.empty()) one["remedy"] = finding.remedy;
    out[finding.group][finding.name] = std::move(one);
  }
  return out;
}

}  // namespace cotenant
