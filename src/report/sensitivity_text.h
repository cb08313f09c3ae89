#pragma once

#include <span>
#include <string>

#include "analysis/sensitivity.h"

namespace cotenant {

// Under a line that says whose they are, the slowdowns as a table: a row per kind of stress, a column per intensity.
// Empty without tables. Ends with a newline.
std::string sensitivity_text(std::span<const SensitivityTable> tables, bool colour);

// The same as Markdown.
std::string sensitivity_markdown(std::span<const SensitivityTable> tables);

}  // namespace cotenant
