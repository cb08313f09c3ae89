#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cotenant {

// One thing that this machine can or cannot do.
struct Finding {
  enum class State {
    good,
    limited,  // works, but measures less well or offers less
    missing,
  };
  std::string group;  // "machine", "devices", "sharing", "models", "programs", "measuring"
  std::string name;   // "bfloat16 on the CPU"
  State state = State::good;
  std::string found;   // in one line
  std::string remedy;  // what to do about it; empty where there is nothing to do
};

std::string_view to_string(Finding::State state);  // "good", "limited", "missing"

// Looks at everything that bears on what cotenant can do here. Starts nothing and changes nothing.
std::vector<Finding> check_machine();

nlohmann::ordered_json findings_json(const std::vector<Finding>& findings);

}  // namespace cotenant
