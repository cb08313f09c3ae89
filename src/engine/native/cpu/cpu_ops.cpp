#include "engine/native/cpu/cpu_ops.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <limits>

#include "base/error.h"
#include "engine/native/cpu/buffer.h"
#include "engine/native/cpu/cpu_program.h"
#include "engine/native/cpu/dispatch.h"
#include "engine/native/cpu/parallel.h"
#include "engine/native/cpu/product.h"
#include "engine/native/cpu/product_ways.h"
#include "engine/native/cpu/sources.h"
#include "engine/native/cpu/widened_product.h"

namespace cotenant {
namespace {

constexpr int64_t upload_piece = 4096;  // elements converted at once

class CpuOps : public Ops {
 public:
  explicit CpuOps(const OpsOptions& options) : options_(options) {
    if (!cpu_computes_in(options.dtype))
      throw usage_error("dtype", fmt::format("this CPU cannot compute in {}", to_string(options.dtype)),
                        "Use float32; bfloat16 needs AVX-512, and float16 a GPU.");
    omp_set_num_threads(options.threads);
  }

  Dtype dtype() const override { return options_.dtype; }
  MemoryNeed memory() const override { return need_; }

  Tensor allocate(Dtype dtype, Shape shape) override {
    const Tensor tensor = place(dtype, shape, need_.activation_bytes);
    if (!tensor.data) return tensor;
    buffers_.back().touch();
    activations_.push_back(tensor);
    return tensor;
  }

  Tensor constant(Dtype dtype, Shape shape, const void* host_values) override {
    const Tensor tensor = place(dtype, shape, need_.activation_bytes);
    if (tensor.data) std::memcpy(tensor.data, host_values, bytes_of(tensor));
    return tensor;
  }

  Tensor upload(const TensorSource& source) override {
    Shape shape{1, 1, 1, 1};
    std::copy(source.shape.begin(), source.shape.end(), shape.begin());
    const Tensor tensor = place(dtype(), shape, need_.weights_bytes);
    if (!tensor.data) return tensor;
    const int64_t count = source.elements();
    parallel_for_throwing((count + upload_piece - 1) / upload_piece, [&](int64_t i) {
      const int64_t first = i * upload_piece;
      const int64_t n = std::min(upload_piece, count - first);
      float piece[upload_piece];
      read_source(source, first, n, piece);
      kernels_.narrow(static_cast<std::byte*>(tensor.data) + static_cast<size_t>(first) * size_of(dtype()), piece, n);
    });
    return tensor;
  }

  Weight pack(const LinearSource& source) override {
    PackedWeight weight = plan_weight(engine_, source.in, source.out, !source.biases.empty(), dtype());
    need_.weights_bytes += weight.bytes();
    if (!options_.dry_run) fill_weight(engine_, weight, source);
    weights_.push_back(std::move(weight));
    return {.in = source.in, .out = source.out, .padded_out = source.out, .pack = &weights_.back()};
  }

  TokenRing make_ring(int64_t slots, int64_t rows) override {
    return {.slots = allocate(Dtype::i32, {slots, rows, 1, 1}), .count = allocate(Dtype::i32, {1, 1, 1, 1})};
  }

  void write(const Tensor& tensor, std::span<const int32_t> values) override {
    if (static_cast<int64_t>(values.size()) != tensor.elements())
      throw internal_error("CpuOps::write", "the tensor has another size");
    std::memcpy(tensor.data, values.data(), values.size_bytes());
  }

  std::vector<float> read(const Tensor& tensor) override {
    while (!queue_.empty()) queue_.run_oldest();
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    for (size_t i = 0; i < values.size(); ++i) {
      if (tensor.dtype == Dtype::bf16) values[i] = bf16_to_float(static_cast<const uint16_t*>(tensor.data)[i]);
      if (tensor.dtype == Dtype::f32) values[i] = static_cast<const float*>(tensor.data)[i];
      if (tensor.dtype == Dtype::i32) values[i] = static_cast<float>(static_cast<const int32_t*>(tensor.data)[i]);
    }
    return values;
  }

  void poison() override {
    for (const Tensor& tensor : activations_)
      if (tensor.dtype != Dtype::i32) std::memset(tensor.data, 0xff, bytes_of(tensor));  // a NaN in any float format
  }

  // oneDNN chooses by itself, but for the question whether bfloat16 is better multiplied in float32.
  void tune(const std::function<void()>& pass) override {
    if (dtype() != Dtype::bf16 || options_.dry_run) return;
    omp_set_num_threads(options_.threads);
    CpuProgram unused(queue_, options_.threads);
    recording_ = &unused;
    tuning_ = true;
    pass();
    tuning_ = false;
    recording_ = nullptr;
    ways_.save();
  }
  bool first_run_is_slow() const override { return false; }
  bool runs_beside_host() const override { return false; }

