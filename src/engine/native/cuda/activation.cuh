#pragma once

#include "model/spec.h"

namespace cotenant {

// Formulas as in transformers (activations.py): gelu_new is the tanh form.
__device__ inline float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu_tanh:
      return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case Activation::gelu_erf:
      return 0.5f * x * (1 + erff(0.7071067812f * x));
    case Activation::silu:
      return x / (1 + __expf(-x));
    case Activation::relu:
      return fmaxf(x, 0);
  }
  return x;
}

}  // namespace cotenant
