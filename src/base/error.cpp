#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace cotenant {
namespace {

std::string join(const std::string& where, const std::string& what, const std::string& remedy) {
  std::string text = where.empty() ? what : where + ": " + what;
  if (!remedy.empty()) text += "\n  " + remedy;
  return text;
}

}  // namespace

Error::Error(ExitCode code, std::string where, std::string what, std::string remedy)
    : std::runtime_error(join(where, what, remedy)),
      code_(code),
      where_(std::move(where)),
      message_(std::move(what)),
      remedy_(std::move(remedy)) {}

Error usage_error(std::string where, std::string what, std::string remedy) {
  return Error(ExitCode::usage, std::move(where), std::move(what), std::move(remedy));
}

Error system_error(std::string where, const std::string& call) {
  return Error(ExitCode::internal, std::move(where), call + ": " + std::strerror(errno));
}

Error internal_error(std::string where, std::string what) {
  return Error(ExitCode::internal, std::move(where), std::move(what),
               "This is a defect of cotenant: please report it.");
}

}  // namespace cotenant
