#pragma once

#include <filesystem>
#include <string>
#include <vector>

// Libraries of the CUDA toolkit that cotenant's modules are linked with, where the system's own search (ld.so) does not
// find them: in CUDA_HOME or CUDA_PATH, in /usr/local/cuda, or in PyPI's nvidia-* packages beside the program, in the
// active environment (VIRTUAL_ENV, CONDA_PREFIX) or in ~/.local.
namespace cotenant {

// The directories of these places that are there, in this order.
std::vector<std::filesystem::path> toolkit_directories();

// Opens the first file of this name (a soname, "libcublasLt.so.13") in these places, so that what is linked with it
// finds it, and returns whether there was one that opens. It stays open until the process ends.
bool open_toolkit_library(const std::string& soname);

// The file from which this process took it; empty: it is not loaded.
std::string loaded_from(const std::string& soname);

}  // namespace cotenant
