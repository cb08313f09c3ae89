#include "engine/native/cpu/product_ways.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>

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

std::string identity(int threads) {
  const dnnl_version_t& library = *dnnl_version();
  return fmt::format("{}, {} threads, oneDNN {}.{}.{}, cotenant {} {}", cpu_name(), threads, library.major,
                     library.minor, library.patch, version(), git_commit());
}

}  // namespace

ProductWays::ProductWays(int threads)
    : file_(fmt::format("products-{}-{}t.json", cache_name(cpu_name()), threads), identity(threads)) {}

void ProductWays::read() {
  was_read_ = true;
  const auto text = file_.read();
  if (!text) return;
  try {
    decltype(times_) read;
    for (const json& entry : json::parse(*text)) {
      const ProductShape shape{.rows = entry.at("rows"),
                               .in = entry.at("in"),
                               .out = entry.at("out"),
                               .result = dtype_from_string(entry.at("result").get<std::string>()).value_or(Dtype::bf16),
                               .accumulate = entry.at("accumulate")};
      read[shape] = {.native_ms = entry.at("native_ms"), .widened_ms = entry.at("widened_ms")};
    }
    times_.merge(read);  // what was timed here stands
  } catch (const std::exception& e) {
    spdlog::debug("{}: not a cache of products, it will be written anew ({})", file_.path().string(), e.what());
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
  if (!changed_) return;
  changed_ = false;
  read();
  json entries = json::array();
  for (const auto& [shape, times] : times_)
    entries.push_back({{"rows", shape.rows},
                       {"in", shape.in},
                       {"out", shape.out},
                       {"result", std::string(to_string(shape.result))},
                       {"accumulate", shape.accumulate},
                       {"native_ms", times.native_ms},
                       {"widened_ms", times.widened_ms}});
  file_.write(entries.dump(1));
}

}  // namespace cotenant
