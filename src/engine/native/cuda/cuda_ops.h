#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/native/cuda/arena.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/plan_cache.h"
#include "engine/native/cuda/product.h"
#include "engine/native/cuda/weight_loader.h"
#include "engine/native/cuda/yield_gates.h"
#include "engine/native/ops.h"

namespace cotenant {

// Ops on one NVIDIA GPU: one stream, one arena, one workspace. Passes become graphs.
class CudaOps : public Ops {
 public:
  // Throws usage_error for a device that cannot be used, and for a reserve that it has no room for.
  explicit CudaOps(const OpsOptions& options);
  ~CudaOps() override;

  Dtype dtype() const override { return options_.dtype; }
  MemoryNeed memory() const override { return need_; }
  Tensor allocate(Dtype dtype, Shape shape) override;
  Tensor constant(Dtype dtype, Shape shape, const void* host_values) override;
  Tensor upload(const TensorSource& source) override;
  Weight pack(const LinearSource& source) override;
  TokenRing make_ring(int64_t slots, int64_t rows) override;
  void loaded() override;

  void write(const Tensor& tensor, std::span<const int32_t> values) override;
  std::vector<float> read(const Tensor& tensor) override;
  void poison() override;

  void tune(const std::function<void()>& pass) override;
  std::unique_ptr<Program> record(const std::function<void()>& pass, const std::string& name) override;

  void embed(const Tensor& y, const Embedding& table, const Tensor& ids, const Tensor& positions) override;
  void norm(const Tensor& y, const Tensor& x, const Norm& norm) override;
  void linear(const Tensor& y, const Weight& weight, const Tensor& x, Activation activation, bool accumulate) override;
  void norm_linear(const Tensor& y, const Weight& weight, const Tensor& x, const NormLinear& how) override;
  void gate(const Tensor& y, const Tensor& x, Activation activation) override;
  void transform_qkv(const Tensor& qkv, const Tensor& positions, const QkTransform& transform, const KvCache& cache,
                     const Attention& attention) override;
  void attend(const Tensor& y, const Tensor& qkv, int64_t rows, const Attention& attention) override;
  void attend_pieces(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                     const Attention& attention) override;
  void attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                     const Attention& attention) override;
  void transform_and_attend_cached(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                                   const QkTransform& transform, const Attention& attention) override;
  void last_rows(const Tensor& y, const Tensor& x) override;
  void gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) override;
  void argmax(const Tensor& ids, const Tensor& logits, int64_t vocab) override;
  void set_positions(const Tensor& positions, int32_t value) override;
  void advance(const Tensor& positions, const Tensor& ids, const TokenRing& ring) override;

 private:
  // What an operation does when it is called: nothing may be; take the scratch memory it needs; also say its product;
  // find a way to divide it; launch.
  enum class Mode { idle, sizing, collecting, dividing, recording };
  static constexpr double small_kernel_us = 3;  // of what touches each activation once
  struct Packed {
    void* w = nullptr;     // [padded_out, in]
    void* bias = nullptr;  // [padded_out]
  };
  struct Table {  // an uploaded matrix, which a tied head names again
    std::string name;
    const InputFile* file;
    uint64_t key;
    void* values;
  };
  struct Ring {
    const void* count;  // the host's
    int32_t* passes;    // the device's
    PinnedMemory memory;
  };
  bool dry() const { return options_.dry_run; }
  void* take_weights(size_t bytes);
  void* take_activations(size_t bytes);  // filled with zeros
  const Table* find_table(const LinearSource& source) const;
  // Copies parts of a matrix or bias, one below the other, to `to`, and zeros behind them.
  void stack(const std::vector<TensorSource>& parts, void* to, int64_t columns, int64_t padded_rows, bool transposed);
  using ScratchKey = std::array<int64_t, 5>;  // the shape that may share it
  void* scratch(const ScratchKey& key, size_t bytes);
  void pass_in(Mode mode, const std::function<void()>& pass);
  int pass_with_gates(const std::function<void()>& pass);  // how many there are
  void choose_in(const std::function<void()>& pass, const std::map<ProductKey, std::vector<Plan>>& fastest);
  // Whether an operation is to be launched now. Throws internal_error outside tune and record.
  // `transform`: that the kernel does as well; or null.
  void decode_attention(const Tensor& y, const Tensor& qkv, const KvCache& cache, const Tensor& positions,
                        const Attention& attention, const QkTransform* transform);
  // `us`: what it takes on the device, about; a gate may go before it.
  bool launches(const char* operation, double us = small_kernel_us);
  void product(const ProductKey& key, const ProductOperands& operands);
  const Plan& plan_for(const ProductKey& key);

  const OpsOptions options_;
  DeviceFacts device_;
  Stream stream_;
  Arena arena_;
  MemoryNeed need_;
  void* workspace_ = nullptr;            // of cuBLASLt; staging while weights are loaded
  std::map<ScratchKey, void*> scratch_;  // of argmax and decode attention: fit for the next launch after each
  std::unique_ptr<Products> products_;
  std::unique_ptr<WeightLoader> loader_;
  PlanCache cache_;
  std::map<ProductKey, Plan> plans_;
  std::map<ProductKey, Division> divisions_;  // between gates
  std::vector<Tensor> activations_;           // handed out by allocate
  std::deque<Packed> packed_;
  std::vector<Table> tables_;
  std::deque<Ring> rings_;
  std::unique_ptr<YieldGates> gates_;  // null: this tenant does not yield
  bool places_gates_ = false;          // in what is being recorded
  Mode mode_ = Mode::idle;
  std::map<ProductKey, ProductOperands> collected_;
};

}  // namespace cotenant
