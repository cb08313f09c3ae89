#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"

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
