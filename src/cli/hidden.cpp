#include <memory>
#include <string>

#include "base/temporary_directory.h"
#include "cli/commands.h"
#include "cli/run_table.h"
#include "process/keeper.h"
#include "process/supervisor.h"
#include "sharing/mps.h"
#include "worker/worker.h"

namespace cotenant {

void add_hidden(Subcommand& app, int& exit_code) {
  app.add_subcommand("worker", "A tenant's process; started by `run`.").group("").callback([&] {
    exit_code = worker_main();
  });
  app.add_subcommand("supervisor", "Starts a tenant's program and ends what it leaves; started by `run`.")
      .group("")
      .callback([&] { exit_code = supervisor_main(); });
  auto directory = std::make_shared<std::string>();
  Subcommand quit = app.add_subcommand("mps-quit", "Ends an MPS daemon of `run`; started by the keeper.").group("");
  quit.add_option("directory", *directory).required();
  quit.callback([&, directory] { exit_code = mps_quit_main(*directory); });
  auto temporary = std::make_shared<std::string>();
  Subcommand remove =
      app.add_subcommand("remove-temporary", "Removes what `run` kept for itself; started by the keeper.");
  remove.group("").add_option("directory", *temporary).required();
  remove.callback([temporary] { remove_temporary_directory(*temporary); });
  auto options = std::make_shared<RunTableOptions>();
  Subcommand table = app.add_subcommand("run-table", "The table at the end of `run`; started by it.").group("");
  table.add_option("directory", options->directory).required();
  table.add_flag("--colour", options->colour, "for a terminal");
  table.add_flag("--details", options->details, "what is behind the table");
  table.add_flag("--unsaved", options->unsaved, "name no files");
  auto no_search = std::make_shared<bool>(false);
  table.add_flag("--no-baseline-search", *no_search, "for baselines beside the experiment");
  table.callback([options, no_search] {
    options->search_baselines = !*no_search;
    print_run_table(*options);
  });
  app.add_subcommand("keeper", "Ends workers whose driver is gone; started by `run`.").group("").callback([&] {
    exit_code = keeper_main();
  });
}

}  // namespace cotenant
