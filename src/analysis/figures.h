#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "analysis/analysis.h"

// The figures of a tenant that are one number each, as data: --json, CSV, tables and pages go through this list. One
// more is a line in figures.cpp, its value in TenantAnalysis, and its definition in docs/metrics.md.
namespace cotenant {

// How tables show it, where any of their tenants has it.
enum class Shown : uint8_t {
  never,
  on_pages,  // a number; terminals are too narrow for it
  count,     // 1,234 or 12.3k
  fixed,     // 0.987
  times,     // 1.32x
  percent    // 99.1%, of a share
};

struct TenantFigure {
  std::string_view id;     // in --json, CSV and pages; of its interval: with "_ci95" behind it
  std::string_view title;  // of its column in a table
  std::string_view unit;   // "ms", "tokens/s"; "1": it has none
  Shown shown;
  std::optional<double> (*value)(const TenantAnalysis&);
  std::optional<Interval> (*interval)(const TenantAnalysis&) = nullptr;  // null: it never has one
};

std::span<const TenantFigure> tenant_figures();

// Whether a page's table of these tenants has a column of it; a terminal's has, unless it is on_pages.
bool is_shown(const TenantFigure& figure, std::span<const TenantAnalysis> tenants);

}  // namespace cotenant
