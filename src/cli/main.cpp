#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"

namespace cotenant {
namespace {

// CLI11 would only say that one is required.
void check_subcommand(const CLI::App& app, const std::string& name) {
  if (name.empty() || name.starts_with('-')) return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->check_name(name)) return;
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  throw usage_error(name, "there is no such subcommand", fmt::format("There are {}.", fmt::join(names, ", ")));
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  CLI::App app{"Measures and explains how deep-learning models share one accelerator.", "cotenant"};
  app.set_version_flag("--version", fmt::format("cotenant {} ({})", version(), git_commit()));
  app.require_subcommand(1);
  int exit_code = 0;
  add_run(app, exit_code);
  add_infer(app, exit_code);
  add_analyze(app, exit_code);
  add_compare(app, exit_code);
  add_export(app, exit_code);
  add_trace(app, exit_code);
  add_profile(app, exit_code);
  add_models(app, exit_code);
  add_schema(app, exit_code);
  add_doctor(app, exit_code);
  add_hidden(app, exit_code);
  try {
    check_subcommand(app, argc > 1 ? argv[1] : "");
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : static_cast<int>(ExitCode::usage);
  } catch (const Error& e) {
    fmt::print(stderr, "cotenant: {}\n", e.what());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "cotenant: {}\n  This is a defect of cotenant: please report it.\n", e.what());
    return static_cast<int>(ExitCode::internal);
  }
  return exit_code;
}
