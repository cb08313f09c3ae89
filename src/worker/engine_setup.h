#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/external/external_engine.h"
#include "engine/options.h"
#include "worker/messages.h"
#include "workload/workload.h"

// From a tenant's order to its engine and its input. The driver uses the same functions to check an experiment before
// it starts anything.
namespace cotenant {

// Null for engines without a model. Throws usage_error as open_model does.
std::shared_ptr<const Model> open_model_of(const TenantOrder& order);

// `share`: the part of the device that the order's sm_groups came to; null: all of it.
EngineOptions engine_options(const TenantOrder& order, std::shared_ptr<const Model> model,
                             std::shared_ptr<const DeviceShare> share = nullptr);

ExternalOptions external_options(const TenantOrder& order);

// Reads its trace where it has one: throws as read_trace.
WorkloadSpec workload_of(const TenantOrder& order);

// Token ids of one request, [batch_size * seq_len]: a pure function of the seed, uniform over the vocabulary without
// the padding id. Empty without a model.
std::vector<int32_t> synthetic_input(const TenantOrder& order, const Model* model);
std::vector<int32_t> synthetic_input(const TenantOrder& order, const Vocabulary& vocabulary);

}  // namespace cotenant
