#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cotenant {

// Writes an array of float32 in C order as a NumPy file, format version 1.0
// (numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Throws Error when the file cannot be written.
void write_npy(const std::string& path, std::span<const float> values, std::span<const int64_t> shape);

}  // namespace cotenant
