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

// Forward passes of several requests at once, of one sequence each: as soon as there are `rows`, or when the first of
// those that wait has waited for max_wait_ms since it was scheduled, or when no others will come. A pass of fewer has
// the next power of two of rows. The device's time of a request is that of its whole pass.
class DynamicEngine : public Engine {
 public:
  // As NativeEngine.
  explicit DynamicEngine(const EngineOptions& options);
  ~DynamicEngine() override;

  std::optional<MemoryNeed> memory_needed() const override { return need_; }
  void load() override;
  void prepare() override;
  void warm() override;
  int capacity() const override { return options_.rows; }
  int64_t open_since_ns() const override { return open_since_ns_; }
  bool submit(const Request& request) override;
  void flush() override { flushed_ = true; }
  // Returns at `until_ns` also while requests wait for more.
  std::span<const Progress> step(int64_t until_ns) override;

  // Of the last pass: as NativeEngine's, a request after the other. For tests.
  std::vector<float> logits();

 private:
  struct Sized {
    int rows;
    std::unique_ptr<Program> program;
  };
  void run_pass();
  static std::vector<Sized> record_passes(Ops& ops, Transformer& transformer, int rows);
  static MemoryNeed count_memory(const EngineOptions& options);

  const EngineOptions options_;
  const MemoryNeed need_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Transformer> transformer_;
  std::vector<Sized> passes_;

  std::vector<Request> waiting_;
  bool flushed_ = false;
  std::vector<int32_t> tokens_;  // [rows, seq_len]: of those that wait
  int64_t open_since_ns_ = 0;
  std::vector<Progress> progress_;
};

}  // namespace cotenant
