// The floor of models (products_floor.h). First a line with what the device can do at all.
//
//   bench_cuda_floor [--load-s 1 --measure-s 2 --least 20] [model:rows:seq_len[:max_new_tokens]]...
//     with max_new_tokens: of a decode step, whose rows are the sequences
#include <cublasLt.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "case.h"
#include "engine/native/cuda/device.h"
#include "products_floor.h"
#include "timing.h"

namespace cotenant {
namespace {

void print(const nlohmann::json& line) {
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

void run_case(const DeviceFacts& device, const TimingOptions& timing, const std::string& text) {
  const BenchCase bench = parse_case(text);
  const ModelSpec spec = open_bench_model(bench).spec;
  const int64_t rows = bench.max_new_tokens > 0 ? bench.rows : bench.rows * bench.seq_len;
  ProductsFloor floor(device, spec, rows);
  GpuState state(device.ordinal);
  nlohmann::json line = summarise(measure(timing, state, [&] { return floor.run_ms(); }));
  line["case"] = text;
  line["tflops"] = floor.weight_bytes() * static_cast<double>(rows) / line["p50_ms"].get<double>() * 1e-9;
  line["weights_gbs"] = floor.weight_bytes() / line["p50_ms"].get<double>() * 1e-6;
  line["device"] = to_json(state);
  print(line);
}

int run(int argc, char** argv) {
  TimingOptions timing;
  std::vector<std::string> cases;
  CLI::App app("Times a model's matrix products alone");
  app.add_option("cases", cases, "model:rows:seq_len[:max_new_tokens]");
  app.add_option("--load-s", timing.load_s);
  app.add_option("--measure-s", timing.measure_s);
  app.add_option("--least", timing.least);
  CLI11_PARSE(app, argc, argv);
  const DeviceFacts device = open_device("cuda:0");
  GpuState state(device.ordinal);
  const Ceilings ceilings = measure_ceilings(timing, state);
  print({{"gpu", device.name},
         {"sms", device.sms},
         {"driver", state.driver()},
         {"cuda", CUDART_VERSION},
         {"cublaslt", cublasLtGetVersion()},
         {"tflops", ceilings.tflops},
         {"copy_gbs", ceilings.copy_gbs},
         {"link_gbs", ceilings.link_gbs},
         {"device", to_json(state)}});
  for (const std::string& text : cases) run_case(device, timing, text);
  return 0;
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  try {
    return cotenant::run(argc, argv);
  } catch (const cotenant::Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return static_cast<int>(e.code());
  }
}