  std::unique_ptr<Program> record(const std::function<void()>& pass, const std::string&) override {
    auto program = std::make_unique<CpuProgram>(queue_, options_.threads);
    recording_ = program.get();
    workspace_bytes_ = 0;
    pass();
    recording_ = nullptr;
    need_.activation_bytes += Buffer::rounded(workspace_bytes_);
    if (options_.dry_run) return nullptr;
    program->set_workspace(workspace_bytes_);
    return program;
  }

  void embed(const Tensor& y, const Embedding& table, const Tensor& ids, const Tensor& positions) override {
    const EmbedArgs args{.y = y.data,
                         .tokens = table.tokens.data,
                         .positions = table.positions.data,
                         .type = table.type.data,
                         .ids = integers(ids),
                         .position_of = integers(positions),
                         .position_offset = table.position_offset,
                         .hidden = y.shape[1]};
    add_ranges(y.shape[0], y.shape[1], [this, args](int64_t a, int64_t b) { kernels_.embed(args, a, b); });
    if (table.norm.scale) norm(y, y, table.norm);
  }

  void norm(const Tensor& y, const Tensor& x, const Norm& norm) override {
    const NormArgs args{.y = y.data,
                        .x = x.data,
                        .kind = norm.kind,
                        .eps = norm.eps,
                        .scale = norm.scale.data,
                        .shift = norm.shift.data,
                        .width = x.shape[1]};
    add_ranges(y.shape[0], x.shape[1], [this, args](int64_t a, int64_t b) { kernels_.norm(args, a, b); });
  }

  void linear(const Tensor& y, const Weight& weight, const Tensor& x, Activation activation, bool accumulate) override {
    const auto& packed = *static_cast<const PackedWeight*>(weight.pack);
    if (packed.dtype != Dtype::bf16) return add_product<Product>(packed, y, x, activation, accumulate);
    const ProductShape shape{x.shape[0], packed.in, packed.out, y.dtype, accumulate};
    if (tuning_) return time_ways(shape, packed, y, x, activation, accumulate);
    // The need is counted before anything is timed: room for either way.
    Tensor no_y = y, no_x = x;
    no_y.data = no_x.data = nullptr;
    need_workspace(WidenedProduct(engine_, packed, no_y, no_x, activation, accumulate).workspace_bytes());
    need_workspace(Product(engine_, packed, no_y, no_x, activation, accumulate).workspace_bytes());
    if (options_.dry_run) return;
    if (ways_.find(shape) == ProductWay::widened)
      add_product<WidenedProduct>(packed, y, x, activation, accumulate);
    else
      add_product<Product>(packed, y, x, activation, accumulate);
  }

  void gate(const Tensor& y, const Tensor& x, Activation activation) override {
    if (activation != Activation::silu) throw internal_error("CpuOps::gate", "knows no other activation than silu");
    const GateArgs args{.y = y.data, .x = x.data, .width = y.shape[1]};
    add_ranges(y.shape[0], y.shape[1], [this, args](int64_t a, int64_t b) { kernels_.gate_silu(args, a, b); });
  }

  void transform_qkv(const Tensor& qkv, const Tensor& positions, const QkTransform& transform, const KvCache& cache,
                     const Attention& attention) override {
    const TransformArgs args{.qkv = qkv.data,
                             .position_of = integers(positions),
                             .rope = static_cast<const float*>(transform.rope.data),
                             .q_norm = transform.q_norm.scale.data,
                             .k_norm = transform.k_norm.scale.data,
                             .eps = transform.q_norm.eps,
                             .k_cache = cache.k.data,
                             .v_cache = cache.v.data,
                             .capacity = cache ? cache.capacity() : 0,
                             .cache_rows = rows_of(cache, qkv.shape[0]),
                             .heads = attention.heads,
                             .kv_heads = attention.kv_heads,
                             .head_dim = attention.head_dim};
    add_ranges(qkv.shape[0], qkv.shape[1], [this, args](int64_t a, int64_t b) { kernels_.transform_qkv(args, a, b); });
  }

