#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "places.h"

// Reads tests/stats/fixtures/*.json, which tools/make_stats_fixtures.py wrote with numpy and scipy.
namespace cotenant {

inline nlohmann::json fixture(const std::string& name) {
  std::ifstream file(source_dir() + "/tests/stats/fixtures/" + name + ".json");
  return nlohmann::json::parse(file);
}

// NaN and infinities are strings in the fixtures.
inline double number(const nlohmann::json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

inline std::vector<double> numbers(const nlohmann::json& values) {
  std::vector<double> result;
  for (const auto& value : values) result.push_back(number(value));
  return result;
}

inline std::vector<std::span<const double>> spans(const std::vector<std::vector<double>>& samples) {
  return {samples.begin(), samples.end()};
}

// Equal to 1e-9 relative; to 1e-12 absolute where it is zero.
inline void expect_close(double found, double expected, const std::string& what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << what << ": " << found;
  } else if (std::isinf(expected)) {
    EXPECT_EQ(found, expected) << what;
  } else {
    EXPECT_NEAR(found, expected, expected == 0 ? 1e-12 : 1e-9 * std::abs(expected)) << what;
  }
}

}  // namespace cotenant
