#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>

#include "base/error.h"
#include "base/printable.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/outlet.h"
#include "cli/output.h"

namespace cotenant {
namespace {

// CLI11 would only say that one is required.
void check_subcommand(const CommandLine& line, const std::string& name) {
  if (name.empty() || name.starts_with('-') || line.has_subcommand(name)) return;
  throw usage_error(name, "there is no such subcommand",
                    fmt::format("There are {}.", fmt::join(line.shown_subcommands(), ", ")));
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  prepare_standard_streams();
  CommandLine app("cotenant", "Measures and explains how deep-learning models share one accelerator.",
                  fmt::format("cotenant {} ({})", version(), git_commit()));
  int exit_code = 0;
  add_run(app, exit_code);
  add_infer(app, exit_code);
  add_analyze(app, exit_code);
  add_submit(app, exit_code);
  add_status(app, exit_code);
  add_compare(app, exit_code);
  add_export(app, exit_code);
  add_trace(app, exit_code);
  add_profile(app, exit_code);
  add_models(app, exit_code);
  add_schema(app, exit_code);
  add_doctor(app, exit_code);
  add_completion(app, exit_code);
  add_hidden(app, exit_code);
  try {
    check_subcommand(app, argc > 1 ? argv[1] : "");
    return app.parse(argc, argv).value_or(exit_code);
  } catch (const ReaderLeft&) {
    return exit_code;
  } catch (const Error& e) {
    tell(fmt::format("cotenant: {}\n", printable_lines(e.what())));
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    tell(fmt::format("cotenant: {}\n  This is a defect of cotenant: please report it.\n", printable_lines(e.what())));
    return static_cast<int>(ExitCode::internal);
  }
}
