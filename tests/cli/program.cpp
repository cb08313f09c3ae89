#include "program.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/temporary_directory.h"
#include "places.h"

namespace cotenant {

Outcome run_cotenant(const std::string& arguments, const std::string& directory) {
  const TemporaryDirectory temporary;
  const std::string err_file = (temporary.path() / "stderr").string();
  const std::string command = fmt::format("cd '{}' && '{}' {} 2>'{}'", directory, binary(), arguments, err_file);
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
  return outcome;
}

}  // namespace cotenant
