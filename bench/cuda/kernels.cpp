// Times the CUDA kernels for attention and products at the shapes of the models that matter, and says how near they
// come to what the device can do. Each measurement is one graph of launches, as in a decode step, on weights that
// rotate through more memory than L2 holds.
//
//   bench_cuda_kernels [gemv|plans|products|prefill|decode]...
//
// default: all but plans, which times every way to cut a product of few rows
#include <cuda_runtime.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/native/cuda/attention_decode.h"
#include "engine/native/cuda/attention_prefill.h"
#include "engine/native/cuda/attention_prefill_paths.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/gemv.h"
#include "engine/native/cuda/product.h"
#include "engine/native/cuda/product_hopper.h"
#include "engine/native/cuda/stream.h"
#include "engine/native/cuda/tuner.h"

namespace cotenant {
namespace {

constexpr size_t pool_bytes = size_t{1} << 30, piece_bytes = size_t{1} << 24, hot_bytes = size_t{1} << 29;

// Device memory full of random numbers of f16: zeros would take less power and run faster.
class Pool {
 public:
  Pool() {
    COTENANT_CUDA("bench", cudaMalloc(&data_, pool_bytes + hot_bytes));
    std::mt19937 engine(1);
    std::normal_distribution<float> distribution(0, 0.1f);
    std::vector<uint16_t> values(piece_bytes / 2);
    for (uint16_t& v : values) v = float_to_f16(distribution(engine));
    for (size_t at = 0; at < pool_bytes + hot_bytes; at += piece_bytes)
      COTENANT_CUDA("bench", cudaMemcpy(data_ + at, values.data(), piece_bytes, cudaMemcpyHostToDevice));
  }
  ~Pool() { cudaFree(data_); }
  // Always the same bytes, for activations: in a model the kernel before has just written them.
  void* hot(size_t offset) { return data_ + pool_bytes + offset; }
  // The next `bytes` of the pool.
  void* next(size_t bytes) {
    if (offset_ + bytes > pool_bytes) offset_ = 0;
    void* at = data_ + offset_;
    offset_ += (bytes + 255) / 256 * 256;
    return at;
  }

 private:
  unsigned char* data_ = nullptr;
  size_t offset_ = 0;
};

// Microseconds of one of `launches` calls of `work` in a graph: the median of several replays.
double time_us(int launches, const std::function<void(cudaStream_t)>& work) {
  cudaStream_t stream;
  COTENANT_CUDA("bench", cudaStreamCreate(&stream));
  cudaGraph_t graph;
  cudaGraphExec_t program;
  work(stream);  // sets attributes, loads modules
  COTENANT_CUDA("bench", cudaStreamSynchronize(stream));
  COTENANT_CUDA("bench", cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < launches; ++i) work(stream);
  COTENANT_CUDA("bench", cudaStreamEndCapture(stream, &graph));
  COTENANT_CUDA("bench", cudaGraphInstantiate(&program, graph, 0));
  cudaEvent_t begin, end;
  COTENANT_CUDA("bench", cudaEventCreate(&begin));
  COTENANT_CUDA("bench", cudaEventCreate(&end));
  std::vector<float> times;
  for (int i = 0; i < 12; ++i) {
    COTENANT_CUDA("bench", cudaEventRecord(begin, stream));
    COTENANT_CUDA("bench", cudaGraphLaunch(program, stream));
    COTENANT_CUDA("bench", cudaEventRecord(end, stream));
    COTENANT_CUDA("bench", cudaEventSynchronize(end));
    float ms = 0;
    COTENANT_CUDA("bench", cudaEventElapsedTime(&ms, begin, end));
    if (i >= 3) times.push_back(ms);
  }
  COTENANT_CUDA("bench", cudaEventDestroy(begin));
  COTENANT_CUDA("bench", cudaEventDestroy(end));
  COTENANT_CUDA("bench", cudaGraphExecDestroy(program));
  COTENANT_CUDA("bench", cudaGraphDestroy(graph));
  COTENANT_CUDA("bench", cudaStreamDestroy(stream));
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2] * 1000.0 / launches;
}

int multiprocessors() {
  int device = 0, count = 0;
  COTENANT_CUDA("bench", cudaGetDevice(&device));
  COTENANT_CUDA("bench", cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device));
  return count;
}

