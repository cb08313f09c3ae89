#pragma once

#include <span>

#include "engine/native/cpu/kernels.h"

namespace cotenant {

// The tables that this machine can run, best first; never empty.
std::span<const Kernels* const> runnable_kernels();

inline const Kernels& cpu_kernels() {
  return *runnable_kernels()[0];
}

}  // namespace cotenant
