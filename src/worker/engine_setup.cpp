#include "worker/engine_setup.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/open.h"
#include "model/random.h"

namespace cotenant {
namespace {

EngineOptions::Kind kind_of(const TenantOrder& order) {
  if (order.engine == "native") return EngineOptions::Kind::native;
  if (order.engine == "sleep") return EngineOptions::Kind::sleep;
  if (order.engine == "spin") return EngineOptions::Kind::spin;
  if (order.engine == "compute") return EngineOptions::Kind::compute;
  if (order.engine == "dram") return EngineOptions::Kind::dram;
  if (order.engine == "l2") return EngineOptions::Kind::l2;
  if (order.engine == "pcie") return EngineOptions::Kind::pcie;
  if (order.engine == "launch") return EngineOptions::Kind::launch;
  throw internal_error(order.name, fmt::format("unknown engine \"{}\"", order.engine));
}

}  // namespace

std::shared_ptr<const Model> open_model_of(const TenantOrder& order) {
  if (kind_of(order) != EngineOptions::Kind::native) return nullptr;
  return std::make_shared<const Model>(open_model(order.model, order.weights, order.seed));
}

EngineOptions engine_options(const TenantOrder& order, std::shared_ptr<const Model> model,
                             std::shared_ptr<const DeviceShare> share) {
  EngineOptions options;
  options.kind = kind_of(order);
  options.label = fmt::format("{} ({})", order.name, order.model);
  options.model = std::move(model);
  options.device = order.device;
  if (!order.dtype.empty()) options.dtype = dtype_from_string(order.dtype).value();
  options.rows = order.batch_size;
  options.seq_len = order.seq_len;
  options.max_new_tokens = order.max_new_tokens;
  options.threads = order.threads;
  options.wait = order.spin_wait ? Wait::spin : Wait::block;
  options.share = std::move(share);
  options.priority = order.priority;
  options.memory_limit_bytes = order.memory_limit_bytes;
  options.service_ms = order.service_ms;
  options.sms = order.sms;
  return options;
}

WorkloadSpec workload_of(const TenantOrder& order) {
  return {.rows = order.batch_size,
          .seq_len = order.seq_len,
          .max_new_tokens = order.max_new_tokens,
          .period_ms = order.period_ms,
          .exactly = order.fixed_iters};
}

std::vector<int32_t> synthetic_input(const TenantOrder& order, const Model* model) {
  if (model == nullptr) return {};
  const auto vocab = static_cast<uint64_t>(model->spec.vocab_size);
  std::vector<int32_t> tokens(static_cast<size_t>(order.batch_size) * static_cast<size_t>(order.seq_len));
  const uint64_t key = mix64(order.seed ^ 0x696e707574ull);  // "input": other numbers than the weights'
  for (size_t i = 0; i < tokens.size(); ++i) {
    uint64_t id = mix64(key + i) % vocab;
    if (static_cast<int64_t>(id) == model->spec.pad_token) id = (id + 1) % vocab;
    tokens[i] = static_cast<int32_t>(id);
  }
  return tokens;
}

}  // namespace cotenant
