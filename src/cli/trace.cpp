#include "report/trace.h"

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/output.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

struct TraceOptions {
  std::string path, output;
};

void trace(const TraceOptions& options) {
  const auto directory = experiment_directory(options.path);
  if (options.output.empty() || options.output == "-") {
    write_trace(directory, print);
    flush_output();
    return;
  }
  OutputFile file = OutputFile::named_by_user(options.output);
  write_trace(directory, [&](std::string_view text) { file.write(text); });
  file.close();
}

}  // namespace

void add_trace(Subcommand& app, int&) {
  auto options = std::make_shared<TraceOptions>();
  Subcommand command = app.add_subcommand("trace", "Writes an experiment as a timeline for ui.perfetto.dev");
  command.add_option("path", options->path, "Directory of an experiment, or its configuration file").required();
  command.add_option("-o,--output", options->output, "A file; default: standard output").type_name("FILE").not_empty();
  command.callback([options] { trace(*options); });
}

}  // namespace cotenant
