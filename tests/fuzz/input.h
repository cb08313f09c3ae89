#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "base/temporary_directory.h"

// What the targets share.
namespace cotenant {

// Reads the input. Whatever it is, a reader either returns or throws an Error for the user.
template <class Read>
void must_read_or_refuse(Read read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.code() != ExitCode::usage) std::abort();
  }
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The input as a file, for readers that stream.
inline std::filesystem::path file_with(std::string_view text, const char* name) {
  static const TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / name;
  std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  return file;
}

}  // namespace cotenant
