#include "cli/outcome.h"

namespace cotenant {

std::string outcome_text(const ExperimentOutcome& outcome) {
  if (outcome.skipped) return "skipped: complete already";
  switch (outcome.code) {
    case ExitCode::valid:
      return "valid";
    case ExitCode::invalid:
      return outcome.missed.empty() ? "invalid" : "invalid; a threshold was missed";
    case ExitCode::threshold:
      return "valid; a threshold was missed";
    case ExitCode::tenant_died:
      return "a tenant died";
    default:
      return is_interruption(outcome.code) ? "interrupted" : "failed";
  }
}

}  // namespace cotenant
