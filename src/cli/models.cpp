#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "model/presets.h"

namespace cotenant {
namespace {

struct Row {
  std::string name;
  const Preset* preset;
  int64_t parameters;

  uint64_t bytes(Dtype dtype) const { return static_cast<uint64_t>(parameters) * size_of(dtype); }
};

std::vector<Row> rows_of_known_models() {
  std::vector<Row> rows;
  for (const Preset& preset : presets())
    for (const std::string& name : preset.hub_spellings())
      rows.push_back({name, &preset, parameter_count(preset.spec)});
  return rows;
}

std::string table_of(const std::vector<Row>& rows) {
  constexpr const char* format = "{:42} {:11} {:>11} {:>10} {:>10} {:>10}{}\n";
  std::string text = fmt::format(format, "model", "family", "parameters", "float32", "16 bits", "positions", "");
  for (const Row& row : rows)
    text += fmt::format(format, row.name, to_string(row.preset->spec.family),
                        format_count(static_cast<double>(row.parameters)), format_bytes(row.bytes(Dtype::f32)),
                        format_bytes(row.bytes(Dtype::bf16)), row.preset->spec.max_positions,
                        row.preset->gated ? "  gated" : "");
  return text;
}

std::string json_of(const std::vector<Row>& rows) {
  auto models = nlohmann::ordered_json::array();
  for (const Row& row : rows)
    models.push_back({{"name", row.name},
                      {"family", to_string(row.preset->spec.family)},
                      {"parameters", row.parameters},
                      {"bytes",
                       {{"float32", row.bytes(Dtype::f32)},
                        {"bfloat16", row.bytes(Dtype::bf16)},
                        {"float16", row.bytes(Dtype::f16)}}},
                      {"max_positions", row.preset->spec.max_positions},
                      {"gated", row.preset->gated}});
  return models.dump(2) + "\n";
}

}  // namespace

void add_models(Subcommand& app, int&) {
  Subcommand command = app.add_subcommand("models", "Lists the architectures that are built in");
  command.footer(
      "Any other model of these families works as well: give the directory of its config.json and model.safetensors, "
      "or "
      "its name once `hf download NAME` has fetched it. \"gated\": accept the licence on huggingface.co and log in "
      "with "
      "`hf auth login` first. Without files, weights are random.");
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Print JSON instead of a table");
  command.callback([json] { print_all(*json ? json_of(rows_of_known_models()) : table_of(rows_of_known_models())); });
}

}  // namespace cotenant
