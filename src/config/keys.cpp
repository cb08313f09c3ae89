#include "config/keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <type_traits>

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
struct Unwrapped {
  using type = T;
};
template <class T>
struct Unwrapped<std::optional<T>> {
  using type = T;
};

// A checked value as the type of the field it goes to.
template <class T>
T as(const Value& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<int>> ||
                std::is_same_v<T, std::vector<Step>> || std::is_same_v<T, LengthDescription> ||
                std::is_same_v<T, Yielding> || std::is_same_v<T, std::vector<std::string>>) {
    return std::get<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::get<double>(value);
  } else if constexpr (HasWords<T>) {
    return *from_word<T>(std::get<std::string>(value));
  } else {
    return static_cast<T>(std::get<int64_t>(value));
  }
}

inline Json shown(const Yielding& yield) {
  return {{"quantum_us", yield.quantum_us}, {"max_wait_ms", yield.max_wait_ms}};
}

inline Json shown(const LengthDescription& length) {
  switch (length.kind) {
    case LengthKind::fixed:
      return length.most;
    case LengthKind::trace:
      return "trace";
    case LengthKind::uniform:
      return {{"kind", "uniform"}, {"least", length.least}, {"most", length.most}};
    case LengthKind::lognormal:
      return {{"kind", "lognormal"},
              {"mean", length.mean},
              {"cv", length.cv},
              {"least", length.least},
              {"most", length.most}};
  }
  return nullptr;
}
template <class T>
Json shown(const T& value) {
  if constexpr (HasWords<T>) {
    return std::string(to_string(value));
  } else {
    return value;
  }
}
template <class T>
Json shown(const std::optional<T>& value) {
  return value ? shown(*value) : Json();
}
inline Json shown(const std::string& value) {
  return value.empty() ? Json() : Json(value);
}
inline Json shown(const std::vector<int>& value) {
  return value.empty() ? Json() : Json(value);
}

inline Json shown(const std::vector<Step>& steps) {
  Json list = Json::array();
  for (const Step& step : steps) list.push_back({{"rate", step.rate}, {"duration_s", step.duration_s}});
  return list;
}

// Binds a key to a field of the configuration.
template <class Bound, class Config, class Owner, class T>
Bound bind(Key key, T Owner::*field) {
  Bound bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = [field](auto& draft, const Value& value) {
    draft.config.*field = as<typename Unwrapped<T>::type>(value);
  };
  bound.show = [field](const Config& config) { return shown(config.*field); };
  return bound;
}

// Likewise of what runs the tenant: it is told only where that is the tenant's.
template <class Spec, class T>
TenantKey bind_engine(Key key, Spec TenantDraft::*spec, T Spec::*field) {
  TenantKey bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = [spec, field](TenantDraft& draft, const Value& value) {
    draft.*spec.*field = as<typename Unwrapped<T>::type>(value);
  };
  bound.show = [field](const TenantConfig& config) {
    const Spec* chosen = std::get_if<Spec>(&config.engine);
    return chosen ? shown(chosen->*field) : Json();
  };
  return bound;
}

bool is_workload_default(const WorkloadDescription& workload) {
  return workload.kind == WorkloadKind::closed && workload.concurrency == 1 && workload.think_s == 0 &&
         !workload.input_tokens && !workload.output_tokens;
}

// Likewise of when requests come: told where the kind has it, and nothing where all is as it always was.
template <class T>
TenantKey bind_workload(Key key, T WorkloadDescription::*field) {
  TenantKey bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = [field](TenantDraft& draft, const Value& value) {
    draft.config.workload.*field = as<typename Unwrapped<T>::type>(value);
  };
  bound.show = [field, name = bound.path.substr(bound.path.find('.') + 1)](const TenantConfig& config) {
    const auto has = [&](const WorkloadKey& use) {
      return use.name == name && std::ranges::find(use.kinds, config.workload.kind) != use.kinds.end();
    };
    const bool told = name == "kind" || std::ranges::any_of(workload_keys(), has);
    return told && !is_workload_default(config.workload) ? shown(config.workload.*field) : Json();
  };
  return bound;
}

