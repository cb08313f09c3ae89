#pragma once

#include <cuda_fp16.h>

#include "model/spec.h"

// Device code: the activations in float32. Formulas as in transformers (activations.py): gelu_new is the tanh form.
namespace cotenant {

template <Activation activation>
__device__ inline float activate(float x) {
  if constexpr (activation == Activation::gelu_tanh) {
    // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
    const float twice_u = 1.5957691216057308f * (x + 0.044715f * x * x * x);
    return __fdividef(x, 1.0f + __expf(-twice_u));
  } else if constexpr (activation == Activation::gelu_erf) {
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  } else if constexpr (activation == Activation::silu) {
    return __fdividef(x, 1.0f + __expf(-x));
  } else if constexpr (activation == Activation::relu) {
    return fmaxf(x, 0.0f);
  } else {
    return x;
  }
}

// 1 / (1 + 2^-t), without what the compiler adds for denormal numbers.
__device__ inline float sigmoid_of_log2(float t) {
  float power, inverse;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(-t));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(1.0f + power));
  return inverse;
}

// The same for results that are rounded to 16 bits, where it is worth the trouble to be faster: each is x / (1 +
// exp(-z)). For erf-GELU z is an odd polynomial fitted to the logit of the normal distribution: off by at most 3.2e-6.
template <Activation activation>
__device__ inline float activate_for_16_bits(float x) {
  constexpr float log2_of_e = 1.4426950408889634f;
  const float u = x * x;
  if constexpr (activation == Activation::gelu_erf) {
    constexpr float c0 = 1.59565818f * log2_of_e, c1 = 7.29315673e-2f * log2_of_e, c2 = -2.45835921e-4f * log2_of_e,
                    c3 = -6.18765636e-5f * log2_of_e, c4 = 2.27459526e-6f * log2_of_e;
    return x * sigmoid_of_log2(x * (c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))));
  } else if constexpr (activation == Activation::gelu_tanh) {
    constexpr float c0 = 1.5957691216057308f * log2_of_e, c1 = c0 * 0.044715f;  // as activate()
    return x * sigmoid_of_log2(x * (c0 + u * c1));
  } else if constexpr (activation == Activation::silu) {
    return x * sigmoid_of_log2(x * log2_of_e);
  } else {
    return activate<activation>(x);
  }
}

// Whether activate_pair() is there for it: two values of f16 at once, without leaving f16.
template <Activation activation>
inline constexpr bool has_pairs = activation == Activation::gelu_erf || activation == Activation::gelu_tanh;

// x F(x) = max(x, 0) - |x| F(-|x|), of which the second term is at most 0.17 and so needs few digits: with x from a
// normal distribution the result is off by 1.5e-4 (root of the mean square; by emulated arithmetic in f16 with an exact
// exponential), where rounding the exact value to f16 costs 1.35e-4. The polynomials are fitted to log2 F(-|x|).
template <Activation activation>
__device__ inline __half2 activate_pair(__half2 x) {
  static_assert(has_pairs<activation>);
  const auto constant = [](float value) { return __float2half2_rn(value); };
  const __half2 a = __habs2(x);
  __half2 power;
  if constexpr (activation == Activation::gelu_erf) {
    power = __hfma2(a, constant(-0.02488561f), constant(-0.4988201f));
    power = __hfma2(a, power, constant(-1.12924589f));
    power = __hfma2(a, power, constant(-1.00353174f));
  } else {
    power = __hfma2(a, constant(-0.00434076f), constant(-0.0167542f));
    power = __hfma2(a, power, constant(-0.49633862f));
    power = __hfma2(a, power, constant(-1.13538519f));
    power = __hfma2(a, power, constant(-1.00200321f));
  }
  uint32_t f;
  asm("ex2.approx.f16x2 %0, %1;" : "=r"(f) : "r"(reinterpret_cast<const uint32_t&>(power)));
  return __hfma2(__hneg2(a), reinterpret_cast<const __half2&>(f), __hmax2(x, constant(0)));
}

// Where the activation is only known at run time.
__device__ inline float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu_tanh:
      return activate<Activation::gelu_tanh>(x);
    case Activation::gelu_erf:
      return activate<Activation::gelu_erf>(x);
    case Activation::silu:
      return activate<Activation::silu>(x);
    case Activation::relu:
      return activate<Activation::relu>(x);
  }
  return x;
}

// Calls f.template operator()<activation>(), on the host or on the device as f is made for.
#pragma nv_exec_check_disable
template <typename F>
__host__ __device__ void with_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::none:
      return f.template operator()<Activation::none>();
    case Activation::gelu_tanh:
      return f.template operator()<Activation::gelu_tanh>();
    case Activation::gelu_erf:
      return f.template operator()<Activation::gelu_erf>();
    case Activation::silu:
      return f.template operator()<Activation::silu>();
    case Activation::relu:
      return f.template operator()<Activation::relu>();
  }
}

}  // namespace cotenant
