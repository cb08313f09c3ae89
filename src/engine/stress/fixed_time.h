#pragma once

#include <array>
#include <optional>

#include "engine/engine.h"

// Engines without a model whose requests take a known time: the instrument that everything else is tested with.
namespace cotenant {

// A request takes `service_ms` from the call of step() that takes it up. `sleep` leaves the processor to others
// meanwhile, `spin` keeps one core busy and ends within a microsecond.
class FixedTimeEngine : public Engine {
 public:
  enum class How { sleep, spin };

  FixedTimeEngine(How how, double service_ms);

  void load() override {}
  void warm() override {}
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;

 private:
  void pass_time(int64_t until_ns) const;

  const How how_;
  const int64_t service_ns_;
  std::optional<uint64_t> waiting_;  // the id of the request taken
  std::array<Progress, 2> progress_;
};

}  // namespace cotenant
