#include <memory>
#include <string>
#include <vector>

#include "cli/command_table.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace cotenant {

void add_completion(Subcommand& app, int&) {
  Subcommand command =
      app.add_subcommand("completion", "Prints what completes cotenant's commands and options in a shell");
  const auto shell = std::make_shared<std::string>();
  command.add_option("shell", *shell, "bash or zsh").required().one_of({"bash", "zsh"});
  command.callback([&app, shell] {
    const std::vector<CommandRow> table = command_table(app);
    print_all(*shell == "bash" ? bash_completion(table) : zsh_completion(table));
  });
  app.add_subcommand("manual", "Prints the manual page, for `man -l -`").callback([&app] {
    print_all(manual_page(command_table(app)));
  });
}

}  // namespace cotenant
