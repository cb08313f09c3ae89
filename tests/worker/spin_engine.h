#pragma once

#include <memory>

#include "base/clock.h"
#include "engine/options.h"
#include "worker/timed_loop.h"

namespace cotenant {

// Whose requests keep a core busy for so long.
inline std::unique_ptr<Engine> spin(double service_ms) {
  EngineOptions options;
  options.kind = EngineOptions::Kind::spin;
  options.service_ms = service_ms;
  return make_engine(options);
}

// Runs a workload from now on, with nothing but what the loop itself needs.
inline LoopResult run_workload(Engine& engine, const WorkloadSpec& spec, EventRing& ring) {
  Workload workload(spec, now_ns());
  InFlight in_flight(engine.capacity(), longest_answer(spec));
  return run_timed_loop(engine, workload, {}, in_flight, ring);
}

}  // namespace cotenant
