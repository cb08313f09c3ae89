#include "engine/native/cuda/cuda_ops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <ranges>

#include "base/error.h"
#include "engine/native/cuda/attention_decode.h"
#include "engine/native/cuda/attention_prefill.h"
#include "engine/native/cuda/division.h"
#include "engine/native/cuda/elementwise.h"
#include "engine/native/cuda/embed.h"
#include "engine/native/cuda/gemv.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/program.h"
#include "engine/native/cuda/qkv_transform.h"
#include "engine/native/cuda/stream.h"
#include "engine/native/cuda/tokens.h"
#include "engine/native/cuda/tuner.h"

namespace cotenant {
namespace {

// What NVIDIA recommends for Hopper; smaller devices need less and lose little by it.
constexpr size_t workspace_bytes = size_t{32} << 20;
static_assert(workspace_bytes >= WeightLoader::device_staging_bytes);

// The library is fast where a matrix has a multiple of 64 or 128 rows (a vocabulary of 50257 costs 6 times as much).
constexpr int64_t row_multiple = 128;

int64_t padded(int64_t rows) {
  return (rows + row_multiple - 1) / row_multiple * row_multiple;
}

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.elements()) * size_of(tensor.dtype);
}

float float_at(const std::byte* data, Dtype dtype, size_t i) {
  auto value = [&]<typename T>(T like) {
    std::memcpy(&like, data + i * sizeof(T), sizeof(T));
    return like;
  };
  switch (dtype) {
    case Dtype::f32:
      return value(float{});
    case Dtype::bf16:
      return bf16_to_float(value(uint16_t{}));
    case Dtype::f16:
      return f16_to_float(value(uint16_t{}));
    case Dtype::i32:
      return static_cast<float>(value(int32_t{}));
  }
  return 0;
}

// What a model has that no kernel is for is said before its weights are loaded: the operations of a dry run check it.

void check_attention(const Attention& attention) {
  if (attention.head_dim > attention_max_head_dim || attention.head_dim % 2 != 0)
    throw usage_error("attention", fmt::format("the CUDA engine supports even head_dim up to {}, found {}",
                                               attention_max_head_dim, attention.head_dim));
}

// About what attention takes on a Hopper chip: of so many tokens of some sequences, each to `length` others.
double attention_us(int64_t tokens, int64_t sequences, int64_t length, const Attention& attention) {
  constexpr double flops_per_us = 300e6, bytes_per_us = 2e6, launch_us = 4;
  const double flops = 4.0 * static_cast<double>(tokens * length * attention.width());
  const double bytes = 4.0 * static_cast<double>(sequences * length * attention.kv_heads * attention.head_dim);
  return launch_us + std::max(flops / flops_per_us, bytes / bytes_per_us);
}

void check_transform(Dtype dtype, const Attention& attention) {
  check_attention(attention);
  if (!qkv_transform_supported(dtype, attention.head_dim))
    throw usage_error("attention", fmt::format("the CUDA engine rotates heads of a head_dim that is a multiple of 4 "
                                               "where it is over 64, found {}",
                                               attention.head_dim));
}

void check_norm(Dtype dtype, int64_t width) {
  if (const int64_t widest = widest_norm(dtype, width); width > widest)
    throw usage_error("norm",
                      fmt::format("rows of {} values are too wide; the CUDA engine supports {}", width, widest));
}

}  // namespace

CudaOps::CudaOps(const OpsOptions& options)
    : options_(options),
      device_((options.dry_run ? examine_device : open_device)(options.device, options.share.get())),
      arena_(options.dry_run),
      cache_(device_) {
  if (!dry()) {
    stream_ = make_stream_on(options_.share.get(), options_.priority);
    if (const size_t bytes = options_.reserve.total(); bytes > 0)
      arena_.add(take_memory(options_.device, bytes, options_.memory_limit_bytes), bytes);
  }
  workspace_ = take_activations(workspace_bytes);
  if (dry()) return;
  products_ = std::make_unique<Products>(stream_.get(), workspace_, workspace_bytes, device_.sms);
  loader_ = std::make_unique<WeightLoader>(stream_.get(), device_.ordinal, workspace_);
  if (options_.yield) gates_ = std::make_unique<YieldGates>(options_.yield, options_.device);
}

// What a destructor frees may still be in use by a replay.
CudaOps::~CudaOps() {
  if (stream_) cudaStreamSynchronize(stream_.get());
}

// ---- memory ----

