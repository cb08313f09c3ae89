#pragma once

#include <string>

// Where a test finds what lies outside it: absolute paths, without a slash at the end.
namespace cotenant {

std::string source_dir();  // the checkout
std::string build_dir();   // what CMake was told by -B
std::string binary();      // the program; a test that starts it depends on its target

}  // namespace cotenant
