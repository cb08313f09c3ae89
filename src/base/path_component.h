#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Names as parts of paths. A name that comes from a file of others is looked at by is_path_component() before it is
// put behind a directory; a name that becomes a new directory or file goes through path_component().
namespace cotenant {

// Bytes of a component that path_component() makes: what may be put behind it (".incomplete", a random ending) still
// fits into NAME_MAX, 255.
inline constexpr size_t kLongestComponent = 200;

// Whether it names something in a directory itself, and can be shown: not empty, not "." or "..", without '/', at most
// NAME_MAX bytes, and printable().
bool is_path_component(std::string_view name);

// One component of valid UTF-8 made of any text: '/' and what is not printable() become '_', a '.' or '-' at the
// beginning gets a '_' before it, and more than `most` bytes are cut, with a checksum of the whole at the end, so that
// different long texts stay different. What is fine already stays as it is.
std::string path_component(std::string_view text, size_t most = kLongestComponent);

}  // namespace cotenant