void* CudaOps::take_weights(size_t bytes) {
  const size_t before = arena_.taken_bytes();
  void* piece = arena_.take(bytes);
  need_.weights_bytes += arena_.taken_bytes() - before;
  return piece;
}

void* CudaOps::take_activations(size_t bytes) {
  const size_t before = arena_.taken_bytes();
  void* piece = arena_.take(bytes);
  need_.activation_bytes += arena_.taken_bytes() - before;
  if (!dry()) COTENANT_CUDA("allocate", cudaMemsetAsync(piece, 0, bytes, stream_.get()));
  return piece;
}

Tensor CudaOps::allocate(Dtype dtype, Shape shape) {
  Tensor tensor{.data = nullptr, .dtype = dtype, .shape = shape};
  tensor.data = take_activations(bytes_of(tensor));
  activations_.push_back(tensor);
  return tensor;
}

Tensor CudaOps::constant(Dtype dtype, Shape shape, const void* host_values) {
  Tensor tensor{.data = nullptr, .dtype = dtype, .shape = shape};
  tensor.data = take_weights(bytes_of(tensor));
  if (!dry()) {
    COTENANT_CUDA("constant",
                  cudaMemcpyAsync(tensor.data, host_values, bytes_of(tensor), cudaMemcpyHostToDevice, stream_.get()));
    COTENANT_CUDA("constant", cudaStreamSynchronize(stream_.get()));  // host_values need not live longer
  }
  return tensor;
}

Tensor CudaOps::upload(const TensorSource& source) {
  Tensor tensor{.data = nullptr, .dtype = dtype(), .shape = {1, 1, 1, 1}};
  std::copy(source.shape.begin(), source.shape.end(), tensor.shape.begin());
  if (source.shape.size() < 2) {
    tensor.data = take_weights(bytes_of(tensor));
    stack({source}, tensor.data, source.elements(), 1, false);
    return tensor;
  }
  // Padded like a packed matrix, so that a tied head can use it as one.
  const int64_t columns = source.shape[1];
  tensor.data = take_weights(static_cast<size_t>(padded(source.shape[0]) * columns) * size_of(dtype()));
  stack({source}, tensor.data, columns, padded(source.shape[0]), false);
  tables_.push_back({source.name, source.file, source.fill.key, tensor.data});
  return tensor;
}

void CudaOps::stack(const std::vector<TensorSource>& parts, void* to, int64_t columns, int64_t padded_rows,
                    bool transposed) {
  if (dry()) return;
  const size_t row_bytes = static_cast<size_t>(columns) * size_of(dtype());
  auto* at = static_cast<std::byte*>(to);
  for (const TensorSource& part : parts) {
    const int64_t rows = part.elements() / columns;  // of the result
    WeightPlace place{.to = at, .dtype = dtype(), .rows = rows, .columns = columns};
    if (transposed)
      place = {.to = at, .dtype = dtype(), .rows = columns, .columns = rows, .transposed = true, .total_rows = columns};
    loader_->bring(part, place);
    at += static_cast<size_t>(rows) * row_bytes;
  }
  std::byte* end = static_cast<std::byte*>(to) + static_cast<size_t>(padded_rows) * row_bytes;
  if (at < end) COTENANT_CUDA("pack", cudaMemsetAsync(at, 0, static_cast<size_t>(end - at), stream_.get()));
}

const CudaOps::Table* CudaOps::find_table(const LinearSource& source) const {
  if (source.weights.size() != 1 || source.in_out) return nullptr;
  const TensorSource& weight = source.weights.front();
  for (const Table& table : tables_)
    if (table.name == weight.name && table.file == weight.file && table.key == weight.fill.key) return &table;
  return nullptr;
}

Weight CudaOps::pack(const LinearSource& source) {
  const int64_t padded_out = padded(source.out);
  Packed packed;
  if (const Table* table = find_table(source)) {
    packed.w = table->values;
  } else {
    packed.w = take_weights(static_cast<size_t>(padded_out * source.in) * size_of(dtype()));
    stack(source.weights, packed.w, source.in, padded_out, source.in_out);
  }
  if (!source.biases.empty()) {
    packed.bias = take_weights(static_cast<size_t>(padded_out) * size_of(dtype()));
    stack(source.biases, packed.bias, 1, padded_out, false);
  }
  packed_.push_back(packed);
  return {.in = source.in, .out = source.out, .padded_out = padded_out, .pack = &packed_.back()};
}

