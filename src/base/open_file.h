#pragma once

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

// The one way to open a file that somebody else may have written: what is analysed, and models.
namespace cotenant {

// Symbolic links in what is analysed may point at what is not the sender's: /etc/shadow. The Hugging Face cache is made
// of them.
enum class Links { refused, followed };

// That it cannot be read, and why by errno. Of a disk or a server that fails the path is not what is to be looked at.
Error cannot_be_read(const std::filesystem::path& file);

// For reading. Throws usage_error when it is not there, cannot be read, is a symbolic link, or no regular file (a FIFO
// or a device would hang or never end). Never blocks.
Fd open_regular_file(const std::filesystem::path& file, Links links = Links::refused);

// Whether it is a directory, and no symbolic link to one. What is analysed is descended into by this.
bool is_real_directory(const std::filesystem::path& path);

// The same of files.
bool is_real_file(const std::filesystem::path& path);

// The directories in it that are real ones, in no order; none where it cannot be read.
std::vector<std::filesystem::path> real_directories_in(const std::filesystem::path& directory);

}  // namespace cotenant