// Likewise of what several engines have and is read before it is known which of them it is.
template <class T>
TenantKey bind_draft(Key key, T TenantDraft::*field, Json (*show)(const TenantConfig&)) {
  TenantKey bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = [field](TenantDraft& draft, const Value& value) { draft.*field = as<T>(value); };
  bound.show = show;
  return bound;
}

TenantKey bind_objective(Key key, std::optional<double> Objectives::*field) {
  TenantKey bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = [field](TenantDraft& draft, const Value& value) { draft.config.slo.*field = as<double>(value); };
  bound.show = [field](const TenantConfig& config) { return shown(config.slo.*field); };
  return bound;
}

// The key is told only where it means something.
TenantKey only_if(bool (*applies)(const TenantConfig&), TenantKey key) {
  key.show = [applies, show = std::move(key.show)](const TenantConfig& config) {
    return applies(config) ? show(config) : Json();
  };
  return key;
}

// A key that has no field of its own.
template <class Bound, class Store>
Bound bind_to(Key key, Store store) {
  Bound bound;
  static_cast<Key&>(bound) = std::move(key);
  bound.store = std::move(store);
  bound.show = [](const auto&) { return Json(); };
  return bound;
}

TenantKey shown_by(TenantKey key, Json (*show)(const TenantConfig&)) {
  key.show = show;
  return key;
}

Key plain(std::string path, ValueType type, std::string default_text, std::string description, Json value = nullptr) {
  Key key;
  key.path = std::move(path);
  key.type = type;
  key.default_text = std::move(default_text);
  key.default_value = std::move(value);
  key.description = std::move(description);
  return key;
}

Key integer(std::string path, double minimum, double maximum, std::string default_text, std::string description,
            Json value = nullptr) {
  Key key =
      plain(std::move(path), ValueType::integer, std::move(default_text), std::move(description), std::move(value));
  key.minimum = minimum;
  key.maximum = maximum;
  return key;
}

Key number(std::string path, double minimum, double maximum, std::string default_text, std::string description,
           Json value = nullptr) {
  Key key =
      integer(std::move(path), minimum, maximum, std::move(default_text), std::move(description), std::move(value));
  key.type = ValueType::number;
  return key;
}

// One of the words of an enumeration; of `of`, where not all may be chosen.
template <HasWords E>
Key choice(std::string path, std::string default_text, std::string description, Json value = nullptr,
           const std::vector<E>& of = {}) {
  Key key =
      plain(std::move(path), ValueType::choice, std::move(default_text), std::move(description), std::move(value));
  for (const E one : of) key.choices.emplace_back(to_string(one));
  for (const Word<E>& word : words_of<E>)
    if (of.empty()) key.choices.emplace_back(word.text);
  return key;
}

Key positive(Key key) {
  key.above_minimum = true;
  return key;
}

constexpr double kDay_s = 86400;
constexpr double kLargestExactInteger = 9007199254740991;  // 2^53 - 1: survives JSON