TokenRing CudaOps::make_ring(int64_t slots, int64_t rows) {
  TokenRing ring{.slots = {.data = nullptr, .dtype = Dtype::i32, .shape = {slots, rows, 1, 1}},
                 .count = {.data = nullptr, .dtype = Dtype::i32, .shape = {1, 1, 1, 1}}};
  auto* passes = static_cast<int32_t*>(take_activations(sizeof(int32_t)));
  if (dry()) return ring;
  // The count has a cache line of its own.
  PinnedMemory memory = allocate_pinned(Arena::alignment_bytes + bytes_of(ring.slots));
  std::memset(memory.get(), 0, Arena::alignment_bytes + bytes_of(ring.slots));
  ring.count.data = memory.get();
  ring.slots.data = static_cast<std::byte*>(memory.get()) + Arena::alignment_bytes;
  rings_.push_back({.count = ring.count.data, .passes = passes, .memory = std::move(memory)});
  return ring;
}

void CudaOps::loaded() {
  if (loader_) loader_->finish();
}

void* CudaOps::scratch(const ScratchKey& key, size_t bytes) {
  const auto found = scratch_.find(key);
  if (found != scratch_.end()) return found->second;
  return scratch_[key] = take_activations(bytes);
}

// ---- host and device ----

void CudaOps::write(const Tensor& tensor, std::span<const int32_t> values) {
  COTENANT_CUDA(
      "write", cudaMemcpyAsync(tensor.data, values.data(), values.size_bytes(), cudaMemcpyHostToDevice, stream_.get()));
}

std::vector<float> CudaOps::read(const Tensor& tensor) {
  std::vector<std::byte> raw(bytes_of(tensor));
  COTENANT_CUDA("read", cudaMemcpyAsync(raw.data(), tensor.data, raw.size(), cudaMemcpyDefault, stream_.get()));
  COTENANT_CUDA("read", cudaStreamSynchronize(stream_.get()));
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = float_at(raw.data(), tensor.dtype, i);
  return values;
}

void CudaOps::poison() {
  for (const Tensor& tensor : activations_)
    if (tensor.dtype != Dtype::i32)
      COTENANT_CUDA("poison", cudaMemsetAsync(tensor.data, 0xff, bytes_of(tensor), stream_.get()));
}

// ---- programs ----

void CudaOps::pass_in(Mode mode, const std::function<void()>& pass) {
  struct Idle {
    Mode& mode;
    ~Idle() { mode = Mode::idle; }
  } const idle{mode_};
  mode_ = mode;
  pass();
}

void CudaOps::tune(const std::function<void()>& pass) {
  if (dry()) return;
  loaded();
  pass_in(Mode::collecting, pass);
  const Tuner tuner(stream_.get(), *products_, arena_.largest_block(), device_.l2_bytes);
  std::map<ProductKey, std::vector<Plan>> fastest;
  const auto products = std::views::keys(collected_);
  const std::string name = fingerprint({products.begin(), products.end()});
  for (const auto& [key, operands] : collected_) {
    if (const std::optional<Plan> cached = cache_.find(name, key); cached && products_->runs(key, *cached)) {
      plans_[key] = *cached;
    } else {
      fastest[key] = tuner.fastest(key, operands, workspace_);
      plans_[key] = fastest[key].front();
    }
  }
  collected_.clear();
  choose_in(pass, fastest);
  for (const auto& [key, plans] : fastest) cache_.add(name, key, plans_[key]);
  cache_.save();
}

// Which way of a product is the fastest also depends on what runs before and after it. So the choice among nearly equal
// ones is by the time of the whole pass: on an H100 roberta-large's becomes 3% shorter, a decode step of Mistral-7B and
// distilbert's pass 2%. Not so where a pass is long: under the power limit clocks then differ by more than plans do,
// and the choice was no better than a throw of dice (Mistral-7B, 8 x 128: 23.7 and 24.5 ms instead of 23.4 and 23.5).
void CudaOps::choose_in(const std::function<void()>& pass, const std::map<ProductKey, std::vector<Plan>>& fastest) {
  if (std::ranges::all_of(fastest, [](const auto& item) { return item.second.size() < 2; })) return;
  constexpr double longest_pass_us = 8'000;
  constexpr int rounds = 20;
  const auto record_pass = [&] { return TimedGraph(stream_.get(), 1, [&](int) { pass_in(Mode::recording, pass); }); };
  if (record_pass().run_us() > longest_pass_us) return;
  for (const auto& [key, plans] : fastest) {
    if (plans.size() < 2) continue;
    std::vector<TimedGraph> passes;
    for (const Plan& plan : plans) {
      plans_[key] = plan;
      passes.push_back(record_pass());
    }
    std::vector<double> times_us(plans.size(), std::numeric_limits<double>::infinity());
    for (int round = 0; round < rounds; ++round)
      for (size_t i = 0; i < passes.size(); ++i) times_us[i] = std::min(times_us[i], passes[i].run_us());
    const auto best = static_cast<size_t>(std::ranges::min_element(times_us) - times_us.begin());
    plans_[key] = plans[best];
    spdlog::debug("tune {}: passes take {:.1f} us with the {} fastest ways, chosen is number {}", to_string(key),
                  fmt::join(times_us, ", "), plans.size(), best + 1);
  }
}

