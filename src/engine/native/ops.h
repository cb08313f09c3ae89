#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "engine/engine.h"
#include "engine/native/device_share.h"
#include "engine/yield.h"
#include "model/model.h"

// The operations a transformer is made of, and the wall between the model's graph and the device. An Ops owns all
// memory it hands out, the stream (or threads) it works on, and every plan. It knows no model.
//
// Ops record, they do not execute: inside record() every call adds work to a program that is replayed later. Addresses
// are fixed, so nothing is allocated and no host memory is read during a replay; what changes from pass to pass
// (tokens, positions) lives in device tensors that the program reads and writes itself.
namespace cotenant {

using Shape = std::array<int64_t, 4>;  // C order, dense; unused trailing dimensions are 1

struct Tensor {
  void* data = nullptr;  // device address; fixed. nullptr in a dry run
  Dtype dtype = Dtype::f32;
  Shape shape{0, 1, 1, 1};

  explicit operator bool() const { return shape[0] != 0; }
  int64_t elements() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
};

// A packed weight matrix, owned by the Ops that packed it.
struct Weight {
  int64_t in = 0;
  int64_t out = 0;
  int64_t padded_out = 0;      // columns of the product's result, >= out; the padding's values mean nothing
  const void* pack = nullptr;  // the Ops' own
};

struct Norm {
  NormKind kind = NormKind::layer;
  float eps = 1e-5f;
  Tensor scale;  // [width]
  Tensor shift;  // [width]; empty for RMSNorm
};

struct Embedding {
  Tensor tokens;     // [vocab, hidden]
  Tensor positions;  // [max_positions + offset, hidden]; empty with rope
  int64_t position_offset = 0;
  Tensor type;  // [1, hidden]: the row of type 0; empty without token types
  Norm norm;    // of the sum; scale empty: none
};

struct Attention {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool causal = true;
  int64_t window = 0;  // a token sees itself and the window-1 before it; 0: all
  float scale = 1;     // of the scores
  int64_t width() const { return heads * head_dim; }
  int64_t qkv_width() const { return (heads + 2 * kv_heads) * head_dim; }
};

// Keys and values of all rows of one layer: each [rows, kv_heads, capacity, head_dim].
struct KvCache {
  Tensor k, v;
  Tensor row_of{};  // i32 [sequences]: which row a sequence of the pass has; empty: its own number
  explicit operator bool() const { return static_cast<bool>(k); }
  int64_t capacity() const { return k.shape[2]; }
  int64_t sequences() const { return row_of ? row_of.shape[0] : k.shape[0]; }  // of the pass
};

// What happens to q and k between the product and attention.
struct QkTransform {
  Tensor rope;  // f32 [positions, head_dim / 2, 2]: cos and sin; rotates pairs (i, i + head_dim / 2). Empty: none
  Norm q_norm, k_norm;  // of each head, before rope; scale empty: none
};

// A product with what stands around it in a block. A device fuses what it can; the scratch tensors are for what it
// cannot, and their contents mean nothing afterwards.
struct NormLinear {
  Norm norm;
  Tensor normed;  // scratch [t, in]; may be x
  Activation activation = Activation::none;
  bool gated = false;  // W's rows are gates, then ups: y = activation(gate) * up
  Tensor wide{};       // scratch [t, out] when gated
};

// Tokens on their way to the host: a pass writes one per row into slot (passes so far) % slots and the host reads them
// after Program::wait. Both tensors are readable by the host.
struct TokenRing {
  Tensor slots;  // i32 [slots, rows]
  Tensor count;  // i32 [1]: passes so far
};

// A recorded pass.
class Program {
 public:
  virtual ~Program() = default;
  // Starts a replay. At most two may be in flight.
  virtual void launch() = 0;
  // Waits for the oldest replay in flight.
  virtual void wait() = 0;
  // Of the replay that wait() last waited for, the time between device events in ms; negative: no such clock. Apart
  // from wait(), since to ask takes time that is not the replay's.
  virtual float gpu_ms() = 0;
};

struct OpsOptions {
  std::string device = "cpu";
  Dtype dtype = Dtype::f32;  // of weights and activations
  int threads = 1;
  bool spin = true;      // how the host waits
  bool dry_run = false;  // hand out no memory, only count it
  MemoryNeed reserve;    // what a dry run counted: a device takes it as one arena; zero: as needed
  std::string label;     // of the tenant and its model, for profilers

  // CUDA
  std::shared_ptr<const DeviceShare> share = {};  // to which all work is confined; null: the whole device
  int priority = 0;                               // of its stream: higher is more urgent
  size_t memory_limit_bytes = 0;                  // of the reserve; 0: what the device has
  YieldPlace yield = {};                          // among the tenants that give way to each other
};

class Ops {
 public:
  virtual ~Ops() = default;

