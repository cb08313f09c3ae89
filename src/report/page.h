#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "analysis/analysis.h"

// report.html: one file that needs nothing else. A fixed page (assets/) with the figures in it as JSON; the page's
// script draws them. Names and all other text from the files reach the page as text, never as markup.
namespace cotenant {

// The whole page about one experiment; under 2 MB whatever the experiment's size.
std::string experiment_page(const ExperimentAnalysis& experiment);

// The page that sets several experiments side by side. `links`: where each one's own page is, relative to this one;
// empty strings or an empty span for none.
std::string comparison_page(std::span<const ExperimentAnalysis> experiments, std::span<const std::string> links);

}  // namespace cotenant
