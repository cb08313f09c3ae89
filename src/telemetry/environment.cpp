#include "telemetry/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace cotenant {
namespace {

constexpr size_t kLongest = 256;

constexpr std::string_view kPrefixes[] = {"CUDA_", "CUBLAS", "CUDNN_",  "OMP_", "GOMP_",
                                          "KMP_",  "DNNL_",  "ONEDNN_", "MKL_", "MALLOC_"};
constexpr std::string_view kNames[] = {"GLIBC_TUNABLES", "LD_AUDIT", "LD_BIND_NOW", "LD_PRELOAD",
                                       "NVIDIA_TF32_OVERRIDE"};
// Places and versions of a toolkit, which device is used (the record names it), and what a run sets itself.
constexpr std::string_view kSilent[] = {"CUDA_BIN_PATH",
                                        "CUDA_CACHE_MAXSIZE",
                                        "CUDA_CACHE_PATH",
                                        "CUDA_DEVICE_ORDER",
                                        "CUDA_VISIBLE_DEVICES",
                                        "CUDA_HOME",
                                        "CUDA_PATH",
                                        "CUDA_ROOT",
                                        "CUDA_VERSION",
                                        "CUDA_MPS_PIPE_DIRECTORY",
                                        "CUDA_MPS_LOG_DIRECTORY"};

enum class Where { gpu, cpu, both };

struct Falsifier {
  std::string_view name;
  Where where;
  std::string_view harmless;  // values, in lower case, each between blanks
  std::string_view what;
};

constexpr Falsifier kFalsifiers[] = {
    {"CUDA_LAUNCH_BLOCKING", Where::gpu, " 0 ", "the host waits for every kernel"},
    {"CUDA_DEVICE_MAX_CONNECTIONS", Where::gpu, " 8 ", "streams have another number of queues to the device"},
    {"CUDA_INJECTION64_PATH", Where::gpu, "", "another program is loaded into every tenant"},
    {"NVIDIA_TF32_OVERRIDE", Where::gpu, "", "products in float32 have another precision"},
    {"LD_PRELOAD", Where::both, "", "another library is loaded into every tenant"},
    {"LD_AUDIT", Where::both, "", "another library is loaded into every tenant"},
    {"OMP_PROC_BIND", Where::cpu, " false ", "compute threads are bound to CPUs, those of several tenants to the same"},
    {"OMP_PLACES", Where::cpu, "", "compute threads are bound to CPUs, those of several tenants to the same"},
    {"GOMP_CPU_AFFINITY", Where::cpu, "", "compute threads are bound to CPUs, those of several tenants to the same"},
    {"KMP_AFFINITY", Where::cpu, " none disabled ",
     "compute threads are bound to CPUs, those of several tenants to the same"},
    {"OMP_THREAD_LIMIT", Where::cpu, "", "tenants may have fewer threads than their configuration says"},
    {"OMP_DYNAMIC", Where::cpu, " false ", "tenants may have fewer threads than their configuration says"},
    {"ONEDNN_MAX_CPU_ISA", Where::cpu, " all default ", "products may not use all that the processor can do"},
    {"DNNL_MAX_CPU_ISA", Where::cpu, " all default ", "products may not use all that the processor can do"},
    {"ONEDNN_DEFAULT_FPMATH_MODE", Where::cpu, " strict ", "products in float32 have another precision"},
    {"DNNL_DEFAULT_FPMATH_MODE", Where::cpu, " strict ", "products in float32 have another precision"},
    {"ONEDNN_VERBOSE", Where::cpu, " 0 none ", "every product writes a line"},
    {"DNNL_VERBOSE", Where::cpu, " 0 none ", "every product writes a line"},
    {"MALLOC_CHECK_", Where::both, " 0 ", "every allocation is checked"},
    {"MALLOC_PERTURB_", Where::both, " 0 ", "all memory is written when it is allocated and freed"},
};

bool is_telling(std::string_view name) {
  if (std::ranges::count(kSilent, name) > 0) return false;
  return std::ranges::count(kNames, name) > 0 ||
         std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::vector<std::string> telling_variables(const char* const* environment) {
  std::vector<std::string> variables;
  for (; *environment != nullptr; ++environment) {
    const std::string_view text(*environment);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals + 1 == text.size() || !is_telling(text.substr(0, equals))) continue;
    variables.emplace_back(text.substr(0, equals + 1 + kLongest));
  }
  std::ranges::sort(variables);
  return variables;
}

std::vector<WarningRecord> falsifying_variables(const std::vector<std::string>& variables, bool on_gpu) {
  std::vector<WarningRecord> warnings;
  for (const std::string& variable : variables) {
    const std::string name = variable.substr(0, variable.find('='));
    const std::string value = lower(std::string_view(variable).substr(name.size() + 1));
    for (const Falsifier& falsifier : kFalsifiers) {
      const bool here = falsifier.where == Where::both || (falsifier.where == Where::gpu) == on_gpu;
      if (falsifier.name != name || !here || falsifier.harmless.find(" " + value + " ") != std::string_view::npos)
        continue;
      warnings.push_back({fmt::format("{} is set in the environment: {}", variable, falsifier.what), "unset " + name});
    }
  }
  return warnings;
}

}  // namespace cotenant
