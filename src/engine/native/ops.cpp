#include "engine/native/ops.h"

namespace cotenant {

void Ops::norm_linear(const Tensor& y, const Weight& weight, const Tensor& x, const NormLinear& how) {
  norm(how.normed, x, how.norm);
  if (!how.gated) return linear(y, weight, how.normed, how.activation, false);
  linear(how.wide, weight, how.normed, Activation::none, false);
  gate(y, how.wide, how.activation);
}

}  // namespace cotenant
