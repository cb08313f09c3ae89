#pragma once

#include <string>

namespace cotenant {

struct Outcome {
  int exit_code = -1;  // negative: ended by a signal
  std::string out, err;
};

// Runs `cotenant <arguments>` through a shell, in `directory` where one is given.
Outcome run_cotenant(const std::string& arguments, const std::string& directory = ".");

}  // namespace cotenant
