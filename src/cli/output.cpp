#include "cli/output.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr int kEndOrStopUs[] = {SIGPIPE, SIGXFSZ, SIGTTOU};

void set_signals(void (*handler)(int)) {
  for (const int number : kEndOrStopUs) ::signal(number, handler);
}

[[noreturn]] void fail_output() {
  if (errno == EPIPE) throw ReaderLeft();
  refuse_output(std::strerror(errno));
}

}  // namespace

void prepare_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  set_signals(SIG_IGN);
  // What modules log is a message, too, and no part of an answer: spdlog writes to stdout by itself.
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
}

void restore_signals() {
  set_signals(SIG_DFL);
}

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

void refuse_output(const char* reason) {
  throw usage_error("standard output", std::string("cannot be written: ") + reason,
                    "Free some space, or send it elsewhere.");
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail_output();
  if (std::ferror(stdout) != 0) refuse_output("an earlier write failed");
}

void print_all(std::string_view text) {
  try {
    print(text);
    flush_output();
  } catch (const ReaderLeft&) {
  }
}

}  // namespace cotenant
