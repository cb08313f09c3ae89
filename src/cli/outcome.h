#pragma once

#include <string>

#include "driver/series.h"

namespace cotenant {

// How an experiment ended, in a few words: "valid", "a tenant died", "invalid; a threshold was missed".
std::string outcome_text(const ExperimentOutcome& outcome);

}  // namespace cotenant
