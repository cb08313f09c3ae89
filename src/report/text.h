#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "report/table.h"

// What `cotenant analyze` and the end of `cotenant run` print. `colour`: terminal escapes are welcome. Everything ends
// with a newline.
namespace cotenant {

// The answer, a row per tenant, the device, validity with its reasons, and where the files are.
std::string experiment_table(const ExperimentAnalysis& experiment, bool colour);

// "alone, as found beside it: data/gpt2_solo": the baselines that nobody named. Empty: there are none.
std::string found_baselines(std::span<const ExperimentAnalysis> experiments);

// Fairness, tests, repeats, baselines and warnings: what stands behind the table.
std::string experiment_details(const ExperimentAnalysis& experiment, bool colour);

// Several experiments side by side, a row each: work done against the worst slowdown, and against one after another.
std::string comparison_text(std::span<const ExperimentAnalysis> experiments, bool colour);

// All of it as Markdown, headings from the second level.
std::string markdown_output(std::span<const ExperimentAnalysis> experiments);

// A row per tenant of every experiment, with full precision; empty fields where something is unknown.
std::string csv_output(std::span<const ExperimentAnalysis> experiments);
// The same in parts: the titles, and the rows of one experiment.
std::vector<std::string> csv_columns();
std::vector<std::vector<std::string>> csv_rows(const ExperimentAnalysis& experiment);

// "4.653", "46.15", "1234.5": four or five digits, as many as a reader compares.
std::string format_ms(double ms);

}  // namespace cotenant