std::vector<ExperimentKey> make_experiment_keys() {
  using E = ExperimentConfig;
  const auto field = [](Key key, auto member) { return bind<ExperimentKey, E>(std::move(key), member); };
  return {
      field(plain("experiment_name", ValueType::name, "the file's name",
                  "Name of the experiment and of the directory of its results."),
            &E::experiment_name),
      field(plain("device", ValueType::device, "auto",
                  "Device of all tenants that name no other; auto takes a CUDA device where there is one, else the "
                  "CPU. A GPU is named by its number or its UUID. One that tenants name alone is the experiment's.",
                  "auto"),
            &E::device),
      field(plain("out_dir", ValueType::text, "data/<experiment_name>", "Directory of this experiment's results."),
            &E::out_dir),
      bind_to<ExperimentKey>(plain("mps", ValueType::boolean, "false", "Short for sharing.mode: mps.", false),
                             [](ExperimentDraft& draft, const Value& value) { draft.mps = std::get<bool>(value); }),
      field(choice<SharingMode>(
                "sharing.mode", "mps with mps: true, else timeslice",
                "How the device is divided: timeslice leaves it to the driver or the operating system; mps, streams, "
                "green and mig are ways of an NVIDIA GPU; partition gives disjoint cores of a CPU."),
            &E::sharing),
      field(plain("sharing.yield", ValueType::yield, "none",
                  "Native tenants give way to each other at gates in their passes: those of a lower priority to those "
                  "of a higher, or by weight (mps, streams, green). A map of quantum_us (100), the device time between "
                  "two gates, and max_wait_ms (100), for which a pass waits at most; {} takes these."),
            &E::yield),
      field(number("sleep_duration", 0, kDay_s, "0", "Cool-down between experiments of one command, in s.", 0),
            &E::sleep_duration_s),
      field(choice<Corun>(
                "corun", "overlap",
                "overlap: every tenant runs until all have done num_iters and min_duration_s has passed, so that all "
                "measurements are taken together. fixed: each tenant stops after exactly num_iters.",
                "overlap"),
            &E::corun),
      field(number("min_duration_s", 0, kDay_s, "5; 0 under corun: fixed", "Least length of the measurement, in s."),
            &E::min_duration_s),
      field(number("warmup_s", 0, kDay_s, "2; 0 under corun: fixed",
                   "Least length of the common warm-up, in s, besides num_warmup."),
            &E::warmup_s),
      field(positive(number("max_duration_s", 0, 7 * kDay_s, "600",
                            "The measurement is stopped after this many s, whatever is still missing.", 600)),
            &E::max_duration_s),
      field(integer("seed", 0, kLargestExactInteger, "0", "Seed of random weights and inputs.", 0), &E::seed),
      field(choice<WaitPolicy>(
                "wait", "auto",
                "How a tenant waits for a device: spin is quickest, block frees the core; auto spins when there is a "
                "core for each tenant.",
                "auto"),
            &E::wait),
      field(integer("telemetry_interval_ms", 0, 10000, "100",
                    "Time between two samples of the machine and the device, in ms: at least 100, or 0 for none.", 100),
            &E::telemetry_interval_ms),
      field(plain("baselines", ValueType::boolean, "false",
                  "Each distinct tenant alone first, for slowdowns; as the option --baselines.", false),
            &E::baselines),
      bind_to<ExperimentKey>(plain("vary", ValueType::vary, "none",
                                   "One experiment for each combination of these values; keys are written as for the "
                                   "option --vary, such as tenants.0.batch_size: [1, 2, 4]."),
                             [](ExperimentDraft&, const Value&) {}),
      bind_to<ExperimentKey>(plain("single_model", ValueType::tenant, "required, or tenants", "The only tenant."),
                             [](ExperimentDraft&, const Value&) {}),
      bind_to<ExperimentKey>(plain("tenants", ValueType::tenants, "required, or single_model",
                                   "The models that share the device, or several, at most 256."),
                             [](ExperimentDraft&, const Value&) {}),
  };
}

