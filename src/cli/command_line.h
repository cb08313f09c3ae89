#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

// The command line. CLI11 reads it, behind this header: each file that sees CLI11's takes ten seconds to compile. What
// a function does is what CLI11's of the same name does; mistakes are told by CommandLine::parse.
namespace cotenant {

// A handle: the option itself belongs to its command. Every call returns the same handle.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& type_name(const std::string& name);  // what --help calls its value
  Option& group(const std::string& name);      // its heading in --help; "": not shown there
  Option& one_value_each();                    // repeated for several, so that what follows a value is not another
  Option& range(int least, int greatest);
  Option& range(double least, double greatest);
  Option& not_empty();  // as a variable of a shell that is not set would be
  Option& positive();
  Option& one_of(const std::vector<std::string>& values);
  Option& show_default();  // the value that its variable has now
  Option& excludes(const Option& other);

 private:
  CLI::Option* option_;
};

// A handle of a command or, at the top, of the program.
class Subcommand {
 public:
  explicit Subcommand(CLI::App* app) : app_(app) {}

  Subcommand add_subcommand(const std::string& name, const std::string& description);
  // names: "--out", "-o,--output", or without dashes for a positional. `value` outlives the parse. T: std::string,
  // std::vector<std::string>, int, size_t, double or std::optional<double>.
  template <class T>
  Option add_option(const std::string& names, T& value, const std::string& description = "");
  Option add_flag(const std::string& names, bool& value, const std::string& description);
  Subcommand& group(const std::string& name);
  Subcommand& footer(const std::string& text);
  Subcommand& callback(std::function<void()> run);  // when it was given; what it throws leaves CommandLine::parse

  const CLI::App& app() const { return *app_; }

 protected:
  CLI::App* app_;
};

class CommandLine : public Subcommand {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;

  std::vector<std::string> shown_subcommands() const;
  bool has_subcommand(const std::string& name) const;
  // Runs the callback of what was asked for; without arguments it prints the help. The exit code, when --help or
  // --version was printed instead, or a mistake.
  std::optional<int> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> owned_;
};

}  // namespace cotenant
