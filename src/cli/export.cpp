#include "report/export.h"

#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/output.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

struct ExportOptions {
  std::string path, format = "csv", output;
  bool everything = false;
};

void export_to(const ExportOptions& options) {
  ExportRequest request;
  request.directory = experiment_directory(options.path);
  request.format = options.format == "json" ? ExportFormat::json : ExportFormat::csv;
  request.everything = options.everything;
  if (options.output.empty() || options.output == "-") {
    export_iterations(request, print);
    flush_output();
    return;
  }
  OutputFile file = OutputFile::named_by_user(options.output);
  export_iterations(request, [&](std::string_view text) { file.write(text); });
  file.close();
}

}  // namespace

void add_export(Subcommand& app, int&) {
  auto options = std::make_shared<ExportOptions>();
  Subcommand command = app.add_subcommand("export", "Writes all iterations of an experiment as one table");
  command.add_option("path", options->path, "Directory of an experiment, or its configuration file").required();
  command.add_option("--format", options->format, "csv, or json: an array of objects")
      .one_of({"csv", "json"})
      .show_default();
  command.add_flag("--all", options->everything, "Also its baselines and repeats");
  command.add_option("-o,--output", options->output, "A file; default: standard output").type_name("FILE").not_empty();
  command.callback([options] { export_to(*options); });
}

}  // namespace cotenant
