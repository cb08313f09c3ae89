#pragma once

#include <memory>

#include "engine/native/ops.h"

namespace cotenant {

// The operations on the CPU: products by oneDNN, the rest by kernels.h, on `threads` OpenMP threads of the calling
// thread's team. A program runs inside Program::wait(), on the caller; launch() only queues it, so that a token is
// reported before the next pass begins. Throws usage_error for a dtype that this CPU does not compute in.
std::unique_ptr<Ops> make_cpu_ops(const OpsOptions& options);

// float32 always; bfloat16 where the CPU has AVX-512.
bool cpu_computes_in(Dtype dtype);

}  // namespace cotenant
