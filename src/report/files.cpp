#include "report/files.h"

#include <fmt/format.h>

#include <cctype>
#include <set>
#include <string_view>

#include "base/directory.h"
#include "base/error.h"
#include "base/path_component.h"
#include "report/gnuplot.h"
#include "report/page.h"
#include "report/plots.h"
#include "results/output_file.h"
#include "results/own_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// A folder's name for each experiment, no two alike: experiments of one name get numbers.
std::vector<std::string> folder_names(std::span<const ExperimentAnalysis> experiments) {
  std::vector<std::string> names;
  std::set<std::string> taken{"comparison"};
  for (const ExperimentAnalysis& experiment : experiments) {
    const std::string plain = path_component(experiment.name);
    std::string name = plain;
    for (int number = 2; !taken.insert(name).second; ++number) name = fmt::format("{}_{}", plain, number);
    names.push_back(std::move(name));
  }
  return names;
}

// A file's name as part of a relative URL (RFC 3986).
std::string url_part(const std::string& name) {
  std::string url;
  for (const unsigned char c : name) {
    const bool plain =
        std::isalnum(c) != 0 || std::string_view("-._~").find(static_cast<char>(c)) != std::string_view::npos;
    url += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return url;
}

// A folder that an experiment names is not to lead out of `root`.
fs::path folder_in(const fs::path& root, const std::string& name) {
  fs::path folder = root / name;
  std::error_code error;
  if (fs::is_symlink(folder, error))
    throw usage_error(folder.string(),
                      "is a symbolic link, and plots and reports go into no link that an experiment names",
                      "Remove it, or choose a place with --out.");
  return folder;
}

struct Places {
  std::vector<std::string> names;  // of the experiments' folders
  std::vector<fs::path> folders;   // the last one of all together, if there are several
};

Places places_of(std::span<const ExperimentAnalysis> experiments, const std::optional<fs::path>& out) {
  Places places{folder_names(experiments), {}};
  const bool several = experiments.size() > 1;
  const fs::path root = out.value_or("plots");
  for (const std::string& name : places.names) places.folders.push_back(out && !several ? *out : folder_in(root, name));
  if (several) places.folders.push_back(root / "comparison");
  return places;
}

void write_one(ReportFiles& files, const fs::path& directory, const std::string& page,
               const std::vector<Picture>& pictures, const fs::path& gnuplot) {
  make_directory(directory);
  const fs::path file = directory / "report.html";
  write_file(file, page);
  files.pages.push_back(file);
  if (!gnuplot.empty()) files.plots += draw(pictures, gnuplot, directory).size();
}

}  // namespace

void check_report_places(std::span<const ExperimentAnalysis> experiments, const std::optional<fs::path>& out) {
  for (const fs::path& folder : places_of(experiments, out).folders) check_outside_results(folder / "report.html");
}

ReportFiles write_report_files(std::span<const ExperimentAnalysis> experiments, const std::optional<fs::path>& out,
                               const fs::path& gnuplot) {
  check_report_places(experiments, out);
  ReportFiles files;
  const Places places = places_of(experiments, out);
  std::vector<std::string> links;
  for (size_t i = 0; i < experiments.size(); ++i) {
    write_one(files, places.folders[i], experiment_page(experiments[i]), experiment_pictures(experiments[i]), gnuplot);
    links.push_back("../" + url_part(places.names[i]) + "/report.html");
  }
  if (experiments.size() > 1)
    write_one(files, places.folders.back(), comparison_page(experiments, links), comparison_pictures(experiments),
              gnuplot);
  return files;
}

}  // namespace cotenant