std::vector<TenantKey> make_tenant_keys() {
  using T = TenantConfig;
  const auto field = [](Key key, auto member) { return bind<TenantKey, T>(std::move(key), member); };
  return {
      field(
          plain("model_name", ValueType::text, "required; for engine: stress its kind, for command its program",
                "Name on Hugging Face, or a directory with config.json and *.safetensors; of a server as it calls it."),
          &T::model),
      field(plain("name", ValueType::name, "the tag, else the model's name, numbered when it repeats",
                  "Name of the tenant and of its directory, where '/' becomes '_'; unique."),
            &T::name),
      field(plain("tag", ValueType::text, "the name", "Label of the tenant in its events."), &T::tag),
      field(
          plain("device", ValueType::device, "the experiment's",
                "The tenant's GPU: an experiment may use several of one host, and each is shared by its own tenants."),
          &T::device),
      only_if(
          [](const T& t) { return t.command() == nullptr; },
          field(integer("batch_size", 1, 65536, "required; 1 for engine: stress and server", "Sequences in a request."),
                &T::batch_size)),
      only_if([](const T& t) { return t.command() == nullptr && !t.workload.input_tokens; },
              field(integer("seq_len", 1, 1048576, "required; 1 for engine: stress",
                            "Tokens in a sequence (of the prompt with task: generate)."),
                    &T::seq_len)),
      field(integer("num_iters", 1, 1e9, "200", "Requests to measure: exactly (corun: fixed) or at least.", 200),
            &T::num_iters),
      field(integer("num_warmup", 0, 1e6, "10; 2 for engine: command", "Requests before the measurement, at least."),
            &T::num_warmup),
      field(
          plain("out_dir", ValueType::text, "<out_dir of the experiment>/<name>", "Directory of this tenant's files."),
          &T::out_dir),
      shown_by(bind_engine(choice<Dtype>("dtype", "float16 on cuda, float32 on cpu", "Type of weights and activations.",
                                         nullptr, {Dtype::f32, Dtype::bf16, Dtype::f16}),
                           &TenantDraft::native, &NativeSpec::dtype),
               [](const T& tenant) { return shown(tenant.dtype()); }),
      shown_by(bind_engine(plain("weights", ValueType::text, "auto",
                                 "auto: the files of the model, or else random weights with a notice; random; or the "
                                 "path of a directory with *.safetensors.",
                                 "auto"),
                           &TenantDraft::native, &NativeSpec::weights),
               [](const T& tenant) {
                 if (tenant.native()) return shown(tenant.native()->weights);
                 return tenant.external() ? shown(tenant.external()->weights) : Json();
               }),
      only_if([](const T& t) { return t.command() == nullptr; },
              field(choice<Task>("task", "forward; generate for a server that generates",
                                 "forward: one pass over batch_size x seq_len tokens, all logits. generate: "
                                 "prefill, then greedy decoding."),
                    &T::task)),
      only_if([](const T& t) { return t.task == Task::generate && !t.workload.output_tokens; },
              field(integer("max_new_tokens", 1, 1048576, std::to_string(kNewTokens),
                            "Tokens to generate for each sequence (task: generate).", kNewTokens),
                    &T::max_new_tokens)),
      bind_engine(integer("slots", 1, 4096, "none",
                          "Continuous batching (engine: native, task: generate): requests of one sequence, up to so "
                          "many at once, join and leave between tokens. Without it, one request after another."),
                  &TenantDraft::native, &NativeSpec::slots),
      bind_engine(integer("chunk_tokens", 1, 65536, "512",
                          "With slots: tokens of prompts that go between two tokens of the other requests, at most. "
                          "Fewer stall these for a shorter time."),
                  &TenantDraft::native, &NativeSpec::chunk_tokens),
      bind_engine(number("max_wait_ms", 0, 60'000, "none",
                         "Dynamic batching (engine: native, task: forward): requests have one sequence, and up to "
                         "batch_size of them share a pass, for which the first waits at most so long. Without it, a "
                         "request is a batch."),
                  &TenantDraft::native, &NativeSpec::max_wait_ms),
      field(positive(number("sm_percent", 0, 100, "none",
                            "Share of the device: of the SMs under mps and green, of the cores under partition.")),
            &T::sm_percent),
      field(integer("priority", -100, 100, "none", "Higher is more urgent (mps, streams, green)."), &T::priority),
      field(positive(number("weight", 0, 1000, "1 where another tenant has one",
                            "With sharing.yield and without priorities: tenants that have work get the device's time "
                            "in proportion to it.")),
            &T::weight),
      field(plain("memory_limit", ValueType::bytes, "none", "Most device memory of the tenant, for example 4GiB."),
            &T::memory_limit_bytes),
      field(plain("mig_instance", ValueType::text, "required under mig",
                  "The MIG instance of the tenant: its UUID (MIG-...) or its index on the device."),
            &T::mig_instance),
      field(integer("threads", 1, 4096, "max(1, cores / tenants) on cpu, 1 on cuda", "Host threads that compute."),
            &T::threads),
      field(plain("cpus", ValueType::cpus, "all, or by the sharing mode",
                  "Cores the tenant is pinned to, for example [0, 1] or 0-3."),
            &T::cpus),
      shown_by(
          bind_to<TenantKey>(
              choice<EngineKind>("engine", "native",
                                 "native: runs the model. stress: requests of a known cost, without a model. "
                                 "external: a program that answers requests (docs/external.md). command: any "
                                 "program, as a neighbour. server: asks an OpenAI-compatible server (docs/servers.md).",
                                 "native"),
              [](TenantDraft& draft, const Value& value) { draft.engine = as<EngineKind>(value); }),
          [](const T& tenant) { return Json(std::string(tenant.engine_name())); }),
      bind_draft(plain("command", ValueType::command,
                       "required for engine: external, command; for server none: it runs already",
                       "The program of the tenant and its arguments, such as [python3, train.py]: a "
                       "name on PATH or a path. No shell reads it."),
                 &TenantDraft::command,
                 [](const T& tenant) { return tenant.program().empty() ? Json() : Json(tenant.program()); }),
      bind_draft(plain("progress", ValueType::text, "none",
                       "A regular expression (PCRE2): each line of the program's output that it matches is the end of "
                       "an iteration. A group named iter is its number. Without it the program is only a load."),
                 &TenantDraft::progress,
                 [](const T& tenant) { return tenant.command() ? shown(tenant.command()->progress) : Json(); }),
      bind_draft(integer("samples_per_step", 1, 65536, "1", "Samples in an iteration of engine: command."),
                 &TenantDraft::samples_per_step,
                 [](const T& tenant) {
                   return tenant.command() && tenant.command()->is_seen() ? Json(tenant.batch_size) : Json();
                 }),
      bind_draft(integer("tokens_per_step", 1, 1e9, "samples_per_step",
                         "Tokens in an iteration of engine: command, a multiple of samples_per_step."),
                 &TenantDraft::tokens_per_step,
                 [](const T& tenant) {
                   return tenant.command() && tenant.command()->is_seen()
                              ? Json(int64_t{tenant.batch_size} * tenant.seq_len)
                              : Json();
                 }),
      bind_engine(choice<StressKind>("stress.kind", "spin",
                                     "sleep: a request passes its time idle. spin: it keeps a core "
                                     "busy. On a CUDA device: compute (tensor cores), dram (its "
                                     "memory), l2 (its cache), pcie (copies to and from the host), "
                                     "launch (many tiny kernels).",
                                     "spin"),
                  &TenantDraft::stress, &StressSpec::kind),
      bind_engine(number("stress.service_ms", 0.001, 60000, "1", "Time that one request takes alone, in ms.", 1),
                  &TenantDraft::stress, &StressSpec::service_ms),
      bind_engine(positive(number("stress.intensity", 0, 1, "1",
                                  "Share of the time in which the requests keep the resource busy: one "
                                  "is sent every service_ms / intensity.",
                                  1)),
                  &TenantDraft::stress, &StressSpec::intensity),
      bind_engine(
          integer("stress.sms", 1, 1024, "all", "Multiprocessors that compute, dram and l2 load, a block on each."),
          &TenantDraft::stress, &StressSpec::sms),
      bind_engine(plain("server.base_url", ValueType::url, "required for engine: server",
                        "Where the server listens, for example http://127.0.0.1:8000."),
                  &TenantDraft::server, &ServerSpec::base_url),
      bind_engine(choice<ApiKind>("server.api", "completions",
                                  "What is asked: /v1/completions, /v1/chat/completions (both streamed) or "
                                  "/v1/embeddings.",
                                  "completions"),
                  &TenantDraft::server, &ServerSpec::api),
      bind_engine(plain("server.api_key_env", ValueType::text, "none",
                        "Name of the environment variable that holds its API key."),
                  &TenantDraft::server, &ServerSpec::api_key_env),
      bind_engine(plain("server.ready_path", ValueType::text, "/health, or else /v1/models",
                        "Where it answers with success once it can be asked."),
                  &TenantDraft::server, &ServerSpec::ready_path),
      bind_engine(positive(number("server.ready_timeout_s", 0, kDay_s, "60", "How long that is waited for, in s.", 60)),
                  &TenantDraft::server, &ServerSpec::ready_timeout_s),
      bind_engine(
          positive(number("server.timeout_s", 0, kDay_s, "60", "After which a request counts as failed, in s.", 60)),
          &TenantDraft::server, &ServerSpec::timeout_s),
      bind_engine(integer("server.max_in_flight", 1, 65536, "the concurrency, else 1024",
                          "Requests that the server has at a time, at most, each on a connection; others wait here."),
                  &TenantDraft::server, &ServerSpec::max_in_flight),
      bind_engine(choice<PromptForm>("server.prompt", "auto",
                                     "tokens: token ids, of exactly seq_len. text: common words, most of which are one "
                                     "token. auto: tokens where the server takes them.",
                                     "auto"),
                  &TenantDraft::server, &ServerSpec::prompt),
      bind_engine(integer("server.vocab_size", 1, 16777216, "32000", "Token ids are below it.", 32000),
                  &TenantDraft::server, &ServerSpec::vocab_size),
      bind_workload(
          choice<WorkloadKind>(
              "workload.kind", "closed",
              "When requests come. closed: each of concurrency clients sends when its last request has ended. "
              "Others come whether or not the tenant is ready, wait in its queue, and their latency counts from "
              "when they were due: constant, poisson, gamma (at a rate), steps and ramp (a rate that changes), "
              "trace (as they came to a service in use).",
              "closed"),
          &WorkloadDescription::kind),
      bind_workload(integer("workload.concurrency", 1, 65536, "1", "Clients of a closed workload.", 1),
                    &WorkloadDescription::concurrency),
      bind_workload(
          number("workload.think_s", 0, kDay_s, "0", "How long such a client waits before its next request, in s.", 0),
          &WorkloadDescription::think_s),
      bind_workload(
          positive(number("workload.rate", 0, kMostRate, "required for constant, poisson, gamma", "Requests/s.")),
          &WorkloadDescription::rate),
      bind_workload(number("workload.cv", 0, 100, "1",
                           "Coefficient of variation of the gaps between requests (gamma, steps, ramp): 0 constant, 1 "
                           "Poisson, above it burstier.",
                           1),
                    &WorkloadDescription::cv),
      bind_workload(plain("workload.steps", ValueType::steps, "required for steps",
                          "Rates and how long each lasts; the last one stays."),
                    &WorkloadDescription::steps),
      bind_workload(number("workload.from", 0, kMostRate, "0", "Requests/s at the start of a ramp.", 0),
                    &WorkloadDescription::from),
      bind_workload(
          positive(number("workload.to", 0, kMostRate, "required for ramp", "Requests/s at its end, and after it.")),
          &WorkloadDescription::to),
      bind_workload(
          positive(number("workload.duration_s", 0, kDay_s, "required for ramp", "Length of the ramp, in s.")),
          &WorkloadDescription::duration_s),
      bind_workload(
          plain("workload.path", ValueType::text, "required for trace",
                "A trace: CSV or JSONL of timestamps and tokens; those of Azure, BurstGPT and Mooncake are "
                "understood. Its instants are replayed; its lengths where input_tokens and output_tokens are trace."),
          &WorkloadDescription::path),
      bind_workload(positive(number("workload.speedup", 0, 1e6, "1", "By which the gaps of a trace are divided.", 1)),
                    &WorkloadDescription::speedup),
      bind_workload(integer("workload.limit", 1, 33554432, "all", "So many of its first requests."),
                    &WorkloadDescription::limit),
      bind_workload(integer("workload.max_queue", 0, 1048576, "65536",
                            "Requests that may wait for the tenant; one more is rejected.", 65536),
                    &WorkloadDescription::max_queue),
      bind_workload(plain("workload.input_tokens", ValueType::length, "seq_len",
                          "Lengths of prompts (engine: server, or with slots): a number; trace; {kind: uniform, least, "
                          "most}; or {kind: "
                          "lognormal, mean, cv, least, most}, where a length beyond a bound is that bound."),
                    &WorkloadDescription::input_tokens),
      bind_workload(
          plain("workload.output_tokens", ValueType::length, "max_new_tokens", "Lengths of answers, likewise."),
          &WorkloadDescription::output_tokens),
      bind_objective(positive(number("slo.ttft_ms", 0, kDay_s * 1e3, "none",
                                     "Objective: the longest time to the first token (task: generate).")),
                     &Objectives::ttft_ms),
      bind_objective(positive(number("slo.tpot_ms", 0, kDay_s * 1e3, "none",
                                     "Objective: the longest time per output token after the first (task: generate).")),
                     &Objectives::tpot_ms),
      bind_objective(
          positive(number("slo.latency_ms", 0, kDay_s * 1e3, "none", "Objective: the longest latency of a request.")),
          &Objectives::latency_ms),
      bind_objective(positive(number("slo.percentile", 0, 100, "none",
                                     "Of the requests, in percent, that must meet all objectives: where fewer do, the "
                                     "exit code is 5.")),
                     &Objectives::percentile),
  };
}

