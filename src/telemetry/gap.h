#pragma once

#include <string>

namespace cotenant {

// Something that could not be had: one sentence without its full stop, and what to do about it.
struct Gap {
  std::string what;    // "libnvidia-ml.so.1 cannot be loaded (...)"; empty: there is no gap
  std::string remedy;  // empty: nothing can be done, it is the machine's nature

  explicit operator bool() const { return !what.empty(); }
  std::string text() const { return remedy.empty() ? what : what + ": " + remedy; }
};

}  // namespace cotenant
