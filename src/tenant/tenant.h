#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/words.h"
#include "workload/description.h"

// What a tenant is, where it stands and by which rules it runs: plain data, each struct with one list of fields
// (tenant/fields.h). The configuration makes it, the order to a worker carries it, the record stores it beside what
// came of it, and the analysis compares it; none of them lists the fields again. What the keys mean to a user is told
// in docs/configuration.md.
namespace cotenant {

enum class SharingMode : uint8_t { timeslice, mps, streams, green, mig, partition };
template <>
inline constexpr auto words_of<SharingMode> = std::array{Word{SharingMode::timeslice, "timeslice"},
                                                         Word{SharingMode::mps, "mps"},
                                                         Word{SharingMode::streams, "streams"},
                                                         Word{SharingMode::green, "green"},
                                                         Word{SharingMode::mig, "mig"},
                                                         Word{SharingMode::partition, "partition"}};

enum class Corun : uint8_t {
  overlap,  // tenants run until every one has its num_iters and min_duration_s has passed
  fixed,    // each tenant stops after exactly its num_iters
};
template <>
inline constexpr auto words_of<Corun> = std::array{Word{Corun::overlap, "overlap"}, Word{Corun::fixed, "fixed"}};

enum class WaitPolicy : uint8_t { automatic, spin, block };
template <>
inline constexpr auto words_of<WaitPolicy> =
    std::array{Word{WaitPolicy::automatic, "auto"}, Word{WaitPolicy::spin, "spin"}, Word{WaitPolicy::block, "block"}};

enum class Task : uint8_t { forward, generate };
template <>
inline constexpr auto words_of<Task> = std::array{Word{Task::forward, "forward"}, Word{Task::generate, "generate"}};

enum class StressKind : uint8_t { sleep, spin, compute, dram, l2, pcie, launch };
template <>
inline constexpr auto words_of<StressKind> =
    std::array{Word{StressKind::sleep, "sleep"},  Word{StressKind::spin, "spin"}, Word{StressKind::compute, "compute"},
               Word{StressKind::dram, "dram"},    Word{StressKind::l2, "l2"},     Word{StressKind::pcie, "pcie"},
               Word{StressKind::launch, "launch"}};

// Whether this kind of stress loads a resource of a CUDA device: all but sleep and spin.
constexpr bool is_device_stress(StressKind kind) {
  return kind != StressKind::sleep && kind != StressKind::spin;
}

enum class ApiKind : uint8_t { completions, chat, embeddings };
template <>
inline constexpr auto words_of<ApiKind> = std::array{
    Word{ApiKind::completions, "completions"}, Word{ApiKind::chat, "chat"}, Word{ApiKind::embeddings, "embeddings"}};

enum class PromptForm : uint8_t { automatic, tokens, text };
template <>
inline constexpr auto words_of<PromptForm> =
    std::array{Word{PromptForm::automatic, "auto"}, Word{PromptForm::tokens, "tokens"}, Word{PromptForm::text, "text"}};

// A model that our own engine runs.
struct NativeSpec {
  static constexpr const char* type = "native";
  std::string weights = "auto";     // "auto", "random", or a directory
  std::optional<Dtype> dtype = {};  // none: by the device, until it is planned
  // How requests, of one sequence each, go together; none: a request is a batch by itself.
  std::optional<int> slots = {};           // generating: so many at once, that join and leave between tokens
  std::optional<int> chunk_tokens = {};    // of prompts between two tokens; none: by the engine
  std::optional<double> max_wait_ms = {};  // forward passes: of up to batch_size, for which the first waits so long
};

// Requests of a known cost, without a model.
struct StressSpec {
  static constexpr const char* type = "stress";
  StressKind kind = StressKind::spin;
  double service_ms = 1;        // what a request takes alone
  double intensity = 1;         // (0, 1]: the share of the time that the requests fill alone
  std::optional<int> sms = {};  // multiprocessors that compute, dram and l2 load; none: all

  // A request is sent this often; 0: one after another.
  double period_ms() const { return intensity < 1 ? service_ms / intensity : 0; }
};

// A program that answers requests by lines of JSON (docs/external.md).
struct ExternalSpec {
  static constexpr const char* type = "external";
  std::vector<std::string> command;  // the program and its arguments
  std::string weights = "auto";      // as of NativeSpec
  std::optional<Dtype> dtype = {};   // none: by the device, until it is planned
};

// A program that goes on by itself, as a neighbour. Its requests are its iterations, as far as its output tells of
// them.
struct CommandSpec {
  static constexpr const char* type = "command";
  std::vector<std::string> command;  // the program and its arguments
  std::string progress;              // a pattern: each line that it matches is the end of an iteration; empty: none is