std::string range(const Key& key, const char* noun) {
  if (key.above_minimum) return fmt::format("{} above {:.0f}, at most {:.0f}", noun, key.minimum, key.maximum);
  return key.minimum == static_cast<int64_t>(key.minimum)
             ? fmt::format("{} from {:.0f} to {:.0f}", noun, key.minimum, key.maximum)
             : fmt::format("{} from {} to {:.0f}", noun, key.minimum, key.maximum);
}

}  // namespace

const std::vector<ExperimentKey>& experiment_keys() {
  static const std::vector<ExperimentKey> keys = make_experiment_keys();
  return keys;
}

const std::vector<TenantKey>& tenant_keys() {
  static const std::vector<TenantKey> keys = make_tenant_keys();
  return keys;
}

const std::vector<WorkloadKey>& workload_keys() {
  using enum WorkloadKind;
  static const std::vector<WorkloadKey> keys{
      {"concurrency", {closed}},
      {"think_s", {closed}},
      {"rate", {constant, poisson, gamma}, true},
      {"cv", {gamma, steps, ramp}},
      {"steps", {steps}, true},
      {"from", {ramp}},
      {"to", {ramp}, true},
      {"duration_s", {ramp}, true},
      {"path", {trace}, true},
      {"speedup", {trace}},
      {"limit", {trace}},
      {"max_queue", {constant, poisson, gamma, steps, ramp, trace}},
      {"input_tokens", {closed, constant, poisson, gamma, steps, ramp, trace}},
      {"output_tokens", {closed, constant, poisson, gamma, steps, ramp, trace}},
  };
  return keys;
}

