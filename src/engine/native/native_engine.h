#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/native/ops.h"
#include "engine/native/transformer.h"
#include "engine/options.h"

namespace cotenant {

// Runs a model: forward passes, or prefill and greedy decoding. Knows no device; that is behind Ops.
class NativeEngine : public Engine {
 public:
  // Sizes everything by a dry run, and allocates nothing. Throws usage_error when the shape does not fit the model or
  // the device is not to be had.
  explicit NativeEngine(const EngineOptions& options);
  ~NativeEngine() override;

  std::optional<MemoryNeed> memory_needed() const override { return need_; }
  void load() override;
  void prepare() override;
  void warm() override;
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;

  // Of the last pass, rows of logits_width() values: [rows * seq_len] of them, or [rows] when generating (or the hidden
  // states of an encoder). For infer and tests; not for a timed loop.
  std::vector<float> logits();
  int64_t logits_width() const;
  void poison() { ops_->poison(); }  // for tests: see Ops::poison

 private:
  bool generates() const { return options_.max_new_tokens > 0; }
  void report(Status status, int64_t at_ns, float gpu_ms = -1);
  void step_forward();
  void start_generating();
  void step_token();

  const EngineOptions options_;
  MemoryNeed need_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<Program> forward_, prefill_, decode_;

  // The request at work.
  bool busy_ = false;
  Request request_;
  int launched_ = 0;     // passes of this request, prefill included
  int produced_ = 0;     // tokens of each row
  float gpu_ms_ = 0;     // sum over its passes; negative without such a clock
  uint32_t passes_ = 0;  // that the ring has seen, over all requests
  std::vector<Progress> progress_;
};

}  // namespace cotenant
