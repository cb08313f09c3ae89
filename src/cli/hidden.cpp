#include "cli/commands.h"
#include "process/keeper.h"
#include "worker/worker.h"

namespace cotenant {

void add_hidden(CLI::App& app, int& exit_code) {
  app.add_subcommand("worker", "A tenant's process; started by `run`.")->group("")->callback([&] {
    exit_code = worker_main();
  });
  app.add_subcommand("keeper", "Ends workers whose driver is gone; started by `run`.")->group("")->callback([&] {
    exit_code = keeper_main();
  });
}

}  // namespace cotenant