struct ProductShape {
  const char* name;
  int64_t in, out;
  bool gated = false;
};

constexpr ProductShape product_shapes[] = {
    {"distilgpt2 qkv", 768, 2304},
    {"distilgpt2 attn_out", 768, 768},
    {"distilgpt2 ffn_in", 768, 3072},
    {"distilgpt2 ffn_out", 3072, 768},
    {"distilgpt2 head", 768, 50304},
    {"Llama-3.2-3B qkv", 3072, 5120},
    {"Llama-3.2-3B attn_out", 3072, 3072},
    {"Llama-3.2-3B gate, up", 3072, 16384, true},
    {"Llama-3.2-3B ffn_out", 8192, 3072},
    {"Llama-3.2-3B head", 3072, 128256},
    {"Mistral-7B qkv", 4096, 6144},
    {"Mistral-7B attn_out", 4096, 4096},
    {"Mistral-7B gate, up", 4096, 28672, true},
    {"Mistral-7B ffn_out", 14336, 4096},
    {"Mistral-7B head", 4096, 32000},
};

Gemv make_gemv(Pool& pool, const ProductShape& shape, int64_t rows, bool normed = false) {
  return {.dtype = Dtype::f16,
          .y = pool.hot(0),
          .w = pool.next(static_cast<size_t>(shape.in * shape.out) * 2),
          .x = pool.hot(hot_bytes / 2),
          .rows = rows,
          .in = shape.in,
          .out = shape.out,
          .padded_out = shape.out,
          .activation = shape.gated ? Activation::silu : Activation::none,
          .gated = shape.gated,
          .norm = {.kind = NormKind::rms,
                   .eps = 1e-5f,
                   .scale = normed ? Tensor{pool.hot(hot_bytes / 4), Dtype::f16, {shape.in, 1, 1, 1}} : Tensor{},
                   .shift = {}}};
}

double time_gemv(Pool& pool, const ProductShape& shape, int64_t rows, const GemvPlan* plan, bool normed = false) {
  const auto bytes = static_cast<double>(shape.in * shape.out) * 2;
  const int launches = std::clamp(static_cast<int>(1e9 / bytes), 8, 100);
  return time_us(launches, [&](cudaStream_t stream) {
    const Gemv gemv = make_gemv(pool, shape, rows, normed);
    if (plan) {
      launch_gemv(stream, gemv, *plan);
    } else {
      launch_gemv(stream, gemv);
    }
  });
}

void bench_gemv(Pool& pool) {
  fmt::print("{:<24}{:>5}{:>10}{:>10}{:>14}\n", "product", "rows", "us", "GB/s", "us with norm");
  for (const ProductShape& shape : product_shapes) {
    const auto bytes = static_cast<double>(shape.in * shape.out) * 2;
    for (const int64_t rows : {1, 8, 16}) {
      const double us = time_gemv(pool, shape, rows, nullptr);
      fmt::print("{:<24}{:>5}{:>10.2f}{:>10.0f}{:>14.2f}\n", shape.name, rows, us, bytes / us / 1000,
                 time_gemv(pool, shape, rows, nullptr, true));
    }
  }
}

void bench_plans(Pool& pool) {
  fmt::print("{:<24}{:>5}  us: tiles x warps x stages, the fastest first\n", "product", "rows");
  for (const ProductShape& shape : product_shapes)
    for (const int64_t rows : {1, 4, 8, 16}) {
      std::vector<std::pair<double, std::string>> results;
      for (const GemvPlan& plan : gemv_plans()) {
        if (!gemv_plan_fits(plan, rows, false)) continue;
        results.emplace_back(time_gemv(pool, shape, rows, &plan),
                             fmt::format("{}x{}x{}", plan.tiles, plan.warps, plan.stages));
      }
      std::sort(results.begin(), results.end());
      fmt::print("{:<24}{:>5}", shape.name, rows);
      for (const auto& [us, name] : results) fmt::print("  {} {:.2f}", name, us);
      fmt::print("\n");
    }
}

