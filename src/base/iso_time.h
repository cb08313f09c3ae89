#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cotenant {

// Seconds since the epoch of "2026-11-24T15:09:27.25+01:00", with a space for the T, with Z or nothing for UTC, and
// with a shorter fraction or none (ISO 8601, RFC 3339). nullopt: it is no such time.
std::optional<double> seconds_of_iso_time(std::string_view text);

// The same in nanoseconds, exactly; what is written behind the ninth place is cut off. nullopt also where 64 bits do
// not hold it: before 1678 and after 2261.
std::optional<int64_t> ns_of_iso_time(std::string_view text);

}  // namespace cotenant
