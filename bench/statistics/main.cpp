#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "cells.h"

// Prints the tables of docs/metrics.md, "How far the figures hold": the functions of the analysis asked about data of
// known truth. Everything is in percent; the same seed gives the same tables on every machine.
namespace cotenant::made {
namespace {

struct Options {
  size_t replicates = 300;
  uint64_t seed = 1;
  std::vector<std::string> parts{"percentiles", "intervals", "verdicts", "repeats", "compare", "warmup"};
};

// In which speeds do not wander: sequences can be made without a window.
constexpr std::array sequence_kinds{Kind::independent, Kind::bimodal, Kind::heavy_tail, Kind::ar_half,
                                    Kind::ar_most,     Kind::waits,   Kind::bursts};

double percent(size_t part, size_t of) {
  return of ? 100.0 * static_cast<double>(part) / static_cast<double>(of) : 0;
}

// "96.3", "96.3 of 57": so many of the intervals that were given, in so many of the cases; "-": hardly ever.
std::string text(const Coverage& c) {
  if (c.given * 20 < c.asked) return "-";
  const std::string covered = fmt::format("{:.1f}", percent(c.covered, c.given));
  return c.given * 100 >= c.asked * 99 ? covered : fmt::format("{} of {:.0f}", covered, percent(c.given, c.asked));
}

void print_percentiles(const Options& options) {
  fmt::print(
      "\nIntervals of percentiles that hold the truth\n\n| data | n | p50 | p95 | p99 |\n|---|---|---|---|---|\n");
  for (const Kind kind : sequence_kinds)
    for (const size_t n : {50, 100, 200, 400, 1000, 2000}) {
      const PercentileCoverage found = percentile_coverage(kind, n, options.replicates, options.seed + n);
      fmt::print("| {} | {} | {} | {} | {} |\n", to_string(kind), n, text(found.p50), text(found.p95), text(found.p99));
    }
}

// The least and the greatest over the cells of one row.
struct Range {
  double least = 100, greatest = 0;
  void add(const Coverage& c) {
    if (c.given == 0) return;
    least = std::min(least, percent(c.covered, c.given));
    greatest = std::max(greatest, percent(c.covered, c.given));
  }
  std::string text() const { return fmt::format("{:.0f} to {:.0f}", least, greatest); }
};

void print_intervals(const Options& options) {
  fmt::print(
      "\nIntervals of work that hold the truth: over 2, 3 and 10 equal tenants, one baseline or each its own\n\n"
      "| data | n | progress | slowdown p50 | relative progress | STP |\n|---|---|---|---|---|---|\n");
  for (const Kind kind : kinds)
    for (const size_t n : {45, 100, 200, 1000}) {
      Range progress, slowdown, relative, stp;
      for (const size_t tenants : {2, 3, 10})
        for (const bool own : {false, true}) {
          if (tenants == 10 && n == 1000) continue;  // takes long, and says nothing new
          const WorkCoverage found =
              work_coverage(equal_tenants(kind, tenants, n, own), options.replicates, options.seed + n + tenants);
          progress.add(found.progress), slowdown.add(found.slowdown);
          relative.add(found.relative), stp.add(found.stp);
        }
      fmt::print("| {} | {} | {} | {} | {} | {} |\n", to_string(kind), n, progress.text(), slowdown.text(),
                 relative.text(), stp.text());
      std::fflush(stdout);
    }
}

void print_equal(const Options& options, size_t n) {
  double answered = 0;
  for (const Kind kind : kinds) {
    VerdictCounts found = verdicts(equal_tenants(kind, 3, n), options.replicates, options.seed + n);
    answered += 100 * found.answered() / static_cast<double>(kinds.size());
    fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", to_string(kind), n, 100 * found.answered(),
               100 * (found.share(Verdict::hogging) + found.share(Verdict::starved)),
               percent(found.experiments_with_unfair, found.experiments),
               100 - percent(found.of_study[Verdict::fair], found.tenants));
  }
  fmt::print("| mean | {} | {:.1f} | | | |\n", n, answered);
}

void print_unequal(const Options& options, double relative) {
  for (const Kind kind : kinds) {
    std::string row = fmt::format("| {} | {}", to_string(kind), relative);
    for (const size_t n : {45, 200, 1000}) {
      VerdictCounts found = verdicts(unequal_tenants(kind, relative, n), options.replicates, options.seed + n);
      const Verdict right = relative > 1 ? Verdict::hogging : Verdict::starved;
      row += fmt::format(" | {:.1f} | {:.1f}", percent(found.of_first[Verdict::fair], found.experiments),
                         percent(found.of_first[right], found.experiments));
    }
    fmt::print("{} |\n", row);
    std::fflush(stdout);
  }
}

void print_verdicts(const Options& options) {
  fmt::print(
      "\nThree equal tenants: verdicts given; hogging or starved, of tenants and of experiments; what the study's "
      "rule calls so\n\n| data | n | answered | false | in experiments | study |\n|---|---|---|---|---|---|\n");
  for (const size_t n : {45, 200, 1000}) print_equal(options, n);
  fmt::print(
      "\nOne of three tenants at that ratio of the geometric mean, n = 45, 200 and 1000: called fair, and found\n\n"
      "| data | ratio | fair | found | fair | found | fair | found |\n|---|---|---|---|---|---|---|---|\n");
  for (const double relative : {1.2, 0.83, 1.5}) print_unequal(options, relative);
}

void print_repeats(const Options& options) {
  fmt::print(
      "\nIntervals from runs that differ by 2%\n\n"
      "| runs | tenants | baselines | progress | slowdown p50 | relative progress | STP |\n"
      "|---|---|---|---|---|---|---|\n");
  for (const size_t runs : {3, 5})
    for (const size_t tenants : {2, 3})
      for (const bool own : {true, false}) {
        const auto found = repeat_coverage(runs, tenants, 0.02, own, options.replicates, options.seed + runs);
        fmt::print("| {} | {} | {} | {} | {} | {} | {} |\n", runs, tenants, own ? "each its own" : "one",
                   text(found.progress), text(found.slowdown), text(found.relative), text(found.stp));
      }
}

void print_compare(const Options& options) {
  fmt::print(
      "\ncompare, two tenants: FASTER or SLOWER of equal ones, of tenants and of comparisons; a shift of 5% found\n\n"
      "| runs a side | spread of runs | false | in comparisons | found |\n|---|---|---|---|---|\n");
  for (const size_t runs : {1, 2, 3, 5, 8})
    for (const double spread : {0.01, 0.02, 0.05}) {
      ChangeCounts none = changes(runs, spread, 0, 4 * options.replicates, options.seed);
      ChangeCounts some = changes(runs, spread, 0.05, options.replicates, options.seed);
      fmt::print("| {} | {}% | {:.1f} | {:.1f} | {:.1f} |\n", runs, 100 * spread,
                 percent(none.of_tenants[Change::faster] + none.of_tenants[Change::slower], 2 * none.comparisons),
                 percent(none.comparisons_with_change, none.comparisons),
                 percent(some.of_tenants[Change::slower], 2 * some.comparisons));
    }
}

void print_warmup(const Options& options) {
  fmt::print(
      "\nLate warm-up: told of stationary data; of a first 5% at three times the time\n\n"
      "| data | n | false | found |\n|---|---|---|---|\n");
  for (const Kind kind : sequence_kinds)
    for (const size_t n : {100, 200, 500, 2000}) {
      const WarmupCounts none = late_warmups(kind, n, 0, 1, options.replicates, options.seed + n);
      const WarmupCounts some = late_warmups(kind, n, 0.05, 3, options.replicates, options.seed + n);
      fmt::print("| {} | {} | {:.1f} | {:.1f} |\n", to_string(kind), n,
                 percent(none.warmups + none.changes, none.sequences), percent(some.warmups, some.sequences));
    }
}

void print(const Options& options) {
  const std::map<std::string, void (*)(const Options&)> tables{
      {"percentiles", print_percentiles}, {"intervals", print_intervals}, {"verdicts", print_verdicts},
      {"repeats", print_repeats},         {"compare", print_compare},     {"warmup", print_warmup}};
  fmt::print("{} replicates a cell, seed {}\n", options.replicates, options.seed);
  for (const std::string& part : options.parts) {
    tables.at(part)(options);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace cotenant::made

int main(int argc, char** argv) {
  cotenant::made::Options options;
  CLI::App app("Coverage of intervals and error rates of verdicts, on data of known truth");
  app.add_option("--replicates", options.replicates, "Of each cell")->capture_default_str();
  app.add_option("--seed", options.seed, "Of the data")->capture_default_str();
  app.add_option("--parts", options.parts, "Which tables")
      ->check(CLI::IsMember({"percentiles", "intervals", "verdicts", "repeats", "compare", "warmup"}));
  CLI11_PARSE(app, argc, argv);
  cotenant::made::print(options);
}
