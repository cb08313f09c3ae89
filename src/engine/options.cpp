#include "engine/options.h"

#include "base/error.h"
#include "engine/native/native_engine.h"
#include "engine/stress/fixed_time.h"

namespace cotenant {

std::unique_ptr<Engine> make_engine(const EngineOptions& options) {
  using How = FixedTimeEngine::How;
  switch (options.kind) {
    case EngineOptions::Kind::native:
      return std::make_unique<NativeEngine>(options);
    case EngineOptions::Kind::sleep:
      return std::make_unique<FixedTimeEngine>(How::sleep, options.service_ms);
    case EngineOptions::Kind::spin:
      return std::make_unique<FixedTimeEngine>(How::spin, options.service_ms);
  }
  throw internal_error("make_engine", "unknown kind of engine");
}

}  // namespace cotenant
