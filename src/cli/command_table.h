#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"

// What --help tells, as data: completions and the manual page are made of it.
namespace cotenant {

struct OptionRow {
  std::vector<std::string> names;  // "-q", "--quiet"; empty: positional
  std::string value;               // "DIR", "INT"; of a positional its name; empty: a flag
  std::vector<std::string> choices;
  std::string description, group;  // group: the heading under which --help has it
  bool several = false;            // may be given several times, or takes several values
};

struct CommandRow {
  std::string name, description;
  std::vector<OptionRow> options;
};

// The program itself first, with an empty name; then its subcommands in order. Nothing that is hidden.
std::vector<CommandRow> command_table(const Subcommand& app);

std::string bash_completion(const std::vector<CommandRow>& commands);
std::string zsh_completion(const std::vector<CommandRow>& commands);
std::string manual_page(const std::vector<CommandRow>& commands);  // roff, for `man`

}  // namespace cotenant
