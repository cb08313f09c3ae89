#include <memory>
#include <string>

#include "cli/commands.h"
#include "process/keeper.h"
#include "sharing/mps.h"
#include "worker/worker.h"

namespace cotenant {

void add_hidden(Subcommand& app, int& exit_code) {
  app.add_subcommand("worker", "A tenant's process; started by `run`.").group("").callback([&] {
    exit_code = worker_main();
  });
  auto directory = std::make_shared<std::string>();
  Subcommand quit = app.add_subcommand("mps-quit", "Ends an MPS daemon of `run`; started by the keeper.").group("");
  quit.add_option("directory", *directory).required();
  quit.callback([&, directory] { exit_code = mps_quit_main(*directory); });
  app.add_subcommand("keeper", "Ends workers whose driver is gone; started by `run`.").group("").callback([&] {
    exit_code = keeper_main();
  });
}

}  // namespace cotenant
