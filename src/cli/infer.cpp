#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "base/printable.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/npy.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "engine/infer.h"
#include "model/open.h"
#include "sharing/device.h"

namespace cotenant {
namespace {

struct InferFlags {
  std::string model, input_ids, logits, dtype, device = "auto", weights = "auto";
  uint64_t seed = 0;
  int threads = 0, max_new_tokens = 0;
  bool json = false;
};

std::vector<int32_t> row_of_json(const nlohmann::json& json, const std::string& where) {
  const auto refuse = [&] {
    throw usage_error(where, "expected a list of lists of token ids, such as [[1, 2, 3], [4, 5]]");
  };
  if (!json.is_array()) refuse();
  std::vector<int32_t> row;
  for (const nlohmann::json& id : json) {
    const bool fits = id.is_number_unsigned()  ? std::in_range<int32_t>(id.get<uint64_t>())
                      : id.is_number_integer() ? std::in_range<int32_t>(id.get<int64_t>())
                                               : false;
    if (!fits) refuse();
    row.push_back(id.get<int32_t>());
  }
  return row;
}

TokenRows rows_of_json(const nlohmann::json& json, const std::string& where) {
  if (!json.is_array() || json.empty() || !json[0].is_array()) return {row_of_json(json, where)};
  TokenRows rows;
  for (const nlohmann::json& row : json) rows.push_back(row_of_json(row, where));
  return rows;
}

// Of a file, which may be a pipe.
std::string read_ids(const std::string& path) {
  constexpr size_t most_bytes = size_t{1} << 26;
  std::ifstream file(path);
  if (!file) throw usage_error(path, "cannot be read", "--input-ids takes a JSON file or a list such as 1,2,3.");
  std::string text(most_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > most_bytes) throw usage_error(path, "has more than " + format_bytes(most_bytes));
  return text;
}

// "1,2,3", JSON text, or the name of a file with JSON in it.
TokenRows parse_input_ids(const std::string& text) {
  std::string json = text, where = "--input-ids";
  if (text.find_first_not_of("0123456789, -") == std::string::npos) {
    json = "[" + text + "]";
  } else if (!text.starts_with('[')) {
    json = read_ids(text);
    where = text;
  }
  constexpr size_t levels = 2;
  const auto parsed = json_is_deeper_than(json, levels) ? nlohmann::json(nlohmann::json::value_t::discarded)
                                                        : nlohmann::json::parse(without_bom(json), nullptr, false);
  if (parsed.is_discarded()) throw usage_error(where, "is not JSON", "Expected a list of lists of token ids.");
  return rows_of_json(parsed, where);
}

Dtype parse_dtype(const std::string& name, bool cuda) {
  if (name.empty()) return cuda ? Dtype::f16 : Dtype::f32;
  const std::optional<Dtype> dtype = dtype_from_string(name);
  if (!dtype) throw usage_error("--dtype", fmt::format("'{}' is none of float32, bfloat16, float16", name));
  return *dtype;
}

EngineOptions engine_options(const InferFlags& flags) {
  EngineOptions options;
  options.device = resolve_device(flags.device);
  options.dtype = parse_dtype(flags.dtype, options.device.starts_with("cuda"));
  options.threads = flags.threads > 0 ? flags.threads : static_cast<int>(std::thread::hardware_concurrency());
  auto model = std::make_shared<const Model>(open_model(flags.model, flags.weights, flags.seed));
  tell(fmt::format("{}\n", printable(model->origin)));
  options.model = std::move(model);
  return options;
}

void print_tokens(const TokenRows& output, bool json) {
  if (json) return print_all(nlohmann::json{{"output_ids", output}}.dump() + "\n");
  std::string text;
  for (const auto& row : output) text += fmt::format("{}\n", fmt::join(row, " "));
  print_all(text);
}

void infer(const InferFlags& flags) {
  if (flags.max_new_tokens == 0 && flags.logits.empty())
    throw usage_error("infer", "nothing was asked for", "Add --max-new-tokens N, or --logits FILE.npy.");
  const TokenRows rows = parse_input_ids(flags.input_ids);
  const EngineOptions options = engine_options(flags);
  if (!flags.logits.empty()) {
    const Logits logits = forward_logits(options, rows);
    const int64_t shape[] = {logits.rows, logits.length, logits.width};
    write_npy(flags.logits, logits.values, shape);
    tell(fmt::format("{}: float32 [{}]\n", printable(flags.logits), fmt::join(shape, ", ")));
  }
  if (flags.max_new_tokens > 0) print_tokens(generate_tokens(options, rows, flags.max_new_tokens), flags.json);
}

}  // namespace

void add_infer(Subcommand& app, int&) {
  auto flags = std::make_shared<InferFlags>();
  Subcommand command = app.add_subcommand("infer", "Runs a model once on given token ids, to check an engine");
  command.add_option("--model", flags->model, "Name or directory of a model").required();
  command.add_option("--input-ids", flags->input_ids, "JSON file with a list of lists of ids, or ids: 1,2,3")
      .required();
  command.add_option("--max-new-tokens", flags->max_new_tokens, "Greedy tokens to print for each row").positive();
  command.add_flag("--json", flags->json, R"(Print {"output_ids": [[...]]}: the new tokens, without the prompt)");
  command.add_option("--logits", flags->logits,
                     "Write all logits (hidden states of an encoder) to a .npy file: float32 [rows, length, width]");
  command.add_option("--device", flags->device, "cpu, cuda, cuda:N, the UUID of a GPU or auto").show_default();
  command.add_option("--dtype", flags->dtype, "float32, bfloat16 or float16 (default: by device)");
  command.add_option("--weights", flags->weights, "auto, random or a directory").show_default();
  command.add_option("--seed", flags->seed, "Of random weights").show_default();
  command.add_option("--threads", flags->threads, "Host threads that compute (default: all)").positive();
  command.callback([flags] { infer(*flags); });
}

}  // namespace cotenant
