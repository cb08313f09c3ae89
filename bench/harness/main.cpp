// What the harness itself costs: a request's overhead, how late an open loop sends, an event, the skew of a common
// start, the time from the command to the first timed iteration. One line per figure, with its bar. Run it on an
// otherwise idle machine.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/affinity.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "config/load.h"
#include "driver/experiment.h"
#include "driver/plan.h"
#include "engine/options.h"
#include "process/child.h"
#include "process/event_ring.h"
#include "results/record.h"
#include "stats/describe.h"
#include "worker/timed_loop.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

double at(std::vector<double> values, double q) {
  std::ranges::sort(values);
  return percentile(values, q);
}

// Latency and period of a spin engine's requests beyond its service time.
void bench_request(int requests) {
  constexpr double service_us = 100;
  EngineOptions options;
  options.kind = EngineOptions::Kind::spin;
  options.service_ms = service_us * 1e-3;
  const auto engine = make_engine(options);
  EventRing ring = EventRing::create(1 << 19);
  Workload workload({.exactly = requests}, now_ns());
  InFlight in_flight(engine->capacity(), 0);
  run_timed_loop(*engine, workload, {}, in_flight, ring);
  std::vector<double> latency_us, period_us;
  EventSlot event;
  std::vector<int64_t> tokens;
  for (int64_t last_start_ns = 0; ring.take(event, tokens); last_start_ns = event.start_ns) {
    latency_us.push_back(static_cast<double>(event.end_ns - event.start_ns) * 1e-3 - service_us);
    if (last_start_ns != 0)
      period_us.push_back(static_cast<double>(event.start_ns - last_start_ns) * 1e-3 - service_us);
  }
  fmt::print("request: latency beyond the service time p50 {:.2f} us, p99 {:.2f} us\n", at(latency_us, 0.5),
             at(latency_us, 0.99));
  fmt::print("request: period beyond the service time  p50 {:.2f} us, p99 {:.2f} us (bar: p50 <= 5 us)\n",
             at(period_us, 0.5), at(period_us, 0.99));
}

// How late an open loop sends what an engine has room for, and what being on time costs: a request takes 10 us, so that
// the loop waits nearly all the time.
void bench_lag(int requests) {
  constexpr double rate = 2000, service_ms = 0.01;
  EngineOptions options;
  options.kind = EngineOptions::Kind::spin;
  options.service_ms = service_ms;
  const auto engine = make_engine(options);
  for (const auto& [law, arrivals] :
       {std::pair{"constant", constant_arrivals(rate)}, {"Poisson", poisson_arrivals(rate)}}) {
    EventRing ring = EventRing::create(1 << 19);
    const int64_t begin_ns = now_ns(), cpu_ns = thread_cpu_ns();
    Workload workload({.arrivals = arrivals, .exactly = requests}, begin_ns);
    InFlight in_flight(engine->capacity(), 0);
    const LoopResult result = run_timed_loop(*engine, workload, {}, in_flight, ring);
    const double served_s = requests * service_ms * 1e-3;
    const double share = (ns_to_s(thread_cpu_ns() - cpu_ns) - served_s) / ns_to_s(now_ns() - begin_ns);
    fmt::print(
        "lag: {} arrivals at {:g}/s, p50 {:.1f} us, p99 {:.1f} us (bar: p99 <= 50 us), greatest {:.1f} us; keeping "
        "time took {:.1f}% of a core\n",
        law, rate, ns_to_ms(result.lag.at(0.5)) * 1e3, ns_to_ms(result.lag.at(0.99)) * 1e3,
        ns_to_ms(result.lag.most_ns()) * 1e3, share * 100);
  }
}

// One published event, by batches that fit into the ring.
void bench_event(int batches) {
  constexpr int batch = 4096;
  EventRing reader = EventRing::create(1 << 19);
  EventRing writer = EventRing::attach(Fd(::dup(reader.fd())));
  std::vector<double> each_ns;
  EventSlot event;
  std::vector<int64_t> tokens;
  for (int i = 0; i < batches; ++i) {
    const int64_t start_ns = now_ns();
    for (int64_t iter = 0; iter < batch; ++iter) writer.publish({.iter = iter, .start_ns = start_ns});
    each_ns.push_back(static_cast<double>(now_ns() - start_ns) / batch);
    while (reader.take(event, tokens)) {
    }
  }
  fmt::print("event: {:.0f} ns recorded, median of {} batches of {} (bar: <= 1000 ns)\n", at(each_ns, 0.5), batches,
             batch);
}

