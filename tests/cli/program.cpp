#include "program.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cotenant {

Outcome run_cotenant(const std::string& arguments, const std::string& directory) {
  const std::string err_file = fmt::format("{}cotenant_stderr_{}", testing::TempDir(), getpid());
  const std::string command = fmt::format("cd '{}' && '{}' {} 2>'{}'", directory, COTENANT_BINARY, arguments, err_file);
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> chunk;
  while (const size_t count = fread(chunk.data(), 1, chunk.size(), pipe)) outcome.out.append(chunk.data(), count);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ostringstream err;
  err << std::ifstream(err_file).rdbuf();
  outcome.err = err.str();
  std::filesystem::remove(err_file);
  return outcome;
}

}  // namespace cotenant
