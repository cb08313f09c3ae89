#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/kernels.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/find_program.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/live.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "config/load.h"
#include "config/overrides.h"
#include "driver/series.h"
#include "engine/native/recorder.h"
#include "process/signals.h"
#include "report/profile_text.h"
#include "report/table.h"
#include "report/trace.h"
#include "results/output_file.h"
#include "results/reader.h"
#include "sharing/device.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

struct ProfileOptions {
  std::string config, out;
  std::vector<std::string> set;
  std::optional<double> duration_s;
  size_t top = 10;
  bool json = false, nsys = false, quiet = false, verbose = false;
};

// A short window, unless --set asks for another: what the file says is for measuring.
std::vector<std::string> shortened(const ProfileOptions& options, const ExperimentConfig& config) {
  std::vector<std::string> set;
  if (config.corun == Corun::overlap) set = {"min_duration_s=2", "warmup_s=1"};
  set.insert(set.end(), options.set.begin(), options.set.end());
  if (options.duration_s) set.push_back(fmt::format("min_duration_s={}", *options.duration_s));
  return set;
}

// The experiment's directory with a suffix, so that a measured run is never replaced.
std::string output_directory(const ProfileOptions& options, const ExperimentConfig& config, const char* suffix) {
  return options.out.empty() ? config.out_dir + suffix : options.out;
}

// This process becomes `nsys profile ... cotenant run ...`.
[[noreturn]] void become_nsys(const ProfileOptions& options) {
  if (options.json) throw usage_error("--json", "does not go with --nsys, which prints for itself");
  const auto nsys = find_program("nsys");
  if (!nsys)
    throw usage_error(
        "--nsys", "there is no nsys on PATH",
        "Install Nsight Systems: developer.nvidia.com/nsight-systems, or NVIDIA's package nsight-systems.");
  const ExperimentConfig config = load_config(options.config, {.set = options.set});
  const std::string out = output_directory(options, config, "_nsys");
  for (const char* file : {"nsys.nsys-rep", "nsys.sqlite", "nsys.qdstrm"})
    if (fs::exists(fs::symlink_status(fs::path(out) / file)))
      throw usage_error(out + "/" + file, "is there already, and is not overwritten",
                        "Move it away, or choose another --out.");
  make_directory(out);
  std::vector<std::string> arguments = {*nsys,         "profile",           "-o",
                                        out + "/nsys", "--trace=cuda,nvtx", fs::read_symlink("/proc/self/exe").string(),
                                        "run",         options.config,      "--no-save"};
  for (const std::string& change : shortened(options, config)) arguments.insert(arguments.end(), {"--set", change});
  tell(fmt::format("nsys writes {}/nsys.nsys-rep: open it with nsys-ui, or nsys stats\n", printable(out)));
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  restore_signals();
  ::execv(nsys->c_str(), pointers.data());
  throw system_error(*nsys, "execv");
}

PlannedExperiment plan_profile(const ProfileOptions& options, const ExperimentConfig& measured) {
  if (!measured.vary.empty())
    throw usage_error(options.config, "has the key vary, and a profile is of one experiment",
                      "Remove the key, and choose the values by --set.");
  const std::string device = resolve_device(measured.device);
  if (!device.starts_with("cuda"))
    throw usage_error("profile", fmt::format("kernels can be recorded on CUDA devices only; the device is {}", device),
                      "On a CPU, cotenant run and cotenant trace show when requests ran.");
  cupti_module();  // throws where it is missing, before anything is started
  ConfigChanges changes{.set = shortened(options, measured)};
  changes.set.push_back(text_override("out_dir", output_directory(options, measured, "_profile")));
  const ExperimentConfig config = parse_config(measured.text, options.config, changes);
  for (const TenantConfig& tenant : config.tenants)
    if (!tenant.program().empty())
      throw usage_error(place(tenant, "command"), "the kernels of a program cannot be recorded",
                        "Profile the other tenants without it.");
  if (const auto measured_there = read_record(config.out_dir); measured_there && !measured_there->settings.profiled)
    throw usage_error(config.out_dir, "holds a measured run, which a profiled one does not replace",
                      "Choose another --out.");
  ExperimentPlan plan = make_plan(config, read_machine());
  plan.baselines.clear();
  plan.run.settings.profiled = true;
  for (TenantPlan& tenant : plan.run.tenants) tenant.out_dir.clear();  // where measured files may be
  return {.name = config.experiment_name, .plan = [plan = std::move(plan)] { return plan; }, .error = {}};
}

