#include "engine/native/cpu/sources.h"

#include "engine/native/cpu/dispatch.h"

namespace cotenant {

void read_source(const TensorSource& source, int64_t first, int64_t count, float* out) {
  if (source.file) return read_floats(source, first, count, out);
  cpu_kernels().fill_random(source.fill, static_cast<uint64_t>(first), count, out);
}

}  // namespace cotenant