std::unique_ptr<Program> CudaOps::record(const std::function<void()>& pass, const std::string& name) {
  pass_in(Mode::sizing, pass);
  if (dry()) return nullptr;
  loaded();
  const std::string called = options_.label.empty() ? name : name + " of " + options_.label;
  if (gates_) pass_in(Mode::dividing, pass);
  int gates = 0;
  GraphExec graph = capture(stream_.get(), called.c_str(), [&] { gates = pass_with_gates(pass); });
  COTENANT_CUDA(called.c_str(), cudaStreamSynchronize(stream_.get()));
  return std::make_unique<CudaProgram>(stream_.get(), std::move(graph), called, options_.spin, gates_.get(), gates);
}

int CudaOps::pass_with_gates(const std::function<void()>& pass) {
  if (gates_) gates_->begin_pass();
  places_gates_ = gates_ != nullptr;
  pass_in(Mode::recording, pass);
  places_gates_ = false;
  return gates_ ? gates_->end_pass(stream_.get()) : 0;
}

bool CudaOps::launches(const char* operation, double us) {
  if (mode_ == Mode::idle) throw internal_error(operation, "called outside tune and record");
  if (mode_ != Mode::recording) return false;
  if (places_gates_) gates_->before(stream_.get(), us);
  return true;
}

const Plan& CudaOps::plan_for(const ProductKey& key) {
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  // Not tuned: our own kernel where there is one, else the library's favourite.
  const std::vector<Plan> candidates = products_->candidates(key);
  const auto own = std::find_if(candidates.begin(), candidates.end(),
                                [](const Plan& plan) { return plan.method == Plan::Method::gemv; });
  return plans_[key] = own == candidates.end() ? candidates.front() : *own;
}

// ---- operations ----

void CudaOps::product(const ProductKey& key, const ProductOperands& operands) {
  if (mode_ == Mode::collecting) collected_.emplace(key, operands);
  if (mode_ == Mode::dividing && !divisions_.contains(key)) {
    const Plan& plan = plan_for(key);
    divisions_[key] =
        divide_product(*products_, key, plan, operands, gates_->parts(expected_us(key, plan)), stream_.get());
  }
  if (places_gates_ && mode_ == Mode::recording) {
    const Division& division = divisions_.at(key);
    return products_->run_in_parts(key, division, operands,
                                   [&] { gates_->before(stream_.get(), division.us / division.parts); });
  }
  if (launches("linear")) products_->run(key, plan_for(key), operands);
}

void CudaOps::linear(const Tensor& y, const Weight& weight, const Tensor& x, Activation activation, bool accumulate) {
  const auto* packed = static_cast<const Packed*>(weight.pack);
  product({.dtype = dtype(),
           .rows = x.shape[0],
           .in = weight.in,
           .columns = y.shape[1],
           .activation = activation,
           .bias = packed->bias != nullptr,
           .accumulate = accumulate},
          {.y = y.data, .w = packed->w, .bias = packed->bias, .x = x.data, .out = weight.out});
}

void CudaOps::norm_linear(const Tensor& y, const Weight& weight, const Tensor& x, const NormLinear& how) {
  check_norm(dtype(), x.shape[1]);
  const auto* packed = static_cast<const Packed*>(weight.pack);
  ProductKey key{.dtype = dtype(),
                 .rows = x.shape[0],
                 .in = weight.in,
                 .columns = how.gated ? how.wide.shape[1] : y.shape[1],
                 .activation = how.activation,
                 .bias = packed->bias != nullptr,
                 .gated = how.gated};
  ProductOperands operands{.y = y.data,
                           .w = packed->w,
                           .bias = packed->bias,
                           .x = x.data,
                           .out = weight.out,
                           .norm = how.norm,
                           .normed = how.normed.data,
                           .wide = how.wide.data};
  // With few rows RMSNorm may be part of the product; else the norm is a kernel of its own in any case.
  key.normed = how.norm.kind == NormKind::rms && gemv_supported(key.dtype, key.rows, key.in, key.columns);
  if (!key.normed) {
    norm(how.normed, x, how.norm);
    operands.x = how.normed.data;
  }
  product(key, operands);
}