  // ---- memory; before any record ----
  virtual Dtype dtype() const = 0;
  virtual MemoryNeed memory() const = 0;                  // handed out so far; in a dry run: what would have been
  virtual Tensor allocate(Dtype dtype, Shape shape) = 0;  // activations, filled with zeros
  virtual Tensor constant(Dtype dtype, Shape shape, const void* host_values) = 0;  // small tables (rope, positions)
  virtual Tensor upload(const TensorSource& source) = 0;  // a vector or table, converted to dtype()
  virtual Weight pack(const LinearSource& source) = 0;    // a matrix (and bias), converted to dtype()
  virtual TokenRing make_ring(int64_t slots, int64_t rows) = 0;
  virtual void loaded() {}  // every weight has been handed over: wait for copies, free staging memory

  // ---- host and device ----
  virtual void write(const Tensor& tensor, std::span<const int32_t> values) = 0;  // before the next launch
  virtual std::vector<float> read(
      const Tensor& tensor) = 0;  // waits for all work; converted to float. For tests and infer
  // Fills every floating-point tensor of allocate() with NaN: what a pass then reads before it writes shows in its
  // results. For tests.
  virtual void poison() = 0;

  // ---- programs ----
  // Resolves and times kernels for all products of `pass`, with the device otherwise idle. Nothing is recorded. May run
  // the pass many times, on whatever its inputs hold.
  virtual void tune(const std::function<void()>& pass) = 0;
  // `name` ("forward", "decode", ...) is what a profiler and the error of a fault call the program.
  virtual std::unique_ptr<Program> record(const std::function<void()>& pass, const std::string& name) = 0;
  // Whether a program's first run costs more than the later ones (a GPU loads its kernels then).
  virtual bool first_run_is_slow() const { return true; }
  // Whether a program runs from launch() on, beside the host, in one order with what write() brings. Otherwise wait()
  // runs it, and nothing it reads may be written between the two.
  virtual bool runs_beside_host() const { return true; }

  // ---- operations; only inside tune and record ----
  // y[t, :] = norm(tokens[ids[t]] + positions[positions[t] + offset] + type)
  virtual void embed(const Tensor& y, const Embedding& table, const Tensor& ids, const Tensor& positions) = 0;
  // y = norm(x), row by row; y may be x.
  virtual void norm(const Tensor& y, const Tensor& x, const Norm& norm) = 0;
  // y = activation(x W^T + b), or y += x W^T + b when accumulate (activation none). x [t, in], y [t, padded_out].
  virtual void linear(const Tensor& y, const Weight& weight, const Tensor& x, Activation activation,
                      bool accumulate) = 0;
  // y = activation(norm(x) W^T + b), or gated, with y [t, out / 2]. By norm, linear and gate unless overridden.
  virtual void norm_linear(const Tensor& y, const Weight& weight, const Tensor& x, const NormLinear& how) {
    norm(how.normed, x, how.norm);
    if (!how.gated) return linear(y, weight, how.normed, how.activation, false);
    linear(how.wide, weight, how.normed, Activation::none, false);
    gate(y, how.wide, how.activation);
  }
  // y[t, i] = activation(x[t, i]) * x[t, i + width]; x [t, 2 * width], y [t, width].
  virtual void gate(const Tensor& y, const Tensor& x, Activation activation) = 0;
  // In place on qkv [t, qkv_width]: norm and rotate q and k. Where there is a cache, also writes k and v of token t of
  // sequence t / (tokens per sequence) into its row at positions[t].
  virtual void transform_qkv(const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                             const KvCache& cache, const Attention& attention) = 0;
  // Each of `rows` sequences attends within itself: qkv [rows * length, qkv_width] -> y [rows * length, width].
  virtual void attend(const Tensor& y, const Tensor& qkv, int64_t rows, const Attention& attention) = 0;
  // A piece of each sequence, the same number of tokens of all, attends to its row of the cache, where its own keys and
  // values are already: token i of it, at position p = positions[first of the piece] + i, to positions 0..p. qkv
  // [sequences * tokens, qkv_width] -> y [sequences * tokens, width]. What tokens beyond the capacity get means
  // nothing.
  virtual void attend_pieces(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                             const Attention& attention) = 0;
  // One token a row attends to its cache, positions 0..positions[row]: qkv [rows, qkv_width] -> y [rows, width].
  virtual void attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                             const Attention& attention) = 0;
  // transform_qkv and then attend_cached; afterwards q and k of qkv may be either. By these two unless overridden.
  virtual void transform_and_attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache,
                                           const Tensor& positions, const QkTransform& transform,
                                           const Attention& attention) {
    transform_qkv(qkv, positions, transform, cache, attention);
    attend_cached(y, qkv, cache, positions, attention);
  }
  // y[r, :] = x[(r + 1) * length - 1, :]; x [rows * length, width].
  virtual void last_rows(const Tensor& y, const Tensor& x) = 0;
  // y[r, :] = x[rows[r], :]; rows i32.
  virtual void gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) = 0;
  // ids[r] = index of the largest of logits[r, 0..vocab); the first of equals.
  virtual void argmax(const Tensor& ids, const Tensor& logits, int64_t vocab) = 0;
  // positions[:] = value
  virtual void set_positions(const Tensor& positions, int32_t value) = 0;
  // Puts ids into the ring's next slot, which may be wider, counts the pass, and adds 1 to every position; of an empty
  // tensor of positions to none.
  virtual void advance(const Tensor& positions, const Tensor& ids, const TokenRing& ring) = 0;
};

}  // namespace cotenant
