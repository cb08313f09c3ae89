#pragma once

#include <CLI/CLI.hpp>

// One file per subcommand: flags in, one call, the printed answer out. Each function adds its subcommand to `app`; the
// callback returns through `exit_code` and throws Error, which main prints.
namespace cotenant {

void add_run(CLI::App& app, int& exit_code);
void add_hidden(CLI::App& app, int& exit_code);  // worker and keeper, which `run` starts
void add_infer(CLI::App& app, int& exit_code);
void add_models(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_schema(CLI::App& app, int& exit_code);
void add_analyze(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_profile(CLI::App& app, int& exit_code);
void add_export(CLI::App& app, int& exit_code);

}  // namespace cotenant
