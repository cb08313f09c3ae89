#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Small helpers for messages that people read.
namespace cotenant {

// The candidates nearest to `word` by edit distance, best first, at most `most`; none that is too far to be meant.
std::vector<std::string> nearest(std::string_view word, std::span<const std::string> candidates, size_t most = 1);

// Line breaks as spaces.
std::string one_line(std::string text);

// A path with $HOME for a leading ~, which a shell replaces only in some places. Unchanged where HOME is not set.
std::string expand_home(const std::string& path);

std::string format_bytes(uint64_t bytes);       // "15.2 GiB", "980 KiB", "12 B"
std::string format_duration_s(double seconds);  // "950 ms", "12.3 s", "2 min 5 s"
std::string format_count(double count);         // "82.0M", "7.24B", "1234"
// With so many digits behind the point, "3.21"; from 1e12 on as "2.1e+15": a file may say anything, and a double has
// 300.
std::string format_fixed(double value, int digits);

}  // namespace cotenant
