#include "model/config_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/files.h"
#include "model/json.h"

namespace cotenant {
namespace {

using nlohmann::json;

constexpr std::array kFamilies{Family::gpt2,  Family::bert,    Family::distilbert, Family::roberta,
                               Family::llama, Family::mistral, Family::qwen2,      Family::qwen3};

// Bounds that keep every product of sizes far from overflow. The largest models known have 2^18 tokens and 2^14
// features.
constexpr int64_t kMostWidth = int64_t{1} << 20;
constexpr int64_t kMostLayers = 4096;
constexpr int64_t kMostVocab = int64_t{1} << 26;
constexpr int64_t kMostPositions = int64_t{1} << 30;

// One JSON object of which values are taken by key. A null counts as absent, as in Python.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const json* find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  bool holds_null(const char* key) const { return object_.contains(key) && object_.at(key).is_null(); }

  Error bad(const char* key, const std::string& expected, const json* found) const {
    return usage_error(where_, found ? fmt::format("{}: expected {}, found {}", key, expected, shown(*found))
                                     : fmt::format("{} is missing: expected {}", key, expected));
  }
  Error unsupported(const char* key, const std::string& supported) const {
    return usage_error(where_, fmt::format("{} {} is not supported: {}", key, shown(object_.at(key)), supported));
  }

  int64_t integer(const char* key, int64_t least, int64_t most, std::optional<int64_t> otherwise = {}) const {
    const json* value = find(key);
    if (!value && otherwise) return *otherwise;
    // Unsigned values beyond int64 are numbers too; they turn negative here and are refused.
    if (!value || !value->is_number_integer() || value->get<int64_t>() < least || value->get<int64_t>() > most)
      throw bad(key, fmt::format("an integer from {} to {}", least, most), value);
    return value->get<int64_t>();
  }
  int64_t width(const char* key, std::optional<int64_t> otherwise = {}) const {
    return integer(key, 1, kMostWidth, otherwise);
  }

  double positive(const char* key, std::optional<double> otherwise = {}) const {
    const json* value = find(key);
    if (!value && otherwise) return *otherwise;
    if (!value || !value->is_number() || !(value->get<double>() > 0) || !std::isfinite(value->get<double>()))
      throw bad(key, "a positive number", value);
    return value->get<double>();
  }

  bool boolean(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (!value) return otherwise;
    if (!value->is_boolean()) throw bad(key, "true or false", value);
    return value->get<bool>();
  }

  std::string text(const char* key, std::optional<std::string> otherwise = {}) const {
    const json* value = find(key);
    if (!value && otherwise) return *otherwise;
    if (!value || !value->is_string()) throw bad(key, "a string", value);
    return value->get<std::string>();
  }

  std::optional<Reader> object(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_object()) throw bad(key, "an object or null", value);
    return Reader(*value, fmt::format("{}: {}", where_, key));
  }

  // A switch that changes the computation and that cotenant only knows in one position.
  void require(const char* key, bool value) const {
    if (boolean(key, value) != value) throw unsupported(key, fmt::format("only {}", value));
  }

  const std::string& where() const { return where_; }

 private:
  const json& object_;
  std::string where_;
};

Family read_family(const Reader& config) {
  const std::string type = config.text("model_type");
  std::vector<std::string_view> names;
  for (const Family family : kFamilies) {
    if (to_string(family) == type) return family;
    names.push_back(to_string(family));
  }
  throw usage_error(config.where(), fmt::format("the architecture \"{}\" (model_type) is not supported", type),
                    fmt::format("Supported: {}.", fmt::join(names, ", ")));
}