  void attend(const Tensor& y, const Tensor& qkv, int64_t rows, const Attention& attention) override {
    const AttendArgs args{.y = y.data,
                          .qkv = qkv.data,
                          .length = qkv.shape[0] / rows,
                          .heads = attention.heads,
                          .kv_heads = attention.kv_heads,
                          .head_dim = attention.head_dim,
                          .causal = attention.causal,
                          .window = attention.window,
                          .scale = attention.scale};
    const int64_t pieces = (args.length + attend_queries - 1) / attend_queries;
    const size_t floats = need_scratch(attend_floats(args.head_dim));
    add([this, args, rows, pieces, floats](std::byte* workspace) {
      // The longest pieces, at a row's end, come first, so that none of them is begun last.
      parallel_for_uneven(rows * args.heads * pieces, [&](int64_t i) {
        const int64_t piece = pieces - 1 - i / (rows * args.heads), head = i % args.heads;
        const int64_t row = i / args.heads % rows, first = piece * attend_queries;
        kernels_.attend(args, row, head, first, std::min(first + attend_queries, args.length),
                        scratch_of_thread(workspace, floats));
      });
    });
  }

  // A token at a time: prompts in pieces are short beside their products.
  void attend_pieces(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                     const Attention& attention) override {
    attend_cached(y, qkv, cache, positions, attention);
  }

  void attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                     const Attention& attention) override {
    const int64_t tokens = y.shape[0];
    const AttendCachedArgs args{.y = y.data,
                                .qkv = qkv.data,
                                .k_cache = cache.k.data,
                                .v_cache = cache.v.data,
                                .capacity = cache.capacity(),
                                .position_of = integers(positions),
                                .cache_rows = rows_of(cache, tokens),
                                .heads = attention.heads,
                                .kv_heads = attention.kv_heads,
                                .head_dim = attention.head_dim,
                                .window = attention.window,
                                .scale = attention.scale};
    const size_t floats = need_scratch(args.capacity + args.head_dim);
    add([this, args, tokens, floats](std::byte* workspace) {
      parallel_for(tokens * args.kv_heads, [&](int64_t i) {
        kernels_.attend_cached(args, i / args.kv_heads, i % args.kv_heads, scratch_of_thread(workspace, floats));
      });
    });
  }

  void last_rows(const Tensor& y, const Tensor& x) override {
    const int64_t rows = y.shape[0], length = x.shape[0] / rows;
    const size_t bytes = bytes_of(y) / static_cast<size_t>(rows);
    add([y, x, rows, length, bytes](std::byte*) {
      for (int64_t r = 0; r < rows; ++r)
        std::memcpy(static_cast<std::byte*>(y.data) + static_cast<size_t>(r) * bytes,
                    static_cast<const std::byte*>(x.data) + static_cast<size_t>((r + 1) * length - 1) * bytes, bytes);
    });
  }

  void gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) override {
    const size_t bytes = bytes_of(y) / static_cast<size_t>(y.shape[0]);
    add([y, x, bytes, row_of = integers(rows)](std::byte*) {
      for (int64_t r = 0; r < y.shape[0]; ++r)
        std::memcpy(static_cast<std::byte*>(y.data) + static_cast<size_t>(r) * bytes,
                    static_cast<const std::byte*>(x.data) + static_cast<size_t>(row_of[r]) * bytes, bytes);
    });
  }

  void argmax(const Tensor& ids, const Tensor& logits, int64_t vocab) override {
    const size_t row_bytes = static_cast<size_t>(logits.shape[1]) * size_of(logits.dtype);
    add([this, ids, logits, vocab, row_bytes](std::byte*) {
      parallel_for(ids.shape[0], [&](int64_t r) {
        const auto* row = static_cast<const std::byte*>(logits.data) + static_cast<size_t>(r) * row_bytes;
        static_cast<int32_t*>(ids.data)[r] = kernels_.argmax(row, vocab);
      });
    });
  }

  void set_positions(const Tensor& positions, int32_t value) override {
    add([positions, value](std::byte*) {
      std::fill_n(static_cast<int32_t*>(positions.data), positions.elements(), value);
    });
  }

  void advance(const Tensor& positions, const Tensor& ids, const TokenRing& ring) override {
    add([positions, ids, ring](std::byte*) {
      auto& count = *static_cast<uint32_t*>(ring.count.data);
      const int64_t slot = count % static_cast<uint32_t>(ring.slots.shape[0]);
      std::copy_n(static_cast<const int32_t*>(ids.data), ids.shape[0],
                  static_cast<int32_t*>(ring.slots.data) + slot * ring.slots.shape[1]);
      ++count;
      for (int64_t r = 0; r < positions.elements(); ++r) ++static_cast<int32_t*>(positions.data)[r];
    });
  }

