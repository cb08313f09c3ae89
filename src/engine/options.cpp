#include "engine/options.h"

#include "base/error.h"
#include "engine/native/continuous_engine.h"
#include "engine/native/devices.h"
#include "engine/native/dynamic_engine.h"
#include "engine/native/native_engine.h"
#include "engine/server/make_server_engine.h"
#include "engine/stress/calibrated.h"
#include "engine/stress/fixed_time.h"

namespace cotenant {
namespace {

std::unique_ptr<Engine> make_device_stress(const EngineOptions& options, StressLoad::Kind kind) {
  return std::make_unique<CalibratedEngine>(make_stress_load({.kind = kind,
                                                              .device = options.device,
                                                              .sms = options.sms,
                                                              .spin = options.wait == Wait::spin,
                                                              .share = options.share,
                                                              .priority = options.priority,
                                                              .memory_limit_bytes = options.memory_limit_bytes}),
                                            options.service_ms);
}

}  // namespace

std::unique_ptr<Engine> make_engine(const EngineOptions& options) {
  using How = FixedTimeEngine::How;
  switch (options.kind) {
    case EngineOptions::Kind::native:
      if (options.slots > 0) return std::make_unique<ContinuousEngine>(options);
      if (options.max_wait_ms) return std::make_unique<DynamicEngine>(options);
      return std::make_unique<NativeEngine>(options);
    case EngineOptions::Kind::sleep:
      return std::make_unique<FixedTimeEngine>(How::sleep, options.service_ms);
    case EngineOptions::Kind::spin:
      return std::make_unique<FixedTimeEngine>(How::spin, options.service_ms);
    case EngineOptions::Kind::compute:
      return make_device_stress(options, StressLoad::Kind::compute);
    case EngineOptions::Kind::dram:
      return make_device_stress(options, StressLoad::Kind::dram);
    case EngineOptions::Kind::l2:
      return make_device_stress(options, StressLoad::Kind::l2);
    case EngineOptions::Kind::pcie:
      return make_device_stress(options, StressLoad::Kind::pcie);
    case EngineOptions::Kind::launch:
      return make_device_stress(options, StressLoad::Kind::launch);
    case EngineOptions::Kind::server:
      return make_server_engine(options.server);
  }
  throw internal_error("make_engine", "unknown kind of engine");
}

}  // namespace cotenant
