#pragma once

#include <memory>

#include "engine/native/ops.h"

namespace cotenant {

std::unique_ptr<Ops> make_cpu_ops(const OpsOptions& options);

}  // namespace cotenant
