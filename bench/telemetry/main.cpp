// What telemetry costs: the CPU time of its samples, and the latency of a tenant with and without it. distilgpt2 runs
// in a closed loop while a second thread samples as the driver does, switched on and off in alternating blocks, so that
// both halves see the same clocks and neighbours. Prints JSON. Run it on an otherwise idle machine.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "sharing/device.h"
#include "stats/describe.h"
#include "telemetry/device_sampler.h"
#include "telemetry/host_sampler.h"
#include "worker/engine_setup.h"
#include "worker/timed_loop.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string device = "auto", dtype;
  int interval_ms = 100, rows = 8, length = 128, threads = 1;
  double seconds = 20, block_s = 1;
};

// A thread that samples the host and the device, and throws the samples away as text, while it is switched on.
class Sampler {
 public:
  Sampler(const std::string& uuid, int interval_ms) : host_({TenantProcesses{"tenant", {::getpid()}}}) {
    if (!uuid.empty()) {
      if (const auto nvml = Nvml::open(gap_)) {
        device_.emplace(nvml, uuid);
        gap_ = device_->device_gap();
      }
    }
    thread_ = std::jthread([this, interval_ns = int64_t{interval_ms} * 1'000'000](std::stop_token stop) {
      for (; !stop.stop_requested(); sleep_until_ns(now_ns() + interval_ns))
        if (on_) sample();
    });
  }

  void turn(bool on) { on_ = on; }

  // Waits for the thread, so that what is told is whole.
  Json finish(double on_s) {
    thread_.request_stop();
    thread_.join();
    Json out{{"samples", samples_},
             {"cpu_ms_per_s", ns_to_ms(cpu_ns_) / on_s},
             {"cpu_percent", 100 * ns_to_s(cpu_ns_) / on_s},
             {"cpu_ms_per_sample", samples_ > 0 ? Json(ns_to_ms(cpu_ns_) / samples_) : Json()},
             {"longest_ms", ns_to_ms(longest_ns_)}};
    if (gap_) out["device_gap"] = gap_.text();
    if (device_ && device_->counters_gap()) out["counters_gap"] = device_->counters_gap().text();
    return out;
  }

 private:
  void sample() {
    const int64_t start_ns = now_ns(), cpu_start_ns = thread_cpu_ns();
    TelemetrySample sample = host_.sample(0);
    if (device_) device_->sample(sample);
    fmt::memory_buffer line;
    append_json(line, sample);
    ++samples_;
    cpu_ns_ += thread_cpu_ns() - cpu_start_ns;
    longest_ns_ = std::max(longest_ns_, now_ns() - start_ns);
  }

  HostSampler host_;
  Gap gap_;
  std::optional<DeviceSampler> device_;
  std::atomic<bool> on_ = false;
  int64_t samples_ = 0, cpu_ns_ = 0, longest_ns_ = 0;  // the thread's until it has ended
  std::jthread thread_;                                // last: it uses all above
};

Json summary(std::vector<double> latency_ms) {
  std::ranges::sort(latency_ms);
  Json out{{"count", latency_ms.size()}, {"p50_ms", nullptr}, {"p99_ms", nullptr}};
  if (latency_ms.empty()) return out;
  out["p50_ms"] = percentile(latency_ms, 0.5);
  out["p99_ms"] = percentile(latency_ms, 0.99);
  return out;
}

Json measure(const Options& options) {
  TenantOrder order;
  order.name = order.model = "distilgpt2";
  order.device = resolve_device(options.device);
  const auto dtype = dtype_from_string(options.dtype).value_or(order.device == "cpu" ? Dtype::f32 : Dtype::f16);
  order.engine = NativeSpec{.weights = "random", .dtype = dtype};
  order.batch_size = options.rows;
  order.seq_len = options.length;
  order.threads = options.threads;
  order.spin_wait = true;
  const auto model = open_model_of(order);
  const auto engine = make_engine(engine_options(order, model));
  engine->load();
  engine->prepare();
  engine->warm();
  const std::vector<int32_t> input = synthetic_input(order, model.get());
  InFlight in_flight(engine->capacity(), 0);
  const DueRequest pass = *Workload(workload_of(order), now_ns()).next();
  const auto request = [&] { return run_request(*engine, pass, input, in_flight); };
  for (const int64_t warm_ns = now_ns() + s_to_ns(2); now_ns() < warm_ns;) request();

  Sampler sampler(describe_device(order.device).uuid, options.interval_ms);
  const int64_t start_ns = now_ns(), block_ns = s_to_ns(options.block_s);
  const int64_t blocks = std::max<int64_t>(2, static_cast<int64_t>(options.seconds / options.block_s) / 2 * 2);
  const auto block_of = [&](int64_t at_ns) { return (at_ns - start_ns) / block_ns; };
  std::vector<double> latency_ms[2];  // without, with
  for (int64_t block = 0; block < blocks; block = block_of(now_ns())) {
    sampler.turn(block % 2 == 1);
    const EventSlot event = request();
    if (block_of(event.start_ns) == block && block_of(event.end_ns) == block)
      latency_ms[block % 2].push_back(ns_to_ms(event.end_ns - event.start_ns));
  }
  sampler.turn(false);
  Json out{{"device", order.device},
           {"model", order.model},
           {"dtype", to_string(dtype)},
           {"rows", order.batch_size},
           {"length", order.seq_len},
           {"interval_ms", options.interval_ms},
           {"seconds", static_cast<double>(blocks) * options.block_s},
           {"block_s", options.block_s},
           {"without", summary(latency_ms[0])},
           {"with", summary(latency_ms[1])},
           {"p50_ratio", nullptr},
           {"sampler", sampler.finish(static_cast<double>(blocks) / 2 * options.block_s)}};
  if (!latency_ms[0].empty() && !latency_ms[1].empty())
    out["p50_ratio"] = out["with"]["p50_ms"].get<double>() / out["without"]["p50_ms"].get<double>();
  return out;
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  Options options;
  CLI::App app{"What telemetry costs a tenant, and itself."};
  app.add_option("--device", options.device, "auto, cpu, cuda:N");
  app.add_option("--dtype", options.dtype, "float16 on cuda, float32 on cpu");
  app.add_option("--interval-ms", options.interval_ms)->check(CLI::Range(100, 10'000));
  app.add_option("--rows", options.rows)->check(CLI::Range(1, 1024));
  app.add_option("--length", options.length)->check(CLI::Range(1, 1024));
  app.add_option("--threads", options.threads, "of the engine on the CPU")->check(CLI::Range(1, 1024));
  app.add_option("--seconds", options.seconds, "in all")->check(CLI::Range(1.0, 3600.0));
  app.add_option("--block-s", options.block_s, "length of a block with or without")->check(CLI::Range(0.1, 60.0));
  CLI11_PARSE(app, argc, argv);
  try {
    fmt::print("{}\n", measure(options).dump(2));
  } catch (const Error& error) {
    fmt::print(stderr, "bench_telemetry: {}\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
