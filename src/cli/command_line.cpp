#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "cli/command_table.h"

namespace cotenant {
namespace {

// Of "TEXT:{csv,json}", as CLI11 names the type of an option with choices.
std::vector<std::string> choices_in(const std::string& type) {
  const size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

OptionRow option_row(const CLI::Option& option) {
  OptionRow row;
  for (const std::string& name : option.get_snames()) row.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.names.push_back("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  const std::string type = option.get_type_name();
  row.choices = choices_in(type);
  if (row.names.empty())
    row.value = option.get_name(true);
  else if (takes_value)
    row.value =
        row.choices.empty() && !type.empty() && !type.starts_with('[') ? type.substr(0, type.find(':')) : "VALUE";
  row.description = option.get_description();
  row.group = option.get_group();
  row.several = option.get_items_expected_max() > 1;
  return row;
}

CommandRow command_row(const CLI::App& app, const std::string& name) {
  CommandRow row{name, app.get_description(), {}};
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) row.options.push_back(option_row(*option));
  return row;
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Option& Option::group(const std::string& name) {
  option_->group(name);
  return *this;
}

Option& Option::one_value_each() {
  option_->allow_extra_args(false);
  return *this;
}

Option& Option::not_empty() {
  option_->check([](const std::string& value) {
    return value.empty() ? std::string("expected a name, found an empty text") : std::string();
  });
  return *this;
}

Option& Option::range(int least, int greatest) {
  option_->check(CLI::Range(least, greatest));
  return *this;
}

Option& Option::range(double least, double greatest) {
  option_->check(CLI::Range(least, greatest));
  return *this;
}

Option& Option::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

Option& Option::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

Option& Option::show_default() {
  option_->capture_default_str();
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Subcommand Subcommand::add_subcommand(const std::string& name, const std::string& description) {
  return Subcommand(app_->add_subcommand(name, description));
}

template <class T>
Option Subcommand::add_option(const std::string& names, T& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
template Option Subcommand::add_option(const std::string&, std::string&, const std::string&);
template Option Subcommand::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option Subcommand::add_option(const std::string&, int&, const std::string&);
template Option Subcommand::add_option(const std::string&, size_t&, const std::string&);
template Option Subcommand::add_option(const std::string&, double&, const std::string&);
template Option Subcommand::add_option(const std::string&, std::optional<double>&, const std::string&);

Option Subcommand::add_flag(const std::string& names, bool& value, const std::string& description) {
  return Option(app_->add_flag(names, value, description));
}

Subcommand& Subcommand::group(const std::string& name) {
  app_->group(name);
  return *this;
}

Subcommand& Subcommand::footer(const std::string& text) {
  app_->footer(text);
  return *this;
}

Subcommand& Subcommand::callback(std::function<void()> run) {
  app_->callback(std::move(run));
  return *this;
}

CommandLine::CommandLine(const std::string& name, const std::string& description, const std::string& version)
    : Subcommand(nullptr), owned_(std::make_unique<CLI::App>(description, name)) {
  app_ = owned_.get();
  app_->set_version_flag("--version", version);
  app_->require_subcommand(1);
}

CommandLine::~CommandLine() = default;

std::vector<std::string> CommandLine::shown_subcommands() const {
  std::vector<std::string> names;
  for (const CLI::App* command : std::as_const(*app_).get_subcommands(nullptr))
    if (!command->get_group().empty()) names.push_back(command->get_name());
  return names;
}

bool CommandLine::has_subcommand(const std::string& name) const {
  for (const CLI::App* command : std::as_const(*app_).get_subcommands(nullptr))
    if (command->check_name(name)) return true;
  return false;
}

std::optional<int> CommandLine::parse(int argc, char** argv) {
  const char* help[] = {argv[0], "--help"};
  try {
    if (argc == 1)
      app_->parse(2, help);
    else
      app_->parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::ostringstream out, err;  // what it says quotes the arguments
    const int code = app_->exit(e, out, err);
    std::fputs(out.str().c_str(), stdout);
    std::fputs(printable_lines(err.str()).c_str(), stderr);
    return code == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  return std::nullopt;
}

std::vector<CommandRow> command_table(const Subcommand& app) {
  std::vector<CommandRow> rows{command_row(app.app(), "")};
  for (const CLI::App* command : app.app().get_subcommands(nullptr))
    if (!command->get_group().empty()) rows.push_back(command_row(*command, command->get_name()));
  return rows;
}

}  // namespace cotenant
