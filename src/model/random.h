#pragma once

#include <cstdint>

#include "base/mix64.h"

// Random weights: a pure function of (key, index), so that a CPU, a GPU and any number of threads make the same ones
// without storing them.
namespace cotenant {

struct RandomFill {
  uint64_t key = 0;  // of one tensor: from the seed and the tensor's name
  float mean = 0;
  float half_width = 0;  // uniform in [mean - half_width, mean + half_width)
};

COTENANT_HOST_DEVICE inline float random_value(const RandomFill& fill, uint64_t index) {
  const auto bits = static_cast<int32_t>(mix64(fill.key ^ index) >> 40);  // 24 bits: exact in a float
  return fill.mean + fill.half_width * (static_cast<float>(bits - (1 << 23)) * 0x1p-23f);
}

}  // namespace cotenant
