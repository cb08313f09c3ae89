// Times the CUDA engine as a tenant uses it, by the host clock: forward passes, or time to first token and time per
// token of greedy decoding. One JSON object a case, with the rate reached and its share of what the device was measured
// to do.
//
//   bench_cuda_engine [options] model:rows:seq_len[:max_new_tokens]...
//     --dtype float16|bfloat16|float32   --weights random|auto   --load-s 1 --measure-s 2 --least 20
//     --tflops N --gbs N    measured ceilings
//     --floor               also the floor of forward passes, just before and just after: what a chip can do under its
//                           power limit changes as it gets warm
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/version.h"
#include "case.h"
#include "engine/native/cuda/device.h"
#include "engine/native/native_engine.h"
#include "products_floor.h"
#include "stats/describe.h"
#include "timing.h"

namespace cotenant {
namespace {

struct BenchOptions {
  TimingOptions timing;
  Dtype dtype = Dtype::f16;
  std::string device = "cuda:0", weights = "random";
  Ceilings ceilings;
  bool floor = false;
};

// Seconds since this process was started.
double age_s() {
  std::ifstream file("/proc/self/stat"), uptime_file("/proc/uptime");
  std::string field;
  file.ignore(1024, ')');                       // the name may hold spaces
  for (int i = 3; i <= 22; ++i) file >> field;  // starttime is the 22nd
  double uptime_s = 0;
  uptime_file >> uptime_s;
  return uptime_s - std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<int32_t> random_tokens(int64_t count, int64_t vocab) {
  std::mt19937 engine(0);
  std::uniform_int_distribution<int32_t> distribution(2, static_cast<int32_t>(vocab - 1));
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = distribution(engine);
  return tokens;
}

struct RequestTimes {
  double latency_ms = 0, ttft_ms = 0, tpot_ms = 0, gpu_ms = 0;
};

RequestTimes run_request(Engine& engine, const Request& request) {
  RequestTimes times;
  const int64_t sent_ns = now_ns();
  int64_t first_ns = 0;
  engine.submit(request);
  for (bool done = false; !done;) {
    for (const Progress& progress : engine.step(sent_ns)) {
      if (progress.status == Status::token && first_ns == 0) first_ns = progress.at_ns;
      if (progress.status != Status::done) continue;
      done = true;
      times.latency_ms = ns_to_ms(progress.at_ns - sent_ns);
      times.gpu_ms = progress.gpu_ms;
    }
  }
  times.ttft_ms = ns_to_ms(first_ns - sent_ns);
  times.tpot_ms = request.max_new_tokens > 1 ? (times.latency_ms - times.ttft_ms) / (request.max_new_tokens - 1) : 0;
  return times;
}

nlohmann::json bench_forward(const BenchOptions& options, const BenchCase& bench, const ModelSpec& spec, Engine& engine,
                             const Request& request, GpuState& state) {
  std::vector<double> gpu_ms;
  nlohmann::json line = summarise(measure(options.timing, state, [&] {
    const RequestTimes times = run_request(engine, request);
    gpu_ms.push_back(times.gpu_ms);
    return times.latency_ms;
  }));
  const std::vector<double> sorted_gpu_ms = sorted_copy(gpu_ms);  // of all passes, those of the load included
  line["gpu_p50_ms"] = percentile(sorted_gpu_ms, 0.5);
  line["gpu_p99_ms"] = percentile(sorted_gpu_ms, 0.99);
  const double tflops = forward_flops(spec, bench.rows, bench.seq_len) / line["p50_ms"].get<double>() * 1e-9;
  line["tflops"] = tflops;
  if (options.ceilings.tflops > 0) line["share_of_tflops"] = tflops / options.ceilings.tflops;
  return line;
}

// The same between two measurements of the floor.
nlohmann::json bench_forward_and_floor(const BenchOptions& options, const BenchCase& bench, const ModelSpec& spec,
                                       Engine& engine, const Request& request, GpuState& state) {
  ProductsFloor floor(open_device(options.device), spec, bench.rows * bench.seq_len);
  GpuState state_of_floor(open_device(options.device).ordinal);
  TimingOptions timing = options.timing;
  timing.least = TimingOptions{}.least;  // its spread is of no interest
  const auto floor_ms = [&] { return median(measure(timing, state_of_floor, [&] { return floor.run_ms(); })); };
  const double before_ms = floor_ms();
  nlohmann::json line = bench_forward(options, bench, spec, engine, request, state);
  const double after_ms = floor_ms();
  line["floor"] = {{"before_ms", before_ms}, {"after_ms", after_ms}, {"p50_ms", (before_ms + after_ms) / 2}};
  return line;
}

nlohmann::json bench_generate(const BenchOptions& options, const BenchCase& bench, const ModelSpec& spec,
                              size_t weights_bytes, Engine& engine, const Request& request, GpuState& state) {
  std::vector<double> ttft_ms;
  nlohmann::json line;
  line["tpot"] = summarise(measure(options.timing, state, [&] {
    const RequestTimes times = run_request(engine, request);
    ttft_ms.push_back(times.ttft_ms);
    return times.tpot_ms;
  }));
  line["ttft"] = summarise(ttft_ms);
  const double ttft = line["ttft"]["p50_ms"], tpot = line["tpot"]["p50_ms"];
  line["ttft_tflops"] = forward_flops(spec, bench.rows, bench.seq_len, true) / ttft * 1e-9;
  if (bench.max_new_tokens > 1) {
    line["tpot_gbs"] = static_cast<double>(weights_bytes) / tpot * 1e-6;  // the weights alone
    if (options.ceilings.copy_gbs > 0)
      line["share_of_gbs"] = line["tpot_gbs"].get<double>() / options.ceilings.copy_gbs;
  }
  return line;
}

void run_case(const BenchOptions& options, const std::string& text) {
  const BenchCase bench = parse_case(text);
  const auto model = std::make_shared<const Model>(open_bench_model(bench, options.weights));
  const std::vector<int32_t> tokens = random_tokens(bench.rows * bench.seq_len, model->spec.vocab_size);
  EngineOptions engine_options;
  engine_options.model = model;
  engine_options.device = options.device;
  engine_options.dtype = options.dtype;
  engine_options.rows = static_cast<int>(bench.rows);
  engine_options.seq_len = static_cast<int>(bench.seq_len);
  engine_options.max_new_tokens = static_cast<int>(bench.max_new_tokens);

  const int64_t begin_ns = now_ns();
  NativeEngine engine(engine_options);
  engine.load();
  const int64_t loaded_ns = now_ns();
  engine.prepare();
  const int64_t prepared_ns = now_ns();
  engine.warm();
  const Request request{.id = 1,
                        .tokens = tokens,
                        .rows = engine_options.rows,
                        .max_new_tokens = engine_options.max_new_tokens,
                        .scheduled_ns = 0};
  run_request(engine, request);
  const double ready_s = age_s();

  GpuState state(open_device(options.device).ordinal);
  nlohmann::json line =
      bench.max_new_tokens > 0
          ? bench_generate(options, bench, model->spec, engine.memory_needed()->weights_bytes, engine, request, state)
      : options.floor ? bench_forward_and_floor(options, bench, model->spec, engine, request, state)
                      : bench_forward(options, bench, model->spec, engine, request, state);
  line["case"] = text;
  line["commit"] = git_commit();
  line["dtype"] = to_string(options.dtype);
  line["load_s"] = ns_to_s(loaded_ns - begin_ns);
  line["load_gbs"] =
      static_cast<double>(engine.memory_needed()->weights_bytes) / static_cast<double>(loaded_ns - begin_ns);
  line["tune_s"] = ns_to_s(prepared_ns - loaded_ns);
  line["process_to_first_iteration_s"] = ready_s;  // of the process, so only the first case's says something
  line["device"] = to_json(state);
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  BenchOptions options;
  std::vector<std::string> cases;
  std::string dtype = "float16";
  bool debug = false;
  CLI::App app("Times the CUDA engine");
  app.add_option("cases", cases, "model:rows:seq_len[:max_new_tokens]")->required();
  app.add_option("--dtype", dtype);
  app.add_option("--weights", options.weights);
  app.add_option("--load-s", options.timing.load_s);
  app.add_option("--measure-s", options.timing.measure_s);
  app.add_option("--least", options.timing.least);
  app.add_option("--tflops", options.ceilings.tflops);
  app.add_option("--gbs", options.ceilings.copy_gbs);
  app.add_flag("--floor", options.floor);
  app.add_flag("--debug", debug);
  CLI11_PARSE(app, argc, argv);
  if (debug) spdlog::set_level(spdlog::level::debug);
  options.dtype = dtype_from_string(dtype).value_or(Dtype::f16);
  for (const std::string& text : cases) run_case(options, text);
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
