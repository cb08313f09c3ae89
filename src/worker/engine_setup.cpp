#include "worker/engine_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/overloaded.h"
#include "model/open.h"
#include "model/random.h"

namespace cotenant {
namespace {

EngineOptions::Kind kind_of(StressKind kind) {
  switch (kind) {
    case StressKind::sleep:
      return EngineOptions::Kind::sleep;
    case StressKind::spin:
      return EngineOptions::Kind::spin;
    case StressKind::compute:
      return EngineOptions::Kind::compute;
    case StressKind::dram:
      return EngineOptions::Kind::dram;
    case StressKind::l2:
      return EngineOptions::Kind::l2;
    case StressKind::pcie:
      return EngineOptions::Kind::pcie;
    case StressKind::launch:
      return EngineOptions::Kind::launch;
  }
  throw internal_error("engine_options", "unknown kind of stress");
}

ServerApi api_of(ApiKind kind) {
  switch (kind) {
    case ApiKind::completions:
      return ServerApi::completions;
    case ApiKind::chat:
      return ServerApi::chat;
    case ApiKind::embeddings:
      return ServerApi::embeddings;
  }
  throw internal_error("engine_options", "unknown API of a server");
}

PromptKind prompt_of(PromptForm form) {
  switch (form) {
    case PromptForm::automatic:
      return PromptKind::automatic;
    case PromptForm::tokens:
      return PromptKind::ids;
    case PromptForm::text:
      return PromptKind::words;
  }
  throw internal_error("engine_options", "unknown form of prompts");
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// The key is read where it is used, so that no order and no record has it.
std::string key_in(const std::string& variable) {
  if (variable.empty()) return "";
  const char* key = std::getenv(variable.c_str());
  if (key == nullptr || *key == '\0')
    throw usage_error("server.api_key_env", fmt::format("the environment variable {} is not set", variable),
                      fmt::format("export {}=...", variable));
  // In a header of HTTP a line break would begin the next one. What is wrong is not shown: it is part of a secret.
  if (!is_visible_ascii(key))
    throw usage_error("server.api_key_env",
                      fmt::format("the environment variable {} holds a space, a line break, a control character or one "
                                  "that is not ASCII, which no API key has",
                                  variable),
                      fmt::format("Set it again without: export {}=\"$(tr -d '[:space:]' <FILE)\"", variable));
  return key;
}

// Of its name, so that tenants whose bursts would coincide do not, and a tenant alone gets what it gets beside others.
uint64_t workload_seed(const TenantOrder& order) {
  uint64_t seed = mix64(order.seed ^ 0x776f726b6c6f6164ull);  // "workload": other numbers than the weights'
  for (const char c : order.name) seed = mix64(seed ^ static_cast<unsigned char>(c));
  return seed;
}

}  // namespace

std::shared_ptr<const Model> open_model_of(const TenantOrder& order) {
  const NativeSpec* native = order.native();
  if (native == nullptr) return nullptr;
  return std::make_shared<const Model>(open_model(order.model, native->weights, order.seed));
}

EngineOptions engine_options(const TenantOrder& order, std::shared_ptr<const Model> model,
                             std::shared_ptr<const DeviceShare> share) {
  EngineOptions options;
  options.label = fmt::format("{} ({})", order.name, order.model);
  options.model = std::move(model);
  options.device = order.device;
  options.rows = order.batch_size;
  options.seq_len = order.seq_len;
  options.max_new_tokens = order.max_new_tokens;
  options.threads = order.threads.value_or(1);
  options.wait = order.spin_wait ? Wait::spin : Wait::block;
  options.share = std::move(share);
  options.priority = order.priority.value_or(0);
  options.memory_limit_bytes = order.memory_limit_bytes.value_or(0);
  std::visit(Overloaded{[&](const NativeSpec& native) {
                          options.dtype = native.dtype.value_or(Dtype::f32);
                          options.slots = native.slots.value_or(0);
                          options.chunk_tokens = native.chunk_tokens.value_or(0);
                          options.max_wait_ms = native.max_wait_ms;
                        },
                        [&](const StressSpec& stress) {
                          options.kind = kind_of(stress.kind);
                          options.service_ms = stress.service_ms;
                          options.sms = stress.sms.value_or(0);
                        },
                        [](const ExternalSpec&) {}, [](const CommandSpec&) {},
                        [&](const ServerSpec& server) {
                          options.kind = EngineOptions::Kind::server;
                          options.server = {.base_url = server.base_url,
                                            .api = api_of(server.api),
                                            .model = order.model,
                                            .bearer = key_in(server.api_key_env),
                                            .ready_path = server.ready_path,
                                            .ready_timeout_s = server.ready_timeout_s,
                                            .timeout_s = server.timeout_s,
                                            .prompt = prompt_of(server.prompt),
                                            .vocab_size = server.vocab_size,
                                            .max_in_flight = server.max_in_flight.value_or(1),
                                            .seed = workload_seed(order)};
                        }},
             order.engine);
  return options;
}

WorkloadSpec workload_of(const TenantOrder& order) {
  return {.rows = order.rows_of_request(),
          .seq_len = order.workload.input_tokens ? length_of(*order.workload.input_tokens) : order.seq_len,
          .max_new_tokens =
              order.workload.output_tokens ? length_of(*order.workload.output_tokens) : Length(order.max_new_tokens),
          .arrivals = arrivals_of(order.workload),
          .max_queue = order.workload.max_queue,
          .seed = workload_seed(order),
          .period_ms = order.stressor() ? order.stressor()->period_ms() : 0,
          .exactly = order.fixed_iters};
}

ExternalOptions external_options(const TenantOrder& order) {
  const ExternalSpec* external = order.external();
  return {.model = order.model,
          .weights = external ? external->weights : "",
          .device = order.device == "cpu" ? "cpu" : "cuda:0",  // its program sees one GPU
          .dtype = order.dtype().value_or(Dtype::f32),
          .rows = order.batch_size,
          .seq_len = order.seq_len,
          .max_new_tokens = order.max_new_tokens,
          .threads = order.threads.value_or(1),
          .spin = order.spin_wait && order.device != "cpu",
          .concurrency = most_in_flight(workload_of(order)),
          .seed = order.seed};
}

std::vector<int32_t> synthetic_input(const TenantOrder& order, const Model* model) {
  if (model == nullptr) return {};
  return synthetic_input(order, Vocabulary{.size = model->spec.vocab_size, .pad_token = model->spec.pad_token});
}

std::vector<int32_t> synthetic_input(const TenantOrder& order, const Vocabulary& vocabulary) {
  const auto vocab = static_cast<uint64_t>(vocabulary.size);
  std::vector<int32_t> tokens(static_cast<size_t>(order.batch_size) * static_cast<size_t>(order.seq_len));
  const uint64_t key = mix64(order.seed ^ 0x696e707574ull);  // "input": other numbers than the weights'
  for (size_t i = 0; i < tokens.size(); ++i) {
    uint64_t id = mix64(key + i) % vocab;
    if (static_cast<int64_t>(id) == vocabulary.pad_token) id = (id + 1) % vocab;
    tokens[i] = static_cast<int32_t>(id);
  }
  return tokens;
}

}  // namespace cotenant
