
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "config/schema.h"

namespace cotenant {

void add_schema(Subcommand& app, int&) {
  Subcommand command = app.add_subcommand("schema", "Prints the JSON Schema of a configuration, for editors");
  const auto markdown = std::make_shared<bool>(false);
  command.add_flag("--markdown", *markdown, "Print the tables of docs/configuration.md instead").group("");
  command.callback([markdown] { print_all(*markdown ? config_markdown() : config_schema().dump(2) + "\n"); });
}

}  // namespace cotenant
