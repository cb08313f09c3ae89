#pragma once

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

// The same for results that are rounded to 16 bits, where it is worth the trouble to be faster. erf-GELU is
// x / (1 + exp(-q(x))) with an odd polynomial q fitted to the logit of the normal distribution: off by at most 3.2e-6.
template <Activation activation>
__device__ inline float activate_for_16_bits(float x) {
  if constexpr (activation == Activation::gelu_erf) {
    const float u = x * x;
    const float q =
        1.59565818f + u * (7.29315673e-2f + u * (-2.45835921e-4f + u * (-6.18765636e-5f + u * 2.27459526e-6f)));
    return __fdividef(x, 1.0f + __expf(-x * q));
  } else {
    return activate<activation>(x);
  }
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
