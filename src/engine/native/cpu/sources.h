#pragma once

#include <cstdint>

#include "model/model.h"

namespace cotenant {

// `count` elements of a source from `first` on, as floats: from its file, or made up by the fastest kernel there is.
void read_source(const TensorSource& source, int64_t first, int64_t count, float* out);

}  // namespace cotenant
