#pragma once

#include "engine/native/ops.h"
#include "engine/options.h"

// From an engine's options to the Ops it runs on.
namespace cotenant {

OpsOptions ops_options(const EngineOptions& options, bool dry_run, MemoryNeed reserve = {});

}  // namespace cotenant
