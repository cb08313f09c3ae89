// The floor: a model's matrix products alone, the fastest way for each, one after another in one CUDA graph, every
// weight matrix its own so that all of them come from device memory. No engine that multiplies all of them can be
// faster. First a line with what the device can do at all.
//
//   bench_cuda_floor [--load-s 1 --measure-s 2 --least 20] model:rows:seq_len[:max_new_tokens]...
//     with max_new_tokens: of a decode step, whose rows are the sequences
#include <cublasLt.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "case.h"
#include "engine/native/cuda/arena.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/product.h"
#include "engine/native/cuda/program.h"
#include "engine/native/cuda/tuner.h"
#include "engine/native/cuda/weight_kernels.h"
#include "stats/describe.h"
#include "timing.h"

namespace cotenant {
namespace {

constexpr size_t workspace_bytes = size_t{32} << 20;

// in and out of every product of a pass, in order.
std::vector<std::pair<int64_t, int64_t>> products_of(const ModelSpec& spec) {
  std::vector<std::pair<int64_t, int64_t>> products;
  for (int64_t layer = 0; layer < spec.layers; ++layer) {
    products.emplace_back(spec.hidden, spec.qkv_width());
    products.emplace_back(spec.q_width(), spec.hidden);
    products.emplace_back(spec.hidden, (spec.gated ? 2 : 1) * spec.intermediate);
    products.emplace_back(spec.intermediate, spec.hidden);
  }
  if (spec.has_head) products.emplace_back(spec.hidden, (spec.vocab_size + 127) / 128 * 128);
  return products;
}

// The buffers and plans of one model's products.
class Floor {
 public:
  Floor(const DeviceFacts& device, const ModelSpec& spec, int64_t rows)
      : rows_(rows), list_(products_of(spec)), stream_(make_stream()), arena_(false) {
    int64_t widest = 0;
    size_t bytes = workspace_bytes + Arena::alignment_bytes;
    for (const auto& [in, out] : list_) {
      widest = std::max({widest, in, out});
      bytes += static_cast<size_t>(in * out) * 2 + Arena::alignment_bytes;
    }
    arena_.reserve(bytes + 2 * (static_cast<size_t>(rows * widest) * 2 + Arena::alignment_bytes));
    for (const auto& [in, out] : list_) weights_.push_back(filled(in * out, 0.035f));
    const Arena::Region region = arena_.largest_block();
    workspace_ = arena_.take(workspace_bytes);
    x_ = filled(rows * widest, 1);
    y_ = filled(rows * widest, 1);
    products_ = std::make_unique<Products>(stream_.get(), workspace_, workspace_bytes, device.sms);
    const Tuner tuner(stream_.get(), *products_, region, device.l2_bytes);
    for (size_t i = 0; i < list_.size(); ++i)
      if (!plans_.contains(list_[i])) plans_[list_[i]] = tuner.best(key(i), operands(i), workspace_);
    graph_ = capture(stream_.get(), "floor", [this] {
      for (size_t i = 0; i < list_.size(); ++i) products_->run(key(i), plans_[list_[i]], operands(i));
    });
  }

  // One pass, by the host clock.
  double run_ms() {
    const int64_t begin_ns = now_ns();
    COTENANT_CUDA("floor", cudaGraphLaunch(graph_.get(), stream_.get()));
    while (cudaStreamQuery(stream_.get()) == cudaErrorNotReady) {
    }
    COTENANT_CUDA("floor", cudaStreamQuery(stream_.get()));
    return ns_to_ms(now_ns() - begin_ns);
  }

  double weight_bytes() const {
    double bytes = 0;
    for (const auto& [in, out] : list_) bytes += 2.0 * static_cast<double>(in * out);
    return bytes;
  }

 private:
  void* filled(int64_t count, float half_width) {
    void* data = arena_.take(static_cast<size_t>(count) * 2);
    launch_generate(stream_.get(), {.to = data, .dtype = Dtype::f16, .rows = 1, .columns = count},
                    {.key = static_cast<uint64_t>(count), .mean = 0, .half_width = half_width});
    return data;
  }
  ProductKey key(size_t i) const {
    return {.dtype = Dtype::f16, .rows = rows_, .in = list_[i].first, .columns = list_[i].second};
  }
  ProductOperands operands(size_t i) const { return {.y = y_, .w = weights_[i], .x = x_, .out = list_[i].second}; }

  int64_t rows_;
  std::vector<std::pair<int64_t, int64_t>> list_;
  Stream stream_;
  Arena arena_;
  std::vector<void*> weights_;
  void *workspace_ = nullptr, *x_ = nullptr, *y_ = nullptr;
  std::unique_ptr<Products> products_;
  std::map<std::pair<int64_t, int64_t>, Plan> plans_;
  GraphExec graph_;
};

void print(const nlohmann::json& line) {
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

void run_case(const DeviceFacts& device, const TimingOptions& timing, const std::string& text) {
  const BenchCase bench = parse_case(text);
  const ModelSpec spec = open_bench_model(bench).spec;
  const int64_t rows = bench.max_new_tokens > 0 ? bench.rows : bench.rows * bench.seq_len;
  Floor floor(device, spec, rows);
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
  app.add_option("cases", cases, "model:rows:seq_len[:max_new_tokens]")->required();
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
