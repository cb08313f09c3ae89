#include "engine/native/cpu/dispatch.h"

#include <vector>

namespace cotenant {

extern const Kernels kernels_baseline;
#ifdef COTENANT_X86_KERNELS
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

std::span<const Kernels* const> runnable_kernels() {
  static const std::vector<const Kernels*> tables = [] {
    std::vector<const Kernels*> found;
#ifdef COTENANT_X86_KERNELS
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512) found.push_back(&kernels_avx512);
    if (avx2) found.push_back(&kernels_avx2);
#endif
    found.push_back(&kernels_baseline);
    return found;
  }();
  return tables;
}

}  // namespace cotenant
