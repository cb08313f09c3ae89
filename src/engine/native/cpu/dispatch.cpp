#include "engine/native/cpu/kernels.h"

namespace cotenant {

extern const Kernels kernels_baseline;
#ifdef COTENANT_X86_KERNELS
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

const Kernels& cpu_kernels() {
#ifdef COTENANT_X86_KERNELS
  static const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512) return kernels_avx512;
  if (avx2) return kernels_avx2;
#endif
  return kernels_baseline;
}

}  // namespace cotenant
