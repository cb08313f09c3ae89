#include "engine/native/cpu/product_ways.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/cache.h"
#include "base/version.h"

namespace cotenant {
namespace {

using nlohmann::json;

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "CPU";
}

}  // namespace

ProductWays::ProductWays(int threads) : path_(cache_directory()) {
  const std::string cpu = cpu_name();
  const dnnl_version_t& library = *dnnl_version();
  identity_ = fmt::format("{}, {} threads, oneDNN {}.{}.{}, cotenant {} {}", cpu, threads, library.major, library.minor,
                          library.patch, version(), git_commit());
  if (!path_.empty()) path_ /= fmt::format("products-{}-{}t.json", cache_name(cpu), threads);
}

void ProductWays::read() {
  was_read_ = true;
  std::ifstream file(path_);
  if (path_.empty() || !file) return;
  try {
    const json document = json::parse(file);
    if (document.at("identity") != identity_) return;
    decltype(times_) read;
    for (const json& entry : document.at("products")) {
      const ProductShape shape{.rows = entry.at("rows"),
                               .in = entry.at("in"),
                               .out = entry.at("out"),
                               .result = dtype_from_string(entry.at("result").get<std::string>()).value_or(Dtype::bf16),
                               .accumulate = entry.at("accumulate")};
      read[shape] = {.native_ms = entry.at("native_ms"), .widened_ms = entry.at("widened_ms")};
    }
    times_.merge(read);  // what was timed here stands
  } catch (const std::exception& e) {
    spdlog::debug("{}: not a cache of products, it will be written anew ({})", path_.string(), e.what());
  }
}

std::optional<ProductWay> ProductWays::find(const ProductShape& shape) {
  if (!was_read_) read();
  const auto found = times_.find(shape);
  if (found == times_.end()) return std::nullopt;
  return found->second.widened_ms < found->second.native_ms ? ProductWay::widened : ProductWay::native;
}

void ProductWays::add(const ProductShape& shape, double native_ms, double widened_ms) {
  times_[shape] = {native_ms, widened_ms};
  changed_ = true;
}

void ProductWays::save() {
  if (!changed_ || path_.empty()) return;
  changed_ = false;
  read();
  json document = {{"identity", identity_}, {"products", json::array()}};
  for (const auto& [shape, times] : times_)
    document["products"].push_back({{"rows", shape.rows},
                                    {"in", shape.in},
                                    {"out", shape.out},
                                    {"result", std::string(to_string(shape.result))},
                                    {"accumulate", shape.accumulate},
                                    {"native_ms", times.native_ms},
                                    {"widened_ms", times.widened_ms}});
  if (!replace_cache_file(path_, document.dump(1) + "\n"))
    spdlog::warn(
        "{}: cannot be written; every start will time its products again. Set XDG_CACHE_HOME to a place that can.",
        path_.string());
}

}  // namespace cotenant
