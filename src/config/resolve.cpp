#include "config/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "config/load.h"
#include "workload/spec.h"

namespace cotenant {
namespace {

// What each sharing mode can do with a tenant's share.
struct ModeTraits {
  SharingMode mode;
  bool on_cpu, on_cuda;
  bool sm_percent, priority;
  bool yield;
};
constexpr std::array<ModeTraits, 6> kModes{{
    {SharingMode::timeslice, true, true, false, false, false},
    {SharingMode::mps, false, true, true, true, true},
    {SharingMode::streams, false, true, false, true, true},
    {SharingMode::green, false, true, true, true, true},
    {SharingMode::mig, false, true, false, false, false},
    {SharingMode::partition, true, false, true, false, false},
}};

const ModeTraits& traits(SharingMode mode) {
  return kModes[static_cast<size_t>(mode)];
}

[[noreturn]] void refuse(const std::string& where, const std::string& path, const std::string& what,
                         const std::string& remedy = "") {
  throw usage_error(where, fmt::format("{}: {}", path, what), remedy);
}

bool same_device(const std::string& a, const std::string& b) {
  const auto full = [](const std::string& device) { return device == "cuda" ? "cuda:0" : device; };
  return full(a) == full(b);
}

bool is_gpu(const std::string& device) {
  return device != "cpu" && device != "auto";
}

// All are GPUs, or all the CPU.
void check_device_kinds(const ExperimentDraft& draft, const std::vector<TenantDraft>& tenants) {
  std::string first = draft.given.count("device") ? draft.config.device : "auto", path = "device";
  for (const TenantDraft& tenant : tenants) {
    const std::string& device = tenant.config.device;
    if (device.empty() || device == "auto") continue;
    if (first == "auto") {
      first = device;
      path = tenant.path + ".device";
    } else if (is_gpu(device) != is_gpu(first)) {
      refuse(tenant.given.at("device"), tenant.path + ".device",
             fmt::format("expected {} as in {}, found {}", is_gpu(first) ? "a GPU" : "cpu", path, device),
             "An experiment runs on the CPU or on GPUs, not on both.");
    }
  }
}

// One device that tenants name alone is the experiment's. Two names of one device are found out when it is planned.
void resolve_devices(ExperimentDraft& draft, std::vector<TenantDraft>& tenants) {
  check_device_kinds(draft, tenants);
  const auto named = std::ranges::find_if(tenants, [](const TenantDraft& t) { return !t.config.device.empty(); });
  if (named == tenants.end()) return;
  const auto is_other = [&](const TenantDraft& tenant) {
    return !tenant.config.device.empty() && !same_device(tenant.config.device, named->config.device);
  };
  if (!draft.given.count("device") && std::ranges::none_of(tenants, is_other)) {
    draft.config.device = named->config.device;
    draft.given.emplace("device", named->given.at("device"));
  }
  for (TenantDraft& tenant : tenants)
    if (same_device(tenant.config.device, draft.config.device)) tenant.config.device.clear();
}

// "cpu", "auto", or a GPU where any is named.
std::string kind_of_device(const ExperimentConfig& config, const std::vector<TenantDraft>& tenants) {
  if (config.device != "auto") return config.device;
  for (const TenantDraft& tenant : tenants)
    if (!tenant.config.device.empty() && tenant.config.device != "auto") return tenant.config.device;
  return config.device;
}

void resolve_sharing(ExperimentDraft& draft, const std::vector<TenantDraft>& tenants) {
  ExperimentConfig& config = draft.config;
  if (draft.mps && config.sharing && *config.sharing != SharingMode::mps)
    refuse(draft.given.at("sharing.mode"), "sharing.mode",
           fmt::format("expected mps because of mps: true, found {}", to_string(*config.sharing)),
           "Remove mps, or set it to false.");
  const char* path = config.sharing ? "sharing.mode" : "mps";
  if (!config.sharing) config.sharing = draft.mps ? SharingMode::mps : SharingMode::timeslice;
  const std::string device = kind_of_device(config, tenants);
  const bool cpu = device == "cpu", cuda = is_gpu(device);
  if (cpu && !traits(*config.sharing).on_cpu)
    refuse(draft.given.at(path), path,
           fmt::format("expected timeslice or partition on device: cpu, found {}", to_string(*config.sharing)),
           fmt::format("{} is a way to share an NVIDIA GPU.", to_string(*config.sharing)));
  if (cuda && !traits(*config.sharing).on_cuda)
    refuse(draft.given.at(path), path,
           fmt::format("expected timeslice, mps, streams, green or mig on device: {}, found {}", device,
                       to_string(*config.sharing)),
           "partition divides the cores of a CPU.");
}

// Tenants can give way to each other only where their kernels are on the device at the same time.
void check_yield(const ExperimentDraft& draft, const std::vector<TenantDraft>& tenants) {
  const SharingMode mode = *draft.config.sharing;
  if (draft.config.yield && !traits(mode).yield)
    refuse(draft.given.at("sharing.yield"), "sharing.yield",
           fmt::format("expected sharing.mode mps, streams or green beside it, found {}", to_string(mode)),
           mode == SharingMode::timeslice
               ? "Under timeslice the device belongs to one process at a time: whoever waits at a gate would keep it."
               : fmt::format("Under {} tenants do not meet on one device.", to_string(mode)));
  const auto has_weight = [](const TenantDraft& tenant) { return tenant.config.weight.has_value(); };
  const bool by_weight = std::ranges::any_of(tenants, has_weight);
  for (const TenantDraft& tenant : tenants) {
    if (has_weight(tenant) && !draft.config.yield)
      refuse(tenant.given.at("weight"), tenant.path + ".weight", "expected sharing.yield beside it, found none",
             "Weights hold at gates: sharing: {mode: mps, yield: {}}.");
    if (by_weight && tenant.config.priority)
      refuse(tenant.given.at("priority"), tenant.path + ".priority",
             "expected either weights or priorities, found both", "Tenants yield by one of the two.");
    if (has_weight(tenant) && tenant.engine != EngineKind::native)
      refuse(tenant.given.at("weight"), tenant.path + ".weight",
             fmt::format("expected engine: native beside it, found engine: {}", to_string(tenant.engine)),
             "Only native tenants have gates.");
  }
}

void resolve_lengths(ExperimentDraft& draft) {
  ExperimentConfig& config = draft.config;
  if (config.corun == Corun::fixed) {
    if (!draft.given.count("min_duration_s")) config.min_duration_s = 0;
    if (!draft.given.count("warmup_s")) config.warmup_s = 0;
  } else if (!draft.given.count("min_duration_s")) {
    config.min_duration_s = std::min(config.min_duration_s, config.max_duration_s);
  }
  if (config.min_duration_s > config.max_duration_s)
    refuse(draft.given.at("min_duration_s"), "min_duration_s",
           fmt::format("expected at most max_duration_s, which is {}, found {}", config.max_duration_s,
                       config.min_duration_s));
}

void check_telemetry(const ExperimentDraft& draft) {
  const int interval_ms = draft.config.telemetry_interval_ms;
  if (interval_ms != 0 && interval_ms < kLeastTelemetryInterval_ms)
    refuse(draft.given.at("telemetry_interval_ms"), "telemetry_interval_ms",
           fmt::format("expected 0 or an integer from {} to 10000, found {}", kLeastTelemetryInterval_ms, interval_ms),
           "A GPU's counters that are read more often than every 100 ms are zero.");
}

// Refuses a key that means nothing with this engine.
void refuse_key(const TenantDraft& tenant, const std::string& key, const std::string& engines,
                const std::string& remedy = "") {
  if (const auto given = tenant.given.find(key); given != tenant.given.end())
    refuse(given->second, fmt::format("{}.{}", tenant.path, key),
           fmt::format("expected engine: {} beside it, found engine: {}", engines, to_string(tenant.engine)), remedy);
}

void check_engine_keys(const TenantDraft& tenant) {
  const bool command = tenant.engine == EngineKind::command;
  const bool program = command || tenant.engine == EngineKind::external;
  const bool may_program = program || tenant.engine == EngineKind::server;
  if (tenant.engine != EngineKind::stress) refuse_key(tenant, "stress", "stress");
  if (tenant.engine != EngineKind::server) refuse_key(tenant, "server", "server");
  if (!may_program)
    refuse_key(tenant, "command", "external, command or server",
               "external talks to the program, command only watches it, server asks it by HTTP.");
  if (program && tenant.command.empty())
    refuse(tenant.config.where, tenant.path + ".command",
           fmt::format("expected it with engine: {}, found nothing", to_string(tenant.engine)),
           "Write command: [program, argument, ...].");
  if (!command)
    for (const char* key : {"progress", "samples_per_step", "tokens_per_step"}) refuse_key(tenant, key, "command");
  if (!command) return;
  for (const char* key : {"batch_size", "seq_len"})
    refuse_key(tenant, key, "native, stress or external", "Use samples_per_step and tokens_per_step.");
  for (const char* key : {"task", "dtype", "weights", "workload"})
    refuse_key(tenant, key, "native or external", "What the program does is for its own arguments to say.");
  if (tenant.progress.empty())
    for (const char* key : {"samples_per_step", "tokens_per_step"})
      if (tenant.given.count(key))
        refuse(tenant.given.at(key), fmt::format("{}.{}", tenant.path, key), "expected progress beside it, found none",
               "Without progress no iteration is known.");
}

// Its iterations are requests of so many samples, each of equal length.
void resolve_command(TenantDraft& tenant) {
  TenantConfig& config = tenant.config;
  config.engine = CommandSpec{.command = tenant.command, .progress = tenant.progress};
  if (config.model.empty()) config.model = std::filesystem::path(tenant.command.front()).filename().string();
  config.batch_size = std::max(1, tenant.samples_per_step);
  const int64_t tokens = tenant.tokens_per_step == 0 ? config.batch_size : tenant.tokens_per_step;
  if (tokens % config.batch_size != 0 || tokens / config.batch_size > most_tokens_of_sequence)
    refuse(tenant.given.at("tokens_per_step"), tenant.path + ".tokens_per_step",
           fmt::format("expected a multiple of samples_per_step, which is {}, of at most {} times that, found {}",
                       config.batch_size, most_tokens_of_sequence, tokens),
           "Give samples_per_step, too.");
  config.seq_len = static_cast<int>(tokens / config.batch_size);
  if (!tenant.given.count("num_warmup")) config.num_warmup = 2;
}

// "http://host:8000/v1/" is what users copy; the paths of requests begin with /v1.
std::string without_version(std::string url) {
  if (url.ends_with('/')) url.pop_back();
  if (url.ends_with("/v1")) url.resize(url.size() - 3);
  return url;
}

// A server that runs already stands where it stands: what would place it in this run is not ours to give.
void resolve_server(TenantDraft& tenant) {
  TenantConfig& config = tenant.config;
  ServerSpec& server = config.engine.emplace<ServerSpec>(tenant.server);
  if (server.base_url.empty())
    refuse(config.where, tenant.path + ".server.base_url", "expected it with engine: server, found nothing");
  server.base_url = without_version(server.base_url);
  server.command = tenant.command;
  if (!server.ready_path.empty() && !server.ready_path.starts_with('/'))
    refuse(tenant.given.at("server.ready_path"), tenant.path + ".server.ready_path",
           fmt::format("expected a path that begins with '/', found \"{}\"", server.ready_path));
  if (std::ranges::any_of(server.ready_path, [](char c) { return c <= ' ' || c >= 0x7f || c == '#'; }))
    refuse(tenant.given.at("server.ready_path"), tenant.path + ".server.ready_path",
           fmt::format("expected a path as it stands in a URL, found \"{}\"", server.ready_path),
           "Write what no URL holds as %20 and the like.");
  for (const char* key : {"dtype", "weights"})
    refuse_key(tenant, key, "native or external", "Give it to the server where that is started.");
  for (const char* key : {"sm_percent", "priority", "memory_limit", "mig_instance"})
    if (const auto given = tenant.given.find(key); given != tenant.given.end() && server.command.empty())
      refuse(given->second, fmt::format("{}.{}", tenant.path, key),
             "expected none with a server that was started outside of this run",
             "Give it to the server where that is started, or let cotenant start it by command.");
  const bool generates = server.api != ApiKind::embeddings;
  if (!tenant.given.count("task")) config.task = generates ? Task::generate : Task::forward;
  if ((config.task == Task::generate) != generates)
    refuse(tenant.given.at("task"), tenant.path + ".task",
           fmt::format("expected {} with server.api: {}, found {}", generates ? "generate" : "forward",
                       to_string(server.api), to_string(config.task)));
  if (config.batch_size == 0) config.batch_size = 1;
  if (config.batch_size > 1 && generates)
    refuse(tenant.given.at("batch_size"), tenant.path + ".batch_size",
           fmt::format("expected 1 with server.api: {}, found {}", to_string(server.api), config.batch_size),
           "The server makes batches of requests itself: raise workload.concurrency.");
}

// How a native tenant's requests go together.
void check_batching(const TenantDraft& tenant) {
  const TenantConfig& config = tenant.config;
  const NativeSpec& native = tenant.native;
  if (tenant.engine != EngineKind::native)
    for (const char* key : {"slots", "chunk_tokens", "max_wait_ms"})
      refuse_key(tenant, key, "native", "Another engine makes its batches itself, or has none.");
  const auto expect_task = [&](const char* key, Task task) {
    if (config.task != task)
      refuse(tenant.given.at(key), fmt::format("{}.{}", tenant.path, key),
             fmt::format("expected task: {} beside it, found task: {}", to_string(task), to_string(config.task)));
  };
  if (native.slots) expect_task("slots", Task::generate);
  if (native.max_wait_ms) expect_task("max_wait_ms", Task::forward);
  if (native.slots && config.batch_size > 1)
    refuse(tenant.given.at("batch_size"), tenant.path + ".batch_size",
           fmt::format("expected 1 beside slots, found {}", config.batch_size),
           "A request has one sequence then; slots says how many go together.");
  if (native.chunk_tokens && !native.slots)
    refuse(tenant.given.at("chunk_tokens"), tenant.path + ".chunk_tokens", "expected slots beside it, found none");
}

void resolve_engine(TenantDraft& tenant) {
  TenantConfig& config = tenant.config;
  config.engine = tenant.native;
  check_engine_keys(tenant);
  check_batching(tenant);
  if (tenant.engine == EngineKind::command) return resolve_command(tenant);
  if (tenant.engine == EngineKind::external)
    config.engine =
        ExternalSpec{.command = tenant.command, .weights = tenant.native.weights, .dtype = tenant.native.dtype};
  if (tenant.engine == EngineKind::server) return resolve_server(tenant);
  if (tenant.engine != EngineKind::stress) return;
  const StressSpec& stress = config.engine.emplace<StressSpec>(tenant.stress);
  if (config.task == Task::generate)
    refuse(tenant.given.at("task"), tenant.path + ".task", "expected forward with engine: stress, found generate");
  if (stress.sms && !is_device_stress(stress.kind))
    refuse(tenant.given.at("stress.sms"), tenant.path + ".stress.sms",
           fmt::format("expected stress.kind compute, dram or l2 beside it, found {}", to_string(stress.kind)),
           "Only these load multiprocessors.");
  if (config.model.empty()) config.model = to_string(stress.kind);
  if (config.batch_size == 0) config.batch_size = 1;
  if (config.seq_len == 0) config.seq_len = 1;
}

void resolve_workload(const TenantDraft& tenant) {
  const WorkloadDescription& workload = tenant.config.workload;
  for (const WorkloadKey& key : workload_keys()) {
    const std::string name = fmt::format("workload.{}", key.name);
    const auto given = tenant.given.find(name);
    const bool applies = std::ranges::find(key.kinds, workload.kind) != key.kinds.end();
    std::vector<std::string_view> kinds;
    for (const WorkloadKind kind : key.kinds) kinds.push_back(to_string(kind));
    if (!applies && given != tenant.given.end())
      refuse(given->second, fmt::format("{}.{}", tenant.path, name),
             fmt::format("expected workload.kind {} beside it, found {}", fmt::join(kinds, " or "),
                         to_string(workload.kind)));
    if (applies && key.needed && given == tenant.given.end())
      refuse(tenant.given.at("workload"), fmt::format("{}.{}", tenant.path, name),
             fmt::format("expected it with workload.kind: {}, found nothing", to_string(workload.kind)));
  }
  const StressSpec* stress = tenant.config.stressor();
  if (stress && stress->intensity < 1 && tenant.given.count("workload"))
    refuse(tenant.given.at("workload"), tenant.path + ".workload",
           "expected none beside stress.intensity, which says itself when requests come", "Remove one of the two.");
}

void check_objectives(const TenantDraft& tenant) {
  const Objectives& slo = tenant.config.slo;
  for (const char* key : {"slo.ttft_ms", "slo.tpot_ms"})
    if (tenant.given.count(key) && tenant.config.task != Task::generate)
      refuse(tenant.given.at(key), fmt::format("{}.{}", tenant.path, key),
             "expected task: generate beside it, found task: forward", "A forward pass has slo.latency_ms only.");
  if (slo.tpot_ms && tenant.config.max_new_tokens == 1)
    refuse(tenant.given.at("slo.tpot_ms"), tenant.path + ".slo.tpot_ms",
           "expected max_new_tokens above 1 beside it, found 1", "There is no token after the first.");
  if (slo.percentile && !slo.any())
    refuse(tenant.given.at("slo.percentile"), tenant.path + ".slo.percentile",
           "expected one of ttft_ms, tpot_ms, latency_ms beside it, found none");
}

// The tenant's one length is then the longest; of a trace it is known when that is read.
void resolve_lengths_of(TenantDraft& tenant, const std::optional<LengthDescription>& lengths, const char* name,
                        const char* one, int& longest) {
  if (!lengths) return;
  const std::string key = fmt::format("workload.{}", name), path = fmt::format("{}.{}", tenant.path, key);
  const std::string& where = tenant.given.at(key);
  if (tenant.engine != EngineKind::server && !tenant.given.count("slots"))
    refuse(where, path,
           fmt::format("expected engine: server or slots beside it, found engine: {}", to_string(tenant.engine)),
           fmt::format("Without slots this engine takes requests of one length: use {}.", one));
  if (tenant.given.count(one)) refuse(where, path, fmt::format("expected it or {}, found both", one));
  if (lengths->kind == LengthKind::trace && tenant.config.workload.kind != WorkloadKind::trace)
    refuse(where, path,
           fmt::format("expected workload.kind: trace beside it, found {}", to_string(tenant.config.workload.kind)));
  longest = lengths->kind == LengthKind::trace ? kNewTokens : lengths->most;
}

void resolve_task(TenantDraft& tenant) {
  TenantConfig& config = tenant.config;
  const WorkloadDescription& workload = config.workload;
  resolve_lengths_of(tenant, workload.input_tokens, "input_tokens", "seq_len", config.seq_len);
  if (workload.output_tokens && config.task != Task::generate)
    refuse(tenant.given.at("workload.output_tokens"), tenant.path + ".workload.output_tokens",
           "expected task: generate beside it, found task: forward");
  int longest_answer = 0;
  resolve_lengths_of(tenant, workload.output_tokens, "output_tokens", "max_new_tokens", longest_answer);
  if (tenant.config.task != Task::generate && tenant.given.count("max_new_tokens"))
    refuse(tenant.given.at("max_new_tokens"), tenant.path + ".max_new_tokens",
           "expected task: generate beside it, found task: forward");
  if (config.task == Task::generate && !tenant.given.count("max_new_tokens"))
    config.max_new_tokens = longest_answer > 0 ? longest_answer : kNewTokens;
}

void check_required(const TenantDraft& tenant) {
  const auto require = [&](bool is_there, const char* key, const char* expected) {
    if (!is_there)
      refuse(tenant.config.where, fmt::format("{}.{}", tenant.path, key),
             fmt::format("expected {}, found nothing", expected));
  };
  require(!tenant.config.model.empty(), "model_name", "a model's name or directory");
  require(tenant.config.batch_size != 0, "batch_size", "the sequences in a request");
  require(tenant.config.seq_len != 0, "seq_len", "the tokens in a sequence");
}

void check_tenant(const TenantDraft& tenant, SharingMode mode) {
  if (tenant.config.is_elsewhere() && mode != SharingMode::timeslice && mode != SharingMode::mps &&
      mode != SharingMode::streams)
    refuse(tenant.given.at("engine"), tenant.path + ".engine",
           fmt::format("expected sharing.mode timeslice, mps or streams beside server, found {}", to_string(mode)),
           fmt::format("{} divides what a server outside of this run never sees.", to_string(mode)));
  if (tenant.config.sm_percent && !traits(mode).sm_percent)
    refuse(tenant.given.at("sm_percent"), tenant.path + ".sm_percent",
           fmt::format("expected sharing.mode mps, green or partition, found {}", to_string(mode)),
           fmt::format("{} cannot give a tenant a share.", to_string(mode)));
  if (tenant.config.priority && !traits(mode).priority)
    refuse(tenant.given.at("priority"), tenant.path + ".priority",
           fmt::format("expected sharing.mode mps, streams or green, found {}", to_string(mode)),
           fmt::format("{} knows no priorities.", to_string(mode)));
  if (!tenant.config.program().empty() && (mode == SharingMode::streams || mode == SharingMode::green))
    refuse(tenant.config.where, tenant.path + ".engine",
           fmt::format("expected sharing.mode timeslice, mps, mig or partition, found {}", to_string(mode)),
           fmt::format("Under {} all tenants are threads of one process, and a program is one of its own.",
                       to_string(mode)));
  if (!tenant.config.program().empty() && tenant.config.memory_limit_bytes && mode != SharingMode::mps)
    refuse(tenant.given.at("memory_limit"), tenant.path + ".memory_limit",
           fmt::format("expected sharing.mode mps for a program, found {}", to_string(mode)),
           "Only an MPS daemon can hold a program to it.");
  if (!tenant.config.mig_instance.empty() && mode != SharingMode::mig)
    refuse(tenant.given.at("mig_instance"), tenant.path + ".mig_instance",
           fmt::format("expected sharing.mode mig, found {}", to_string(mode)));
}

// Somebody has to be measured.
void check_requests(const std::vector<TenantDraft>& tenants) {
  if (std::ranges::all_of(tenants, [](const TenantDraft& tenant) { return tenant.config.is_load_only(); }))
    refuse(tenants.front().config.where, tenants.front().path + ".progress",
           "expected it, or a tenant of another kind beside it, found neither",
           "Without progress a program has no iterations, and there would be nothing to measure.");
}

// Names beside which a tenant's directory would stand.
const std::set<std::string> kReserved{"baselines",       "repeats",      "config.yaml", "experiment.json",
                                      "telemetry.jsonl", "profile.json", "profile.csv", "profile_trace.json"};

// Given names stay; the others are named by their tag or model, and numbered from 1 where that repeats.
void resolve_names(std::vector<TenantDraft>& tenants) {
  std::map<std::string, int> wanted;
  std::set<std::string> taken = kReserved;
  const auto stem = [](const TenantDraft& tenant) {
    return default_name(tenant.config.tag.empty() ? tenant.config.model : tenant.config.tag);
  };
  for (const TenantDraft& tenant : tenants) {
    if (tenant.config.name.empty())
      ++wanted[stem(tenant)];
    else
      taken.insert(directory_name(tenant.config.name));
  }
  std::map<std::string, int> used;
  for (TenantDraft& tenant : tenants) {
    TenantConfig& config = tenant.config;
    if (config.name.empty()) {
      const std::string name = stem(tenant);
      config.name = name;
      while (wanted[name] > 1 || taken.count(config.name)) {
        config.name = fmt::format("{}_{}", name, ++used[name]);
        if (!taken.count(config.name)) break;
      }
      taken.insert(config.name);
    }
    if (config.tag.empty()) config.tag = config.name;
  }
}

void check_names(const std::vector<TenantDraft>& tenants) {
  std::map<std::string, std::string> first;  // directory -> path of the tenant
  for (const TenantDraft& tenant : tenants) {
    const std::string directory = directory_name(tenant.config.name), path = tenant.path + ".name";
    const auto given = tenant.given.find("name");
    const std::string& where = given == tenant.given.end() ? tenant.config.where : given->second;
    if (kReserved.count(directory))
      refuse(where, path, fmt::format("expected a name that cotenant does not use itself, found \"{}\"", directory));
    if (const auto [other, is_new] = first.emplace(directory, tenant.path); !is_new)
      refuse(where, path,
             fmt::format("expected a name of its own, found \"{}\" as in {}", tenant.config.name, other->second),
             "Names are compared as directories, where '/' is '_'.");
  }
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void resolve_directories(ExperimentDraft& draft, std::vector<TenantDraft>& tenants, const std::string& suffix) {
  ExperimentConfig& config = draft.config;
  if (config.experiment_name.empty())
    config.experiment_name = default_name(std::filesystem::path(config.file).stem().string());
  config.experiment_name += suffix;
  config.out_dir = config.out_dir.empty() ? "data/" + directory_name(config.experiment_name)
                                          : without_slash(expand_home(config.out_dir)) + suffix;
  for (TenantDraft& tenant : tenants) {
    TenantConfig& one = tenant.config;
    one.out_dir = one.out_dir.empty() ? fmt::format("{}/{}", config.out_dir, directory_name(one.name))
                                      : without_slash(expand_home(one.out_dir)) + suffix;
  }
}

}  // namespace

ExperimentConfig resolve(ExperimentDraft draft, std::vector<TenantDraft> tenants, const std::string& suffix) {
  resolve_devices(draft, tenants);
  resolve_sharing(draft, tenants);
  check_yield(draft, tenants);
  resolve_lengths(draft);
  check_telemetry(draft);
  for (TenantDraft& tenant : tenants) {
    resolve_engine(tenant);
    resolve_workload(tenant);
    resolve_task(tenant);
    check_objectives(tenant);
    check_required(tenant);
    check_tenant(tenant, *draft.config.sharing);
  }
  check_requests(tenants);
  resolve_names(tenants);
  check_names(tenants);
  resolve_directories(draft, tenants, suffix);
  for (TenantDraft& tenant : tenants) draft.config.tenants.push_back(std::move(tenant.config));
  return std::move(draft.config);
}

nlohmann::ordered_json resolved_json(const ExperimentConfig& config) {
  nlohmann::ordered_json out;
  const auto show = [](nlohmann::ordered_json& into, const auto& keys, const auto& shown) {
    for (const auto& key : keys) {
      nlohmann::ordered_json value = key.show(shown);
      if (value.is_null()) continue;
      const size_t dot = key.path.find('.');
      if (dot == std::string::npos)
        into[key.path] = std::move(value);
      else
        into[key.path.substr(0, dot)][key.path.substr(dot + 1)] = std::move(value);
    }
  };
  show(out, experiment_keys(), config);
  nlohmann::ordered_json tenants = nlohmann::ordered_json::array();
  for (const TenantConfig& tenant : config.tenants) show(tenants.emplace_back(), tenant_keys(), tenant);
  if (config.single)
    out["single_model"] = std::move(tenants.at(0));
  else
    out["tenants"] = std::move(tenants);
  return out;
}

}  // namespace cotenant