  bool is_seen() const { return !progress.empty(); }
};

// An OpenAI-compatible server, of which the tenant is the client.
struct ServerSpec {
  static constexpr const char* type = "server";
  std::vector<std::string> command;  // the program that is started to be it, and its arguments; empty: it runs already
  std::string base_url;              // "http://127.0.0.1:8000", without /v1
  ApiKind api = ApiKind::completions;
  std::string api_key_env;  // the environment variable with the API key; empty: none. The key itself is kept nowhere
  std::string ready_path;   // empty: /health, or /v1/models
  double ready_timeout_s = 60, timeout_s = 60;  // of the readiness; of each request
  std::optional<int> max_in_flight = {};        // none: by the workload, until it is planned
  PromptForm prompt = PromptForm::automatic;
  int vocab_size = 32000;  // of prompts that are token ids
};

struct TenantSpec {
  std::string name;  // unique in its directory form
  std::string tag;   // the study's label
  // Hugging Face name or a directory; for stress the kind's name, for a command the program's; as a server calls it
  std::string model;
  std::variant<NativeSpec, StressSpec, ExternalSpec, CommandSpec, ServerSpec> engine;
  Task task = Task::forward;
  int batch_size = 0;            // sequences in a request; with max_wait_ms, requests of one sequence in a pass at most
  int seq_len = 0;               // tokens in a sequence, of the prompt when generating
  int max_new_tokens = 0;        // to be generated for each sequence; 0: a forward pass
  WorkloadDescription workload;  // when they come

  const NativeSpec* native() const { return std::get_if<NativeSpec>(&engine); }
  const StressSpec* stressor() const { return std::get_if<StressSpec>(&engine); }
  const ExternalSpec* external() const { return std::get_if<ExternalSpec>(&engine); }
  const CommandSpec* command() const { return std::get_if<CommandSpec>(&engine); }
  const ServerSpec* server() const { return std::get_if<ServerSpec>(&engine); }
  int rows_of_request() const { return native() && native()->max_wait_ms ? 1 : batch_size; }
  // A server that was there before the run, and is not part of how it divides the device.
  bool is_elsewhere() const { return server() && server()->command.empty(); }
  // A command of which only the effect on others can be seen: it has no requests, and is meant to have none.
  bool is_load_only() const { return command() && !command()->is_seen(); }
  // Whether its worker has pipes from and to its program: to talk to it, or to watch its output on the way to its log.
  bool is_wired() const { return external() || (command() && command()->is_seen()); }
  // The program, and its arguments, that is started for it; empty: none.
  std::vector<std::string> program() const {
    return std::visit(
        [](const auto& what) {
          if constexpr (requires { what.command; })
            return what.command;
          else
            return std::vector<std::string>();
        },
        engine);
  }
  // Of its weights; none: it has none, or is not yet planned.
  std::optional<Dtype> dtype() const {
    return std::visit(
        [](const auto& what) {
          if constexpr (requires { what.dtype; })
            return what.dtype;
          else
            return std::optional<Dtype>();
        },
        engine);
  }
  // "native", "stress", "external", "command", "server"
  std::string_view engine_name() const {
    return std::visit([](const auto& what) { return std::string_view(what.type); }, engine);
  }
};

// Where it stands: its part of the device and of the host.
struct Placement {
  std::string device =
      {};  // "cpu", "cuda:1"; to a worker as its process sees it; empty: the experiment's, until planned
  std::optional<double> sm_percent;  // (0, 100]
  std::optional<int> priority;       // higher is more urgent
  std::optional<double> weight;      // of its part of the device's time, with Yielding
  std::optional<uint64_t> memory_limit_bytes;
  std::string mig_instance;    // UUID or index; empty: none
  std::optional<int> threads;  // host threads that compute; none: by the device, until it is planned
  std::vector<int> cpus;       // pinned to; empty: not pinned
};

// How tenants of one device give way to each other at the gates of their passes (engine/yield.h).
struct Yielding {
  double quantum_us = 100;   // between two gates, of a pass's own device time
  double max_wait_ms = 100;  // of a pass, at all its gates together
};

// What whoever sends the requests was promised. A request meets it when it completed within every limit that is there.
struct Objectives {
  std::optional<double> ttft_ms = {}, tpot_ms = {}, latency_ms = {};
  std::optional<double> percentile = {};  // (0, 100]: of the requests, that must meet it; none: it is only counted

  bool any() const { return ttft_ms || tpot_ms || latency_ms; }
};

// By which rules it runs, besides the experiment's.
struct Rules {
  int num_iters = 200;  // requests to measure: exactly, or at least
  int num_warmup = 10;  // requests before, at least
  Objectives slo;
};

struct TenantDescription : TenantSpec, Placement, Rules {};

}  // namespace cotenant
