#pragma once

#include <nlohmann/json.hpp>
#include <string>

// The table of keys (config/keys.h) for editors and for readers.
namespace cotenant {

// A JSON Schema (draft 2020-12) of a configuration file, with descriptions and defaults. It cannot say everything that
// load_config checks: that names are unique, or that a share fits the sharing mode.
nlohmann::ordered_json config_schema();

// Two Markdown tables, of the experiment's keys and of a tenant's, for docs/configuration.md.
std::string config_markdown();

}  // namespace cotenant
