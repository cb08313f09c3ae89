#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/experiment.h"
#include "config/keys.h"

namespace cotenant {

// Changes to a configuration before it is checked.
struct ConfigChanges {
  std::vector<std::string> set{};   // "tenants.0.batch_size=4" (config/overrides.h), in order
  std::vector<std::string> vary{};  // the same of one cell of a grid, after those; the key vary is read without them
  bool one_place = false;           // tenants' own out_dir do not count: all results go to the experiment's
  std::string suffix{};  // appended to experiment_name and to every out_dir that is given: one cell of a grid
};

// The text of a configuration file, which may be a pipe: it can be read only once. Throws usage_error.
std::string read_config(const std::string& path);

// Reads and checks an experiment. Throws usage_error for everything a user can get wrong, with file:line:column, the
// path of the key, what was expected and what was found. What needs the machine or the model (is there such a device,
// is the sequence too long for the model) is for others to say.
ExperimentConfig load_config(const std::string& path, const ConfigChanges& changes = {});

// The same from memory: of read_config or ExperimentConfig::text. Without a `file` it came from the command line's
// flags.
ExperimentConfig parse_config(std::string text, const std::string& file = "", const ConfigChanges& changes = {});

// An experiment without a file: one tenant per model, all with the same values. Keys are those of config/keys.h
// ("batch_size", "dtype"; "device", "corun"), values are written as in YAML. batch_size defaults to 1, seq_len to 128,
// experiment_name to "<models>_b8_L128". The result is the text of a file that says the same.
struct KeyValue {
  std::string key, value;
};
std::string config_text(const std::vector<std::string>& models, const std::vector<KeyValue>& values);

// What config_text takes for a key that has no value, for people: "1", "the name", "none"; empty: not said.
std::string flag_default(const Key& key);

// The experiment with every default filled in, under the keys of a configuration file: written as YAML or JSON it loads
// as the same experiment again.
nlohmann::ordered_json resolved_json(const ExperimentConfig& config);

}  // namespace cotenant
