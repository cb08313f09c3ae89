#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>

#include "analysis/analysis.h"
#include "report/charts.h"
#include "report/json_value.h"

// Numbers and small structs as the page's JSON: rounded to what a chart can show, null for what is not finite.
namespace cotenant {

inline Json to_page(double value, int digits = 6) {
  if (!std::isfinite(value)) return nullptr;
  if (value == 0) return 0;
  const double scale = std::pow(10, digits - 1 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) ? std::round(value * scale) / scale : value;
}

inline Json to_page(const std::optional<double>& value) {
  return value ? to_page(*value) : Json();
}

inline Json to_page(const std::optional<Interval>& interval) {
  return interval ? Json{to_page(interval->low), to_page(interval->high)} : Json();
}

inline Json to_page(std::span<const double> values, int digits) {
  Json list = Json::array();
  for (double value : values) list.push_back(to_page(value, digits));
  return list;
}

inline Json to_page(const Curve& curve) {
  return {{"x", to_page(curve.x, 6)}, {"y", to_page(curve.y, 5)}};
}

inline Json to_page(std::span<const Curve> curves) {
  Json list = Json::array();
  for (const Curve& curve : curves) list.push_back(to_page(curve));
  return list;
}

}  // namespace cotenant
