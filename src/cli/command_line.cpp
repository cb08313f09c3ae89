#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "base/error.h"

namespace cotenant {

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
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app_->exit(e) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  return std::nullopt;
}

}  // namespace cotenant
