#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// What is looked at before a JSON library sees a text from elsewhere, and after it has refused one.
namespace cotenant {

// Far more than any file of ours or of Hugging Face has. The library's values are destroyed, copied and printed level
// by level, on the stack: 200,000 levels end the program.
inline constexpr size_t deepest_json = 64;

// Whether brackets that stand outside of strings are nested more than `levels` deep. The text need not be JSON.
bool json_is_deeper_than(std::string_view text, size_t levels);

// The text without the byte order mark that some editors put in front.
std::string_view without_bom(std::string_view text);

// What nlohmann::json's exceptions say, without their number and cut to a length that a message can have: they quote
// what was read last, whatever its length.
std::string json_problem(std::string_view what);

}  // namespace cotenant