Activation read_activation(const Reader& config, const char* key, const std::string& otherwise) {
  // "gelu_fast" is the tanh form with its constant written out.
  static const std::vector<std::pair<std::string_view, Activation>> known{{"gelu", Activation::gelu_erf},
                                                                          {"gelu_python", Activation::gelu_erf},
                                                                          {"gelu_new", Activation::gelu_tanh},
                                                                          {"gelu_fast", Activation::gelu_tanh},
                                                                          {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                                          {"silu", Activation::silu},
                                                                          {"swish", Activation::silu},
                                                                          {"relu", Activation::relu}};
  const std::string name = config.text(key, otherwise);
  std::vector<std::string_view> names;
  for (const auto& [known_name, activation] : known) {
    if (known_name == name) return activation;
    names.push_back(known_name);
  }
  throw config.unsupported(key, fmt::format("known are {}", fmt::join(names, ", ")));
}

// rope_parameters (Transformers 5) holds what rope_theta and rope_scaling (Transformers 4) hold together.
Rope read_rope(const Reader& config) {
  const char* key = config.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const std::optional<Reader> scaling = config.object(key);
  Rope rope;
  rope.theta = config.positive("rope_theta", rope.theta);
  if (config.positive("partial_rotary_factor", 1) != 1) throw config.unsupported("partial_rotary_factor", "only 1");
  if (!scaling) return rope;

  rope.theta = scaling->positive("rope_theta", rope.theta);
  if (scaling->positive("partial_rotary_factor", 1) != 1) throw scaling->unsupported("partial_rotary_factor", "only 1");
  if (scaling->find("full_attention") || scaling->find("sliding_attention"))
    throw config.unsupported(key, "all layers must have the same");
  const char* type_key = scaling->find("rope_type") ? "rope_type" : "type";
  const std::string type = scaling->text(type_key, "default");
  if (type == "default") return rope;
  if (type == "linear") {
    rope.linear_factor = scaling->positive("factor");
    return rope;
  }
  if (type != "llama3") throw scaling->unsupported(type_key, "known are default, linear, llama3");
  rope.llama3 = {.factor = scaling->positive("factor"),
                 .low_freq_factor = scaling->positive("low_freq_factor"),
                 .high_freq_factor = scaling->positive("high_freq_factor"),
                 .original_max_position_embeddings = scaling->positive("original_max_position_embeddings")};
  if (rope.llama3->high_freq_factor <= rope.llama3->low_freq_factor)
    throw usage_error(scaling->where(), "high_freq_factor must be above low_freq_factor");
  return rope;
}

// Qwen 2 and 3: a window for the layers from max_window_layers on, unless layer_types lists each layer.
int64_t read_qwen_window(const Reader& config, int64_t layers) {
  if (!config.boolean("use_sliding_window", false) || config.holds_null("sliding_window")) return 0;
  const int64_t window = config.integer("sliding_window", 1, kMostPositions, 4096);
  int64_t windowed = std::max<int64_t>(0, layers - config.integer("max_window_layers", 0, kMostLayers, 28));
  if (const json* types = config.find("layer_types")) {
    if (!types->is_array() || static_cast<int64_t>(types->size()) != layers)
      throw config.bad("layer_types", fmt::format("a list of {} strings", layers), types);
    windowed = std::count(types->begin(), types->end(), json("sliding_attention"));
  }
  if (windowed != 0 && windowed != layers)
    throw config.unsupported("use_sliding_window", fmt::format("the window must be that of all layers or of none, "
                                                               "here it is that of {} of {}",
                                                               windowed, layers));
  return windowed == 0 ? 0 : window;
}

struct SizeKeys {
  const char *hidden, *layers, *heads, *positions;
};

void read_sizes(ModelSpec& spec, const Reader& config, const SizeKeys& keys) {
  spec.vocab_size = config.integer("vocab_size", 1, kMostVocab);
  spec.hidden = config.width(keys.hidden);
  spec.layers = config.integer(keys.layers, 1, kMostLayers);
  spec.heads = config.integer(keys.heads, 1, 65536);
  spec.kv_heads = spec.heads;
  spec.max_positions = config.integer(keys.positions, 1, kMostPositions);
}

void derive_head_dim(ModelSpec& spec, const Reader& config) {
  if (spec.hidden % spec.heads != 0)
    throw usage_error(config.where(), fmt::format("the hidden size {} is not a multiple of the {} attention heads",
                                                  spec.hidden, spec.heads));
  spec.head_dim = spec.hidden / spec.heads;
}

void read_gpt2(ModelSpec& spec, const Reader& config) {
  read_sizes(spec, config, {"n_embd", "n_layer", "n_head", "n_positions"});
  derive_head_dim(spec, config);
  spec.intermediate = config.width("n_inner", 4 * spec.hidden);
  spec.norm_eps = config.positive("layer_norm_epsilon", 1e-5);
  spec.activation = read_activation(config, "activation_function", "gelu_new");
  spec.qkv_bias = spec.attn_out_bias = spec.ffn_bias = true;
  spec.tied_head = config.boolean("tie_word_embeddings", true);
  config.require("scale_attn_weights", true);
  config.require("scale_attn_by_inverse_layer_idx", false);
  config.require("add_cross_attention", false);
}

void make_encoder(ModelSpec& spec) {
  spec.post_norm = spec.embedding_norm = true;
  spec.final_norm = spec.has_head = spec.causal = false;
  spec.qkv_bias = spec.attn_out_bias = spec.ffn_bias = true;
}

void read_bert(ModelSpec& spec, const Reader& config) {
  make_encoder(spec);
  read_sizes(spec, config, {"hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"});
  derive_head_dim(spec, config);
  spec.intermediate = config.width("intermediate_size");
  spec.norm_eps = config.positive("layer_norm_eps", 1e-12);
  spec.activation = read_activation(config, "hidden_act", "gelu");
  spec.token_types = config.integer("type_vocab_size", 1, kMostWidth, 2);
  config.require("is_decoder", false);
  config.require("add_cross_attention", false);
  if (config.text("position_embedding_type", "absolute") != "absolute")
    throw config.unsupported("position_embedding_type", "only \"absolute\"");
  const int64_t pad = config.integer("pad_token_id", 0, spec.vocab_size - 1, spec.family == Family::roberta ? 1 : 0);
  spec.pad_token = pad;
  if (spec.family != Family::roberta) return;
  // RoBERTa counts positions from behind the padding id (modeling_roberta.py, create_position_ids_from_input_ids).
  spec.position_offset = pad + 1;
  if (spec.max_positions <= spec.position_offset)
    throw usage_error(
        config.where(),
        fmt::format("max_position_embeddings {} leaves no position behind pad_token_id {}", spec.max_positions, pad));
  spec.max_positions -= spec.position_offset;
}

void read_distilbert(ModelSpec& spec, const Reader& config) {
  make_encoder(spec);
  read_sizes(spec, config, {"dim", "n_layers", "n_heads", "max_position_embeddings"});
  derive_head_dim(spec, config);
  spec.intermediate = config.width("hidden_dim");
  spec.norm_eps = 1e-12;  // fixed in modeling_distilbert.py
  spec.activation = read_activation(config, "activation", "gelu");
  spec.pad_token = config.integer("pad_token_id", 0, spec.vocab_size - 1, 0);
}

// Llama, Mistral, Qwen2, Qwen3.
void read_llama(ModelSpec& spec, const Reader& config) {
  read_sizes(spec, config, {"hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"});
  spec.kv_heads = config.integer("num_key_value_heads", 1, spec.heads, spec.heads);
  if (spec.heads % spec.kv_heads != 0)
    throw usage_error(config.where(), fmt::format("the {} attention heads are not a multiple of the {} "
                                                  "num_key_value_heads",
                                                  spec.heads, spec.kv_heads));
  if (config.find("head_dim")) {
    spec.head_dim = config.integer("head_dim", 1, 65536);
  } else if (spec.family == Family::qwen3) {
    spec.head_dim = 128;
  } else {
    derive_head_dim(spec, config);
  }
  if (spec.head_dim % 2 != 0)
    throw usage_error(config.where(), fmt::format("head_dim {} is odd and cannot be rotated in pairs", spec.head_dim));
  spec.intermediate = config.width("intermediate_size");
  spec.norm = NormKind::rms;
  spec.norm_eps = config.positive("rms_norm_eps", 1e-6);
  spec.rope = read_rope(config);
  spec.activation = read_activation(config, "hidden_act", "silu");
  spec.gated = true;
  spec.tied_head = config.boolean("tie_word_embeddings", false);

  switch (spec.family) {
    case Family::mistral:
      if (!config.holds_null("sliding_window"))
        spec.sliding_window = config.integer("sliding_window", 1, kMostPositions, 4096);
      break;
    case Family::qwen2:
      spec.qkv_bias = true;
      spec.sliding_window = read_qwen_window(config, spec.layers);
      break;
    case Family::qwen3:
      spec.qk_norm = true;
      spec.qkv_bias = spec.attn_out_bias = config.boolean("attention_bias", false);
      spec.sliding_window = read_qwen_window(config, spec.layers);
      break;
    default:
      spec.qkv_bias = spec.attn_out_bias = config.boolean("attention_bias", false);
      spec.ffn_bias = config.boolean("mlp_bias", false);
  }
}

}  // namespace

ModelSpec parse_config_json(std::string_view text, const std::string& where) {
  const json parsed = parse_json(text, where);
  if (!parsed.is_object()) throw usage_error(where, fmt::format("expected a JSON object, found {}", shown(parsed)));
  const Reader config(parsed, where);
  ModelSpec spec;
  spec.family = read_family(config);
  if (config.find("quantization_config"))
    throw usage_error(where, "quantised weights are not supported", "Use the model's float16 or bfloat16 weights.");
  switch (spec.family) {
    case Family::gpt2:
      read_gpt2(spec, config);
      break;
    case Family::bert:
    case Family::roberta:
      read_bert(spec, config);
      break;
    case Family::distilbert:
      read_distilbert(spec, config);
      break;
    default:
      read_llama(spec, config);
  }
  return spec;
}

ModelSpec read_config_json(const std::filesystem::path& file) {
  constexpr size_t kMostBytes = size_t{1} << 24;
  return parse_config_json(read_text_file(file, kMostBytes), file.string());
}

}  // namespace cotenant
