#pragma once

#include <string_view>

// The standard streams, and what goes to stdout.
namespace cotenant {

// To be called first. A standard descriptor that was closed is opened so that writing to it fails: else the next file
// that we open would have its number, and our messages would go into it. SIGPIPE, SIGXFSZ and SIGTTOU, which would end
// or stop us for a message, are ignored.
void prepare_standard_streams();

// Undoes the latter, for a program that takes our place.
void restore_signals();

// Whether to colour it: a terminal, and no NO_COLOR.
bool colour_wanted();

// The reader of standard output has left (`| head`), and so there is nothing left to do. Thrown by print and
// flush_output; main ends quietly.
struct ReaderLeft {};

// Throw usage_error when it cannot be written, for example on a full disk.
void print(std::string_view text);
void flush_output();

// Both. A reader that has left is no reason to end.
void print_all(std::string_view text);

// What they throw.
[[noreturn]] void refuse_output(const char* reason);

}  // namespace cotenant
