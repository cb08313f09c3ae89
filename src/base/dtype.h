#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/words.h"

namespace cotenant {

enum class Dtype : uint8_t { f32, bf16, f16, i32 };
template <>
inline constexpr auto words_of<Dtype> = std::array{Word{Dtype::f32, "float32"}, Word{Dtype::bf16, "bfloat16"},
                                                   Word{Dtype::f16, "float16"}, Word{Dtype::i32, "int32"}};

constexpr size_t size_of(Dtype dtype) {
  return dtype == Dtype::f32 || dtype == Dtype::i32 ? 4 : 2;
}

// Its word, or f32, bf16, f16, F32, BF16, F16.
std::optional<Dtype> dtype_from_string(std::string_view s);

// Conversions of single values (round to nearest even).
float bf16_to_float(uint16_t bits);
uint16_t float_to_bf16(float value);
float f16_to_float(uint16_t bits);
uint16_t float_to_f16(float value);

}  // namespace cotenant