 private:
  // `tokens`: of the pass.
  static CacheRows rows_of(const KvCache& cache, int64_t tokens) {
    return {.tokens_per_sequence = cache ? tokens / cache.sequences() : tokens, .row_of = integers(cache.row_of)};
  }
  static const int32_t* integers(const Tensor& tensor) { return static_cast<const int32_t*>(tensor.data); }
  static size_t bytes_of(const Tensor& tensor) {
    return static_cast<size_t>(tensor.elements()) * size_of(tensor.dtype);
  }
  static float* scratch_of_thread(std::byte* workspace, size_t floats) {
    return reinterpret_cast<float*>(workspace) + static_cast<size_t>(omp_get_thread_num()) * floats;
  }

  // Memory for a tensor, counted into `total`.
  Tensor place(Dtype dtype, Shape shape, size_t& total) {
    Tensor tensor{.data = nullptr, .dtype = dtype, .shape = shape};
    const size_t bytes = bytes_of(tensor);
    total += Buffer::rounded(bytes);
    if (options_.dry_run) return tensor;
    buffers_.emplace_back(bytes);
    tensor.data = buffers_.back().data();
    return tensor;
  }

  void add(CpuProgram::Step step) { recording_->add(std::move(step)); }

  template <typename AnyProduct>
  void add_product(const PackedWeight& weight, const Tensor& y, const Tensor& x, Activation activation,
                   bool accumulate) {
    auto product = std::make_shared<const AnyProduct>(engine_, weight, y, x, activation, accumulate);
    need_workspace(product->workspace_bytes());
    add([this, product](std::byte* workspace) { product->run(stream_.get(), workspace); });
  }

  // On the addresses of the pass, whose activations are then anything.
  void time_ways(const ProductShape& shape, const PackedWeight& weight, const Tensor& y, const Tensor& x,
                 Activation activation, bool accumulate) {
    if (ways_.find(shape)) return;
    const Product native(engine_, weight, y, x, activation, accumulate);
    const WidenedProduct widened(engine_, weight, y, x, activation, accumulate);
    const Buffer workspace(std::max(native.workspace_bytes(), widened.workspace_bytes()));
    const auto time_ms = [&](const auto& product) {
      const auto start = std::chrono::steady_clock::now();
      product.run(stream_.get(), workspace.data());
      return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    };
    time_ms(native), time_ms(widened);  // pages and code
    double native_ms = std::numeric_limits<double>::infinity(), widened_ms = native_ms;
    // In turns, so that both see the same machine; the least time is the one that nobody disturbed. What is several
    // times slower needs no second look.
    for (int round = 0; round < 5; ++round) {
      if (round > 0 && std::max(native_ms, widened_ms) > 4 * std::min(native_ms, widened_ms)) break;
      native_ms = std::min(native_ms, time_ms(native));
      widened_ms = std::min(widened_ms, time_ms(widened));
    }
    ways_.add(shape, native_ms, widened_ms);
  }

  // A step that is split into ranges of rows; `width` elements are the work of a row.
  template <typename Function>
  void add_ranges(int64_t rows, int64_t width, Function function) {
    const int64_t least = std::max<int64_t>(1, 4096 / width);  // about a microsecond's work
    add([rows, least, threads = int64_t{options_.threads}, function](std::byte*) {
      parallel_ranges(rows, least, threads, function);
    });
  }

  void need_workspace(size_t bytes) { workspace_bytes_ = std::max(workspace_bytes_, bytes); }
  // Workspace of so many floats for each thread; returns their distance, rounded to cache lines.
  size_t need_scratch(int64_t floats) {
    const size_t bytes = Buffer::rounded(static_cast<size_t>(floats) * sizeof(float));
    need_workspace(bytes * static_cast<size_t>(options_.threads));
    return bytes / sizeof(float);
  }

  const OpsOptions options_;
  const TypedKernels& kernels_ = cpu_kernels().of(options_.dtype);
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  MemoryNeed need_;
  std::vector<Buffer> buffers_;
  std::vector<Tensor> activations_;
  std::deque<PackedWeight> weights_;  // addresses must last
  CpuQueue queue_;
  CpuProgram* recording_ = nullptr;
  bool tuning_ = false;
  ProductWays ways_{options_.threads};
  size_t workspace_bytes_ = 0;  // of the program being recorded
};

}  // namespace

bool cpu_computes_in(Dtype dtype) {
  if (dtype != Dtype::bf16) return dtype == Dtype::f32;
  return can_multiply(dnnl::engine(dnnl::engine::kind::cpu, 0), dtype);
}

std::unique_ptr<Ops> make_cpu_ops(const OpsOptions& options) {
  return std::make_unique<CpuOps>(options);
}

}  // namespace cotenant