std::string pinned_pair(const std::vector<int>& cpus) {
  std::string text = "experiment_name: skew\ndevice: cpu\ncorun: fixed\nwarmup_s: 0.02\nmin_duration_s: 0\ntenants:\n";
  for (size_t i = 0; i < 2; ++i)
    text += fmt::format(
        "  - {{name: t{}, engine: stress, stress: {{kind: spin, service_ms: 0.1}}, num_iters: 3, num_warmup: 1, "
        "cpus: [{}]}}\n",
        i, cpus[i % cpus.size()]);
  return text;
}

// Whole runs of two pinned tenants: how far apart their first requests are, and how late each.
void bench_skew(int runs, const fs::path& directory) {
  const ExperimentPlan plan = make_plan(parse_config(pinned_pair(affinity())), read_machine());
  SignalWatch signals;
  Keeper keeper(COTENANT_BINARY);
  RunContext context{.keeper = keeper,
                     .signals = signals,
                     .executable = COTENANT_BINARY,
                     .command = "bench",
                     .show = {},
                     .log = {},
                     .deadline_s = {}};
  std::vector<double> apart_us, late_us;
  for (int i = 0; i < runs; ++i) {
    const ExperimentRecord record = run_experiment(plan.run, directory / std::to_string(i), context);
    if (record.tenants[0].exit.died || record.tenants[1].exit.died || !record.tenants[0].start_skew_us) break;
    const double a = *record.tenants[0].start_skew_us, b = *record.tenants[1].start_skew_us;
    apart_us.push_back(std::abs(a - b));
    late_us.push_back(std::max(a, b));
  }
  fmt::print(
      "start: {} runs of 2 pinned tenants: apart p50 {:.1f} us, p99 {:.1f} us; the later one after T0 p50 {:.1f} "
      "us, p99 {:.1f} us (bar: p50 <= 50 us)\n",
      apart_us.size(), at(apart_us, 0.5), at(apart_us, 0.99), at(late_us, 0.5), at(late_us, 0.99));
}

// From the start of the command until the first timed request of distilgpt2 with random weights.
void bench_first_iteration(int runs, const fs::path& directory) {
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    SpawnRequest request;
    request.executable = COTENANT_BINARY;
    request.arguments = {"run",        "--model",
                         "distilgpt2", "--weights",
                         "random",     "--device",
                         "cpu",        "--seq-len",
                         "128",        "--batch-size",
                         "1",          "--num-iters",
                         "1",          "--corun",
                         "fixed",      "--num-warmup",
                         "1",          "--quiet",
                         "--warmup-s", "0",
                         "--out",      (directory / "first").string()};
    const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    request.output = nowhere.get();
    const double start_s = wall_clock_s();
    Child child(request);
    if (child.wait_until(now_ns() + s_to_ns(300)).value_or(ExitStatus()).code.value_or(1) > 4) return;
    std::ifstream file(directory / "first" / "experiment.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const ExperimentRecord record = record_from_json(text, "experiment.json");
    seconds.push_back(record.t0_wall_s.value_or(0) + record.tenants[0].start_skew_us.value_or(0) * 1e-6 - start_s);
  }
  fmt::print(
      "command to first timed iteration, distilgpt2 1 x 128, random weights: median of {} {:.2f} s (bar: <= 2 s)\n",
      runs, at(seconds, 0.5));
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  int requests = 20'000, starts = 400, commands = 5;
  CLI::App app{"What the harness itself costs."};
  app.add_option("--requests", requests)->check(CLI::Range(2, 30'000));
  app.add_option("--starts", starts, "runs of two pinned tenants; 0: none");
  app.add_option("--commands", commands, "commands to first iteration; 0: none");
  CLI11_PARSE(app, argc, argv);
  try {
    const TemporaryDirectory directory;
    bench_request(requests);
    bench_lag(requests);
    bench_event(200);
    if (starts > 0) bench_skew(starts, directory.path() / "skew");
    if (commands > 0) bench_first_iteration(commands, directory.path());
  } catch (const Error& error) {
    fmt::print(stderr, "bench_harness: {}\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
