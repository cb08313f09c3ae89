#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace cotenant {

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

namespace {

[[noreturn]] void refuse_output(const char* reason) {
  throw usage_error("standard output", std::string("cannot be written: ") + reason,
                    "Free some space, or send it elsewhere.");
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) refuse_output(std::strerror(errno));
}

void flush_output() {
  if (std::fflush(stdout) != 0) refuse_output(std::strerror(errno));
  if (std::ferror(stdout) != 0) refuse_output("an earlier write failed");
}

void print_all(std::string_view text) {
  print(text);
  flush_output();
}

}  // namespace cotenant