// Products of 1024 rows by the library's fastest algorithm, with kernels of their own for what it cannot do, and by
// each of our own ways.
void bench_products(Pool& pool) {
  struct Case {
    const char* name;
    int64_t in, out;
    Activation activation;
    bool bias, gated, accumulate = false;
  };
  constexpr Case cases[] = {{"distilbert qkv", 768, 2304, Activation::none, true, false},
                            {"distilbert attn_out", 768, 768, Activation::none, true, false, true},
                            {"distilbert ffn_out", 3072, 768, Activation::none, true, false, true},
                            {"roberta-large attn_out", 1024, 1024, Activation::none, true, false, true},
                            {"roberta-large ffn_out", 4096, 1024, Activation::none, true, false, true},
                            {"distilbert ffn_in", 768, 3072, Activation::gelu_erf, true, false},
                            {"distilgpt2 ffn_in", 768, 3072, Activation::gelu_tanh, true, false},
                            {"roberta-large qkv", 1024, 3072, Activation::none, true, false},
                            {"roberta-large ffn_in", 1024, 4096, Activation::gelu_erf, true, false},
                            {"Llama-3.2-3B qkv", 3072, 5120, Activation::none, false, false},
                            {"Llama-3.2-3B gate, up", 3072, 16384, Activation::silu, false, true},
                            {"Mistral-7B gate, up", 4096, 28672, Activation::silu, false, true}};
  constexpr size_t workspace_bytes = size_t{32} << 20;
  const DeviceMemory workspace = allocate_device(workspace_bytes);
  const Stream stream = make_stream();
  const Products products(stream.get(), workspace.get(), workspace_bytes, multiprocessors());
  for (const Case& c : cases) {
    const ProductKey key{.dtype = Dtype::f16,
                         .rows = 1024,
                         .in = c.in,
                         .columns = c.out,
                         .activation = c.activation,
                         .bias = c.bias,
                         .accumulate = c.accumulate,
                         .gated = c.gated};
    std::map<std::string, double> best;
    for (const Plan& plan : products.candidates(key)) {
      const std::string way =
          plan.method == Plan::Method::hopper
              ? fmt::format("{} columns",
                            hopper_plans(key.gated, key.accumulate)[static_cast<size_t>(plan.variant)].tile_columns)
              : "cuBLASLt";
      double us = std::numeric_limits<double>::infinity();
      try {
        TimedGraph graph(stream.get(), 20, [&](int) {
          products.run(key, plan,
                       {.y = pool.hot(0),
                        .w = pool.next(key.weight_bytes()),
                        .bias = pool.hot(hot_bytes / 4),
                        .x = pool.hot(hot_bytes / 2),
                        .out = c.out,
                        .wide = pool.hot(hot_bytes / 2 + hot_bytes / 4)});
        });
        for (int i = 0; i < 6; ++i) us = std::min(us, graph.run_us());
      } catch (const Error&) {  // the library names algorithms that it then refuses
        continue;
      }
      best[way] = best.contains(way) ? std::min(best[way], us) : us;
    }
    fmt::print("{:<24}", c.name);
    for (const auto& [way, us] : best) fmt::print("  {} {:.2f} us", way, us);
    fmt::print("\n");
  }
}

struct AttentionShape {
  const char* name;
  int64_t rows, length;
  Attention attention;
};

Attention make_attention(int64_t heads, int64_t kv_heads, int64_t head_dim, bool causal) {
  return {.heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .causal = causal, .scale = 0.1f};
}