void CudaOps::embed(const Tensor& y, const Embedding& table, const Tensor& ids, const Tensor& positions) {
  if (table.norm.scale) check_norm(dtype(), y.shape[1]);
  if (launches("embed")) launch_embed(stream_.get(), y, table, ids, positions);
}

void CudaOps::norm(const Tensor& y, const Tensor& x, const Norm& norm) {
  check_norm(dtype(), x.shape[1]);
  if (launches("norm")) launch_norm(stream_.get(), y, x, norm);
}

void CudaOps::gate(const Tensor& y, const Tensor& x, Activation activation) {
  if (launches("gate")) launch_gate(stream_.get(), y, x, activation);
}

void CudaOps::transform_qkv(const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                            const KvCache& cache, const Attention& attention) {
  check_transform(dtype(), attention);
  if (launches("transform_qkv")) launch_transform_qkv(stream_.get(), qkv, positions, transform, cache, attention);
}

void CudaOps::attend(const Tensor& y, const Tensor& qkv, int64_t rows, const Attention& attention) {
  check_attention(attention);
  const int64_t length = qkv.shape[0] / rows;
  if (launches("attend", attention_us(rows * length, rows, length, attention)))
    launch_attention_prefill(stream_.get(), dtype(), y.data, qkv.data, rows, length, attention);
}

void CudaOps::attend_pieces(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                            const Attention& attention) {
  check_attention(attention);
  if (launches("attend_pieces", attention_us(qkv.shape[0], cache.sequences(), cache.capacity(), attention)))
    launch_attention_pieces(stream_.get(), dtype(), y, qkv, cache, positions, attention);
}

void CudaOps::attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                            const Attention& attention) {
  decode_attention(y, qkv, cache, positions, attention, nullptr);
}

void CudaOps::transform_and_attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache,
                                          const Tensor& positions, const QkTransform& transform,
                                          const Attention& attention) {
  const bool in_one = attention_decode_transforms(dtype(), attention, transform);
  if (!in_one) transform_qkv(qkv, positions, transform, cache, attention);
  decode_attention(y, qkv, cache, positions, attention, in_one ? &transform : nullptr);
}

void CudaOps::decode_attention(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                               const Attention& attention, const QkTransform* transform) {
  check_attention(attention);
  const int64_t rows = qkv.shape[0];
  void* space = scratch({rows, cache.capacity(), attention.heads, attention.kv_heads, attention.head_dim},
                        attention_decode_workspace_bytes(rows, attention, cache.capacity()));
  if (launches("attend_cached", attention_us(rows, rows, cache.capacity(), attention)))
    launch_attention_decode(stream_.get(), dtype(), y.data, qkv.data, cache,
                            static_cast<const int32_t*>(positions.data), attention, space, transform);
}

void CudaOps::last_rows(const Tensor& y, const Tensor& x) {
  if (launches("last_rows")) launch_last_rows(stream_.get(), y, x);
}

void CudaOps::gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) {
  if (launches("gather_rows")) launch_gather_rows(stream_.get(), y, x, rows);
}

void CudaOps::argmax(const Tensor& ids, const Tensor& logits, int64_t vocab) {
  void* space = scratch({logits.shape[0]}, argmax_scratch_bytes(logits.shape[0]));
  if (launches("argmax")) launch_argmax(stream_.get(), ids, logits, vocab, space);
}

void CudaOps::set_positions(const Tensor& positions, int32_t value) {
  if (launches("set_positions")) launch_set_positions(stream_.get(), positions, value);
}

void CudaOps::advance(const Tensor& positions, const Tensor& ids, const TokenRing& ring) {
  if (!launches("advance")) return;
  const auto own =
      std::find_if(rings_.begin(), rings_.end(), [&](const Ring& r) { return r.count == ring.count.data; });
  if (own == rings_.end()) throw internal_error("advance", "the ring belongs to another device");
  launch_advance(stream_.get(), positions, ids, ring, own->passes);
}

}  // namespace cotenant
