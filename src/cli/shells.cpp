#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "cli/command_table.h"

namespace cotenant {
namespace {

std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& replacements) {
  for (const auto& [from, to] : replacements)
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  return text;
}

std::vector<std::string> names_of(const CommandRow& command) {
  std::vector<std::string> names;
  for (const OptionRow& option : command.options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> subcommands(const std::vector<CommandRow>& commands) {
  std::vector<std::string> names;
  for (const CommandRow& command : commands)
    if (!command.name.empty()) names.push_back(command.name);
  return names;
}

// A positional's choices: those of the first that has any.
std::vector<std::string> positional_choices(const CommandRow& command) {
  for (const OptionRow& option : command.options)
    if (option.names.empty() && !option.choices.empty()) return option.choices;
  return {};
}

// A bash case: what follows an option that takes a value. Where there are no choices, bash completes files.
std::string bash_values(const CommandRow& command) {
  std::string cases;
  for (const OptionRow& option : command.options) {
    if (option.names.empty() || option.value.empty()) continue;
    cases += fmt::format("        {}) words={} ;;\n", fmt::join(option.names, "|"),
                         option.choices.empty() ? "" : fmt::format("'{}'", fmt::join(option.choices, " ")));
  }
  return cases;
}

// Inside single quotes, in which zsh's _arguments reads brackets and colons.
std::string zsh_text(const std::string& text) {
  return replaced(text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}, {"'", "'\\''"}});
}

std::string zsh_action(const OptionRow& option) {
  if (!option.choices.empty()) return fmt::format("({})", fmt::join(option.choices, " "));
  return option.value == "DIR" ? "_files -/" : "_files";
}

std::string zsh_argument(const OptionRow& option) {
  if (option.names.empty())
    return fmt::format("'{}:{}:{}'", option.several ? "*" : "", zsh_text(option.value), zsh_action(option));
  const std::string value =
      option.value.empty() ? "" : fmt::format(":{}:{}", zsh_text(option.value), zsh_action(option));
  std::vector<std::string> arguments;
  for (const std::string& name : option.names)
    arguments.push_back(
        fmt::format("'{}{}[{}]{}'", option.several ? "*" : "", name, zsh_text(option.description), value));
  return fmt::format("{}", fmt::join(arguments, " "));
}

// A line that begins with a dot or a quote would be a command, and a hyphen is typeset as a dash.
std::string roff(const std::string& text) {
  std::string out = replaced(text, {{"\\", "\\e"}, {"-", "\\-"}, {"\n.", "\n\\&."}, {"\n'", "\n\\&'"}});
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string roff_option(const OptionRow& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back(fmt::format("\\fB{}\\fR", roff(name)));
  if (names.empty()) names.push_back(fmt::format("\\fI{}\\fR", roff(option.value)));
  std::string head = fmt::format("{}", fmt::join(names, ", "));
  if (!option.names.empty() && !option.value.empty())
    head += option.choices.empty() ? fmt::format(" \\fI{}\\fR", roff(option.value))
                                   : fmt::format(" {}", roff(fmt::format("{}", fmt::join(option.choices, "|"))));
  return fmt::format(".TP\n{}\n{}\n", head, option.description.empty() ? "\\&" : roff(option.description));
}

std::string roff_options(const CommandRow& command) {
  std::string text, group;
  for (const OptionRow& option : command.options) {
    if (option.group != group && option.group != "Options" && option.group != "Positionals")
      text += fmt::format(".PP\n{}:\n", roff(option.group));
    group = option.group;
    text += roff_option(option);
  }
  return text;
}

}  // namespace

std::string bash_completion(const std::vector<CommandRow>& commands) {
  std::string cases;
  for (const CommandRow& command : commands) {
    const std::string choices = fmt::format("{}", fmt::join(positional_choices(command), " "));
    cases += fmt::format(
        "    {})\n      case $previous in\n{}        *) if [[ $current == -* ]]; then words='{}'; else words='{}'; fi "
        ";;\n"
        "      esac ;;\n",
        command.name.empty() ? "''" : command.name, bash_values(command), fmt::join(names_of(command), " "),
        command.name.empty() ? fmt::format("{}", fmt::join(subcommands(commands), " ")) : choices);
  }
  return fmt::format(
      "# Completion of cotenant for bash.\n"
      "_cotenant() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= words=\n"
      "  (( COMP_CWORD > 1 )) && command=${{COMP_WORDS[1]}}\n"
      "  case $command in\n"
      "{}"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}}\n"
      "complete -o default -F _cotenant cotenant\n",
      cases);
}

std::string zsh_completion(const std::vector<CommandRow>& commands) {
  std::string names, cases;
  for (const CommandRow& command : commands) {
    std::vector<std::string> arguments;
    for (const OptionRow& option : command.options) arguments.push_back(zsh_argument(option));
    cases += fmt::format("    {}) _arguments -S {} ;;\n", command.name.empty() ? "-*" : command.name,
                         fmt::join(arguments, " \\\n      "));
    if (!command.name.empty())
      names += fmt::format("    '{}:{}'\n", command.name, replaced(command.description, {{"'", "'\\''"}}));
  }
  return fmt::format(
      "#compdef cotenant\n"
      "# Completion of cotenant for zsh.\n"
      "_cotenant() {{\n"
      "  local -a commands\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "    _describe -t commands command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  (( CURRENT > 2 )) && shift words && (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "if [[ $funcstack[1] == _cotenant ]]; then _cotenant \"$@\"; else compdef _cotenant cotenant; fi\n",
      names, cases);
}

std::string manual_page(const std::vector<CommandRow>& commands) {
  std::string text =
      ".TH COTENANT 1 \"\" \"cotenant\" \"User Commands\"\n"
      ".SH NAME\ncotenant \\- measures and explains how deep\\-learning models share one accelerator\n"
      ".SH SYNOPSIS\n.B cotenant\n\\fIcommand\\fR [\\fIoption\\fR ...] [\\fIargument\\fR ...]\n.SH DESCRIPTION\n";
  for (const CommandRow& command : commands) {
    if (command.name.empty())
      text += roff(command.description) + "\n.SH OPTIONS\n" + roff_options(command) + ".SH COMMANDS\n";
    else
      text +=
          fmt::format(".SS cotenant {}\n{}\n{}", roff(command.name), roff(command.description), roff_options(command));
  }
  return text +
         ".SH EXIT STATUS\n"
         ".TP\n0\nSuccess; the run is valid.\n"
         ".TP\n1\nAn internal error.\n"
         ".TP\n2\nUsage or configuration, or a place that cannot be written.\n"
         ".TP\n3\nA tenant died.\n"
         ".TP\n4\nThe run is complete but invalid; its reasons are in experiment.json.\n"
         ".TP\n5\nA threshold was not met.\n"
         ".TP\n130, 143\nInterrupted by Ctrl\\-C, by SIGTERM.\n";
}

}  // namespace cotenant
