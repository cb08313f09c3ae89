#pragma once

#include "cli/command_line.h"

// One file per subcommand: flags in, one call, the printed answer out. Each function adds its subcommand to `app`; the
// callback returns through `exit_code` and throws Error, which main prints.
namespace cotenant {

void add_run(Subcommand& app, int& exit_code);
void add_hidden(Subcommand& app, int& exit_code);  // worker and keeper, which `run` starts
void add_infer(Subcommand& app, int& exit_code);
void add_models(Subcommand& app, int& exit_code);
void add_doctor(Subcommand& app, int& exit_code);
void add_schema(Subcommand& app, int& exit_code);
void add_analyze(Subcommand& app, int& exit_code);
void add_submit(Subcommand& app, int& exit_code);
void add_status(Subcommand& app, int& exit_code);
void add_compare(Subcommand& app, int& exit_code);
void add_trace(Subcommand& app, int& exit_code);
void add_profile(Subcommand& app, int& exit_code);
void add_export(Subcommand& app, int& exit_code);
void add_completion(Subcommand& app, int& exit_code);  // and the manual page

}  // namespace cotenant
