#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cotenant {

enum class Dtype : uint8_t { f32, bf16, f16, i32 };

constexpr size_t size_of(Dtype dtype) {
  return dtype == Dtype::f32 || dtype == Dtype::i32 ? 4 : 2;
}

std::string_view to_string(Dtype dtype);                     // "float32", "bfloat16", "float16", "int32"
std::optional<Dtype> dtype_from_string(std::string_view s);  // the same names, and f32, bf16, f16, F32, BF16, F16

// Conversions of single values (round to nearest even).
float bf16_to_float(uint16_t bits);
uint16_t float_to_bf16(float value);
float f16_to_float(uint16_t bits);
uint16_t float_to_f16(float value);

}  // namespace cotenant