void bench_prefill(Pool& pool) {
  const AttentionShape shapes[] = {
      {"distilgpt2", 8, 128, make_attention(12, 12, 64, true)},
      {"distilbert", 8, 128, make_attention(12, 12, 64, false)},
      {"roberta-large", 8, 128, make_attention(16, 16, 64, false)},
      {"Llama-3.2-3B", 8, 128, make_attention(24, 8, 128, true)},
      {"Mistral-7B", 8, 128, make_attention(32, 8, 128, true)},
      {"Mistral-7B", 1, 2048, make_attention(32, 8, 128, true)},
      {"Mistral-7B", 8, 2048, make_attention(32, 8, 128, true)},
      {"roberta-large", 8, 512, make_attention(16, 16, 64, false)},
  };
  fmt::print("{:<16}{:>5}{:>8}{:>10}{:>10}{:>10}\n", "attention", "rows", "length", "kernel", "us", "TFLOP/s");
  for (const AttentionShape& s : shapes) {
    const int64_t tokens = s.rows * s.length;
    void* y = pool.hot(0);
    const void* qkv = pool.hot(hot_bytes / 2);
    const double flop =
        4.0 * static_cast<double>(tokens * s.length * s.attention.width()) * (s.attention.causal ? 0.5 : 1);
    const auto report = [&](const char* kernel, const std::function<void(cudaStream_t)>& work) {
      const double us = time_us(20, work);
      fmt::print("{:<16}{:>5}{:>8}{:>10}{:>10.2f}{:>10.1f}\n", s.name, s.rows, s.length, kernel, us, flop / us / 1e6);
    };
    const PrefillArguments arguments = make_prefill_arguments(y, qkv, s.rows, s.length, s.attention);
    report("chosen", [&](cudaStream_t stream) {
      launch_attention_prefill(stream, Dtype::f16, y, qkv, s.rows, s.length, s.attention);
    });
    report("mma", [&](cudaStream_t stream) { launch_attention_prefill_mma(stream, Dtype::f16, arguments); });
    if (attention_prefill_hopper_supported(Dtype::f16, arguments))
      report("hopper", [&](cudaStream_t stream) { launch_attention_prefill_hopper(stream, Dtype::f16, arguments); });
  }
}

void bench_decode(Pool& pool) {
  const AttentionShape shapes[] = {
      {"distilgpt2", 8, 192, make_attention(12, 12, 64, true)},
      {"Llama-3.2-3B", 1, 192, make_attention(24, 8, 128, true)},
      {"Llama-3.2-3B", 8, 192, make_attention(24, 8, 128, true)},
      {"Mistral-7B", 1, 192, make_attention(32, 8, 128, true)},
      {"Mistral-7B", 8, 192, make_attention(32, 8, 128, true)},
      {"Mistral-7B", 1, 2112, make_attention(32, 8, 128, true)},
      {"Mistral-7B", 8, 2112, make_attention(32, 8, 128, true)},
  };
  fmt::print("{:<16}{:>5}{:>8}{:>10}{:>10}\n", "decode", "rows", "cache", "us", "GB/s");
  for (const AttentionShape& s : shapes) {
    const Attention& a = s.attention;
    const std::vector<int32_t> host(static_cast<size_t>(s.rows), static_cast<int32_t>(s.length - 1));
    int32_t* positions = nullptr;
    COTENANT_CUDA("bench", cudaMalloc(&positions, host.size() * 4));
    COTENANT_CUDA("bench", cudaMemcpy(positions, host.data(), host.size() * 4, cudaMemcpyHostToDevice));
    void* workspace = nullptr;
    const size_t workspace_bytes = attention_decode_workspace_bytes(s.rows, a, s.length);
    COTENANT_CUDA("bench", cudaMalloc(&workspace, workspace_bytes));
    COTENANT_CUDA("bench", cudaMemset(workspace, 0, workspace_bytes));
    const size_t cache_bytes = static_cast<size_t>(s.rows * a.kv_heads * s.length * a.head_dim) * 2;
    void* y = pool.hot(0);
    const void* qkv = pool.hot(hot_bytes / 2);
    const double us = time_us(100, [&](cudaStream_t stream) {
      const Shape shape{s.rows, a.kv_heads, s.length, a.head_dim};
      const KvCache cache{.k = {pool.next(cache_bytes), Dtype::f16, shape},
                          .v = {pool.next(cache_bytes), Dtype::f16, shape}};
      launch_attention_decode(stream, Dtype::f16, y, qkv, cache, positions, a, workspace);
    });
    fmt::print("{:<16}{:>5}{:>8}{:>10.2f}{:>10.0f}\n", s.name, s.rows, s.length, us,
               2.0 * static_cast<double>(cache_bytes) / us / 1000);
    cudaFree(positions);
    cudaFree(workspace);
  }
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  std::set<std::string> wanted(argv + 1, argv + argc);
  if (wanted.empty()) wanted = {"gemv", "products", "prefill", "decode"};
  try {
    cotenant::Pool pool;
    if (wanted.contains("gemv")) cotenant::bench_gemv(pool);
    if (wanted.contains("plans")) cotenant::bench_plans(pool);
    if (wanted.contains("products")) cotenant::bench_products(pool);
    if (wanted.contains("prefill")) cotenant::bench_prefill(pool);
    if (wanted.contains("decode")) cotenant::bench_decode(pool);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
