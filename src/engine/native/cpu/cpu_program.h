#pragma once

#include <array>
#include <functional>
#include <vector>

#include "engine/native/cpu/buffer.h"
#include "engine/native/ops.h"

namespace cotenant {

class CpuProgram;

// Programs launched and not yet run, oldest first.
class CpuQueue {
 public:
  void push(CpuProgram* program);
  void run_oldest();
  bool empty() const { return count_ == 0; }
  const CpuProgram* oldest() const { return waiting_[0]; }

 private:
  std::array<CpuProgram*, 4> waiting_{};
  size_t count_ = 0;
};

// A list of steps, each with all its addresses in it but that of the workspace.
class CpuProgram : public Program {
 public:
  using Step = std::function<void(std::byte* workspace)>;

  CpuProgram(CpuQueue& queue, int threads) : queue_(queue), threads_(threads) {}

  void add(Step step) { steps_.push_back(std::move(step)); }
  void set_workspace(size_t bytes) {
    workspace_ = Buffer(bytes);
    workspace_.touch();
  }
  void run() const;

  void launch() override { queue_.push(this); }
  void wait() override;
  float gpu_ms() override { return -1; }  // the host's clock is the only one

 private:
  CpuQueue& queue_;
  const int threads_;
  std::vector<Step> steps_;
  Buffer workspace_;
};

}  // namespace cotenant
