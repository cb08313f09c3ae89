#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/native/ops.h"
#include "engine/native/slots.h"
#include "engine/native/transformer.h"
#include "engine/options.h"

namespace cotenant {

// Generates for many requests at once, in the steps of Slots: greedy decoding, each request's tokens those that it
// would get alone, as far as the device's rounding does not depend on how many rows a product has. A device that works
// beside the host is given the next step before the last one is over. No device clock of a request: its passes are
// shared.
class ContinuousEngine : public Engine {
 public:
  // As NativeEngine.
  explicit ContinuousEngine(const EngineOptions& options);
  ~ContinuousEngine() override;

  std::optional<MemoryNeed> memory_needed() const override { return need_; }
  void load() override;
  void prepare() override;
  void warm() override;
  int capacity() const override { return options_.slots; }
  int64_t open_since_ns() const override { return open_since_ns_; }
  // Of one sequence; its tokens must stay valid until it is done.
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;

 private:
  struct Sized {
    int size;  // rows of a step without pieces, or pieces
    std::unique_ptr<Program> program;
  };
  struct Flight {
    Step step;
    Program* program = nullptr;
  };
  void launch_next();
  void take_oldest();
  static Program& program_of(std::vector<Sized>& programs, int size);
  static std::vector<Sized> record_steps(Ops& ops, Transformer& transformer, const SlotShape& shape, bool pieces);
  static MemoryNeed count_memory(const EngineOptions& options, const SlotShape& shape);

  const EngineOptions options_;
  const SlotShape shape_;
  const MemoryNeed need_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Transformer> transformer_;
  std::vector<Sized> decode_, mixed_;

  Slots slots_;
  std::vector<uint64_t> admitted_;  // whose start is to be told
  std::array<Flight, 2> flights_;
  uint64_t launched_ = 0, taken_ = 0;
  uint32_t passes_ = 0;  // that the ring has seen
  int64_t open_since_ns_ = 0;
  std::vector<Progress> progress_;
};

}  // namespace cotenant
