#include "cli/run_sources.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/keys.h"

namespace cotenant {
namespace {

// "batch_size" -> "--batch-size"
std::string flag_of(const std::string& key) {
  std::string flag = "--" + key;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

void add_key_flags(Subcommand& command, RunFlags& flags) {
  const auto add = [&](const Key& key) {
    const bool is_plain = key.path.find('.') == std::string::npos && key.type != ValueType::tenant &&
                          key.type != ValueType::tenants && key.type != ValueType::vary && key.path != "model_name" &&
                          key.path != "out_dir" && key.path != "baselines";
    if (!is_plain || flags.values.count(key.path)) return;
    flags.values[key.path];
    command.add_option(flag_of(key.path), flags.values[key.path], key.description)
        .group("Without a configuration file")
        .type_name(flag_default(key).empty() ? "" : "[" + flag_default(key) + "]");
  };
  for (const Key& key : tenant_keys()) add(key);
  for (const Key& key : experiment_keys()) add(key);
}

std::vector<KeyValue> given_values(const RunFlags& flags) {
  std::vector<KeyValue> given;
  for (const auto& [key, value] : flags.values)
    if (!value.empty()) given.push_back({key, value});
  return given;
}

}  // namespace

void check_flags(const RunFlags& flags) {
  const auto given = given_values(flags);
  if (flags.configs.empty() && flags.models.empty())
    throw usage_error("run", "expected a configuration file or --model",
                      "For example: cotenant run configs/demo/demo.yaml, or cotenant run --model distilgpt2.");
  if (!flags.configs.empty() && !flags.models.empty())
    throw usage_error("run", "expected either configuration files or --model, found both");
  if (!flags.configs.empty() && !given.empty())
    throw usage_error(
        flag_of(given.front().key), "goes with --model only",
        fmt::format("With a file: --set tenants.*.{0}={1}, or --set {0}={1}.", given.front().key, given.front().value));
  if (flags.no_save && !flags.out.empty()) throw usage_error("--no-save", "does not go with --out");
  if (flags.find_max_rate.empty()) return;
  if (flags.configs.size() > 1 || !flags.vary.empty() || flags.no_save || flags.json)
    throw usage_error("--find-max-rate",
                      "goes with one experiment, whose runs are kept, and not with --vary or --json");
}

namespace {

// Its file is read once: it may be a pipe.
Source read_source(const std::string& file) {
  Source source{.file = file};
  try {
    source.text = std::make_shared<const std::string>(read_config(file));
  } catch (const Error& error) {
    source.unreadable = error;
  }
  return source;
}

// The axes of the file's key vary, and its name. A file that cannot be read has none: it is refused when it is planned.
std::vector<VaryAxis> open_source(Source& source, const RunFlags& flags) {
  try {
    ExperimentConfig config = source.load({.set = flags.set});
    source.experiment_name = config.experiment_name;
    return std::move(config.vary);
  } catch (const Error&) {
    if (!flags.series.keep_going) throw;
    return {};
  }
}

}  // namespace

std::vector<Source> sources_of(const RunFlags& flags) {
  std::vector<Source> sources;
  const std::vector<VaryAxis> options = vary_axes(flags.vary);
  grid_of(options);
  const auto add = [&](Source source) {
    std::vector<VaryAxis> axes = open_source(source, flags);
    source.of_sweep = !axes.empty();
    axes.insert(axes.end(), options.begin(), options.end());
    for (Variation& cell : grid_of(axes)) {
      source.cell = std::move(cell);
      sources.push_back(source);
    }
  };
  if (!flags.models.empty())
    add({.file = "", .text = std::make_shared<const std::string>(config_text(flags.models, given_values(flags)))});
  for (const std::string& config : flags.configs) add(read_source(config));
  return sources;
}

ConfigChanges changes_of(const RunFlags& flags, const Source& source, bool several) {
  ConfigChanges changes{.set = flags.set, .vary = source.cell.set, .suffix = source.cell.suffix};
  if (!flags.out.empty()) {
    std::string out = flags.out;
    if (several) out += "/" + directory_name(source.experiment_name);
    changes.set.push_back(text_override("out_dir", out));
    changes.one_place = true;
  }
  return changes;
}

void add_source_options(Subcommand& command, RunFlags& flags) {
  command.add_option("config", flags.configs, "YAML files, one experiment each");
  command.add_option("--set", flags.set, "key=value: changes a configuration, e.g. tenants.0.batch_size=4")
      .one_value_each();
  command.add_option("--vary", flags.vary, "key=a,b,c: one experiment for each value; repeated: the grid")
      .one_value_each();
  command.add_flag("--baselines", flags.series.baselines, "each distinct tenant alone first, for slowdowns");
  command.add_option("--repeat", flags.series.repeats, "whole runs, interleaved with their baselines").range(1, 1000);
  command.add_flag("--strict", flags.series.strict, "every warning makes a run invalid (exit code 4)");
  command.add_option("--sleep", flags.series.sleep_s, "seconds between runs, instead of sleep_duration")
      .range(0.0, 86400.0);
  command
      .add_option("--deadline", flags.series.deadline_s,
                  "give up a tenant that spends more seconds than this in one phase (load, prepare, warm up, stop)")
      .range(0.01, 86400.0);
  command.add_option("--model", flags.models, "a model to run, without a configuration file; repeated: one tenant each")
      .one_value_each()
      .group("Without a configuration file");
  add_key_flags(command, flags);
}

}  // namespace cotenant