std::string expectation(const Key& key) {
  switch (key.type) {
    case ValueType::boolean:
      return "true or false";
    case ValueType::integer:
      return range(key, "an integer");
    case ValueType::number:
      return range(key, "a number");
    case ValueType::choice:
      return fmt::format("one of {}", fmt::join(key.choices, ", "));
    case ValueType::text:
      return "text";
    case ValueType::name:
      return fmt::format("a name of at most {} bytes that does not begin with '.'", kLongestName);
    case ValueType::device:
      return "cpu, cuda, cuda:N, the UUID of a GPU or auto";
    case ValueType::url:
      return "a URL with a host and without a query, as http://127.0.0.1:8000 or https://host/path";
    case ValueType::bytes:
      return "bytes, as 1073741824, 512MiB or 4GiB";
    case ValueType::cpus:
      return "CPU numbers, as [0, 1] or 0-3";
    case ValueType::length:
      return "an integer from 1 to 1048576, trace, or a map of kind: uniform or lognormal";
    case ValueType::yield:
      return fmt::format("a map of quantum_us ({:.0f} to {:.0f}) and max_wait_ms (above 0, at most {:.0f}), or {{}}",
                         kLeastQuantum_us, kMostQuantum_us, kMostYield_ms);
    case ValueType::steps:
      return fmt::format("a list of 1 to {} maps of rate (0 to {:.0f}) and duration_s (above 0)", kMostSteps,
                         kMostRate);
    case ValueType::command:
      return fmt::format("a list of 1 to {} texts, the program first", kMostArguments);
    case ValueType::tenant:
      return "a map of tenant keys";
    case ValueType::tenants:
      return fmt::format("a list of 1 to {} maps of tenant keys", kMostTenants);
    case ValueType::vary:
      return fmt::format("a map from keys to lists of 1 to {} values", kMostValues);
  }
  return "";
}

}  // namespace cotenant