// What is made of the kernels, into the directory and to standard output.
void report(const fs::path& directory, const ProfileOptions& options) {
  const ProfileAnalysis profile = analyze_profile(directory);
  write_file(directory / "profile.json", profile_json(profile));
  write_file(directory / "profile.csv", profile_csv(profile));
  const fs::path trace = directory / "profile_trace.json";
  OutputFile file(trace);
  write_trace(directory, [&](std::string_view text) { file.write(text); });
  file.close();
  print_all(options.json ? profile_json(profile) : profile_text(profile, options.top, colour_wanted()));
  tell(fmt::format("files: {}\ntimeline: {} (open it in ui.perfetto.dev)\n", printable(directory.string()),
                   printable(trace.string())));
}

int profile(const ProfileOptions& options) {
  if (options.nsys) become_nsys(options);
  const ExperimentConfig measured =
      load_config(options.config, {.set = options.set});  // a signal ends the wait for a pipe
  SignalWatch signals;                                    // before a driver starts threads
  be_no_mps_client();
  const std::vector<PlannedExperiment> planned = {plan_profile(options, measured)};
  SeriesOptions series;
  series.command = command_line();
  LiveView view(options.quiet);
  const SeriesEvents events{.show = [&](const LiveRun& run) { view.show(run); },
                            .log =
                                [&](const std::string& tenant, const std::string& line) {
                                  if (options.verbose) view.line(fmt::format("[{}] {}", tenant, line));
                                },
                            .notice = [&](const std::string& line) { view.line(line); },
                            .finished = {}};
  const ExperimentOutcome outcome = run_series(planned, signals, series, events).front();
  view.clear();
  for (const WarningRecord& warning : outcome.warnings)
    view.message(fmt::format("warning: {}: {}", printable(warning.what), printable(warning.remedy)));
  if (!outcome.error.empty()) view.message("cotenant: " + outcome.error);
  for (const std::string& reason : outcome.reasons) view.message("cotenant: " + printable(reason));
  for (const std::string& missed : outcome.missed) view.message("cotenant: " + printable(missed));
  if (outcome.code != ExitCode::valid && outcome.code != ExitCode::invalid) return static_cast<int>(outcome.code);
  report(outcome.directory, options);
  return static_cast<int>(outcome.code);
}

}  // namespace

void add_profile(Subcommand& app, int& exit_code) {
  auto options = std::make_shared<ProfileOptions>();
  Subcommand command =
      app.add_subcommand("profile", "Records what the kernels of each tenant did, in a run of its own");
  command.add_option("config", options->config, "A YAML file").required();
  command.add_option("--set", options->set, "key=value: changes the configuration").one_value_each();
  command.add_option("--out", options->out, "Directory of the results; default: <out_dir>_profile")
      .type_name("DIR")
      .not_empty();
  command.add_option("--duration", options->duration_s, "Least seconds to record; default: 2").range(0.01, 600.0);
  command.add_option("--top", options->top, "Kernels to print of each tenant; default: 10").range(1, 1000000);
  command.add_flag("--json", options->json, "JSON instead of tables");
  command.add_flag("--nsys", options->nsys, "Run under Nsight Systems instead");
  command.add_flag("--quiet,-q", options->quiet, "No progress");
  command.add_flag("--verbose,-v", options->verbose, "What workers print");
  command.callback([options, &exit_code] { exit_code = profile(*options); });
}

}  // namespace cotenant
