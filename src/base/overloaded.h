#pragma once

namespace cotenant {

// One visitor of a variant out of several functions: std::visit(Overloaded{...}, variant). What a function is missing
// for does not compile.
template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // Clang deduces it by itself from 17 on

}  // namespace cotenant
