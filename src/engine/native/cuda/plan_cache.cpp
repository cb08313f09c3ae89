#include "engine/native/cuda/plan_cache.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/version.h"

namespace cotenant {
namespace {

using nlohmann::json;

constexpr Plan::Method last_method = Plan::Method::hopper;
constexpr size_t algorithm_words = sizeof(cublasLtMatmulAlgo_t::data) / sizeof(uint64_t);

json to_json(const std::string& pass, const ProductKey& key, const Plan& plan) {
  json words = json::array();
  for (const uint64_t word : plan.algorithm.data) words.push_back(word);
  return {{"pass", pass},
          {"dtype", std::string(to_string(key.dtype))},
          {"rows", key.rows},
          {"in", key.in},
          {"columns", key.columns},
          {"activation", static_cast<int>(key.activation)},
          {"bias", key.bias},
          {"accumulate", key.accumulate},
          {"normed", key.normed},
          {"gated", key.gated},
          {"method", static_cast<int>(plan.method)},
          {"algorithm", words},
          {"variant", plan.variant},
          {"time_us", plan.time_us}};
}

// Throws what nlohmann throws, or std::out_of_range, when it is not what to_json wrote.
std::pair<std::pair<std::string, ProductKey>, Plan> from_json(const json& entry) {
  ProductKey key;
  key.dtype = dtype_from_string(entry.at("dtype").get<std::string>()).value_or(Dtype::i32);
  key.rows = entry.at("rows");
  key.in = entry.at("in");
  key.columns = entry.at("columns");
  const int activation = entry.at("activation"), method = entry.at("method");
  if (activation < 0 || activation > static_cast<int>(Activation::relu) || method < 0 ||
      method > static_cast<int>(last_method) || key.dtype == Dtype::i32)
    throw std::out_of_range("no such activation, method or dtype");
  key.activation = static_cast<Activation>(activation);
  key.bias = entry.at("bias");
  key.accumulate = entry.at("accumulate");
  key.normed = entry.at("normed");
  key.gated = entry.at("gated");
  Plan plan;
  plan.method = static_cast<Plan::Method>(method);
  plan.time_us = entry.at("time_us");
  plan.variant = entry.at("variant");
  for (size_t i = 0; i < algorithm_words; ++i) plan.algorithm.data[i] = entry.at("algorithm").at(i);
  return {{entry.at("pass").get<std::string>(), key}, plan};
}

}  // namespace

// FNV-1a of what the products are called.
std::string fingerprint(const std::set<ProductKey>& products) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const ProductKey& key : products)
    for (const char c : to_string(key) + ";") hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

PlanCache::PlanCache(const DeviceFacts& device)
    : file_(fmt::format("plans-{}-{}sm.json", cache_name(device.name), device.sms),
            fmt::format("{}, {} SMs, cuBLASLt {}, cotenant {} {}", device.name, device.sms, cublasLtGetVersion(),
                        version(), git_commit())) {}

void PlanCache::read() {
  was_read_ = true;
  const auto text = file_.read();
  if (!text) return;
  try {
    decltype(plans_) read;
    for (const json& entry : json::parse(*text)) read.insert(from_json(entry));
    plans_.merge(read);  // what was timed here stands
  } catch (const std::exception& e) {
    spdlog::debug("{}: not a plan cache, it will be written anew ({})", file_.path().string(), e.what());
  }
}

std::optional<Plan> PlanCache::find(const std::string& pass, const ProductKey& key) {
  if (!was_read_) read();
  const auto found = plans_.find({pass, key});
  if (found == plans_.end()) return std::nullopt;
  return found->second;
}

void PlanCache::add(const std::string& pass, const ProductKey& key, const Plan& plan) {
  plans_[{pass, key}] = plan;
  changed_ = true;
}

void PlanCache::save() {
  if (!changed_) return;
  changed_ = false;
  read();
  json entries = json::array();
  for (const auto& [place, plan] : plans_) entries.push_back(to_json(place.first, place.second, plan));
  file_.write(entries.dump(1));
}

}  // namespace cotenant
