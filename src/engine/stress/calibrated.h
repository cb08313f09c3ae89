#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/engine.h"
#include "engine/stress/load.h"

namespace cotenant {

// An engine of a load whose requests take `service_ms` alone, by the host's clock: prepare() finds how many rounds that
// is. A request is that number of rounds ever after.
class CalibratedEngine : public Engine {
 public:
  // Throws usage_error for a time that is none.
  CalibratedEngine(std::unique_ptr<StressLoad> load, double service_ms);

  std::optional<MemoryNeed> memory_needed() const override { return load_->memory_needed(); }
  void load() override { load_->allocate(); }
  // Throws usage_error when one round takes longer than a request should.
  void prepare() override;
  std::optional<Calibration> calibration() const override { return calibration_; }
  void warm() override;
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;

  int64_t rounds() const { return rounds_; }

 private:
  double median_ms(int64_t rounds);
  void warm_clocks();

  const std::unique_ptr<StressLoad> load_;
  const double service_ms_;
  int64_t rounds_ = 1;
  std::optional<Calibration> calibration_;
  std::optional<uint64_t> waiting_;  // the id of the request taken
  std::array<Progress, 2> progress_;
};

}  // namespace cotenant
