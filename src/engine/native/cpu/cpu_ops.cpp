#include "engine/native/cpu/cpu_ops.h"

#include "base/error.h"

namespace cotenant {

std::unique_ptr<Ops> make_cpu_ops(const OpsOptions&) {
  throw internal_error("make_cpu_ops", "not written yet");
}

}  // namespace cotenant
