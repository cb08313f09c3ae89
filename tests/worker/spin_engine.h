#pragma once

#include <memory>

#include "engine/options.h"

namespace cotenant {

// Whose requests keep a core busy for so long.
inline std::unique_ptr<Engine> spin(double service_ms) {
  EngineOptions options;
  options.kind = EngineOptions::Kind::spin;
  options.service_ms = service_ms;
  return make_engine(options);
}

}  // namespace cotenant
