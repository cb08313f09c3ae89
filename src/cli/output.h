#pragma once

#include <string_view>

// What goes to stdout.
namespace cotenant {

// Whether to colour it: a terminal, and no NO_COLOR.
bool colour_wanted();

// Throw usage_error when it cannot be written, for example on a full disk.
void print(std::string_view text);
void flush_output();
void print_all(std::string_view text);  // both

}  // namespace cotenant
