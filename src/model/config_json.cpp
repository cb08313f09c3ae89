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
#include "base/input_file.h"
#include "model/json.h"

namespace cotenant {
namespace {

using nlohmann::json;

constexpr std::array kFamilies{Family::gpt2,  Family::bert,    Family::distilbert, Family::roberta,
                               Family::llama, Family::mistral, Family::qwen2,      Family::qwen3};

constexpr std::array<std::string_view, 3> kPythonWords{"NaN", "Infinity", "-Infinity"};

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
    const double number = value && value->is_number() ? value->get<double>() : 0;
    // Models compute in float32, where other numbers, or their reciprocals, are zero or infinite.
    if (!(number >= 1e-37 && number <= 1e37)) throw bad(key, "a positive number of 1e-37 to 1e37", value);
    return number;
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

// Python's json writes Infinity and NaN as words, which are no JSON. As strings they are harmless where a key is not
// looked at, and named where a number is wanted.
std::string with_quoted_words(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    if (text[i] == '"') {
      while (i + length < text.size() && text[i + length] != '"') length += text[i + length] == '\\' ? 2 : 1;
      length = std::min(length + 1, text.size() - i);
      out += text.substr(i, length);
    } else if (const auto word =
                   std::ranges::find_if(kPythonWords, [&](auto w) { return text.substr(i).starts_with(w); });
               word != kPythonWords.end()) {
      length = word->size();
      out += fmt::format("\"{}\"", *word);
    } else {
      out += text[i];
    }
    i += length;
  }
  return out;
}

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

// What Transformers' configuration class takes where config.json does not say.
struct DefaultSizes {
  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, positions = 0, intermediate = 0;
};

DefaultSizes default_sizes(Family family) {
  switch (family) {
    case Family::gpt2:
      return {50257, 768, 12, 12, 1024, 0};  // 4 * hidden between
    case Family::bert:
      return {30522, 768, 12, 12, 512, 3072};
    case Family::distilbert:
      return {30522, 768, 6, 12, 512, 3072};
    case Family::roberta:
      return {50265, 768, 12, 12, 512, 3072};
    case Family::llama:
      return {32000, 4096, 32, 32, 2048, 11008};
    case Family::mistral:
      return {32000, 4096, 32, 32, 131072, 14336};
    case Family::qwen2:
    case Family::qwen3:
      return {151936, 4096, 32, 32, 32768, 22016};
  }
  return {};
}

void read_sizes(ModelSpec& spec, const Reader& config, const SizeKeys& keys) {
  const DefaultSizes otherwise = default_sizes(spec.family);
  spec.vocab_size = config.integer("vocab_size", 1, kMostVocab, otherwise.vocab);
  spec.hidden = config.width(keys.hidden, otherwise.hidden);
  spec.layers = config.integer(keys.layers, 1, kMostLayers, otherwise.layers);
  spec.heads = config.integer(keys.heads, 1, 65536, otherwise.heads);
  spec.kv_heads = spec.heads;
  spec.max_positions = config.integer(keys.positions, 1, kMostPositions, otherwise.positions);
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
  spec.intermediate = config.width("intermediate_size", default_sizes(spec.family).intermediate);
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
  spec.intermediate = config.width("hidden_dim", default_sizes(spec.family).intermediate);
  spec.norm_eps = 1e-12;  // fixed in modeling_distilbert.py
  spec.activation = read_activation(config, "activation", "gelu");
  spec.pad_token = config.integer("pad_token_id", 0, spec.vocab_size - 1, 0);
}

// Where the key is missing Transformers has a number of its own for some families; where it is null, that of the heads.
int64_t default_kv_heads(const ModelSpec& spec, const Reader& config) {
  if (config.holds_null("num_key_value_heads") || spec.family == Family::llama) return spec.heads;
  return std::min<int64_t>(spec.heads, spec.family == Family::mistral ? 8 : 32);
}

// A decoder whose files hold no head, because what is wanted of it are the hidden states (MistralModel), or another
// head than that of a language model (a classifier's).
bool lacks_language_head(const Reader& config) {
  const json* names = config.find("architectures");
  if (names == nullptr || !names->is_array() || names->empty() || !names->front().is_string()) return false;
  const auto name = names->front().get<std::string>();
  if (name.ends_with("LMHeadModel") || name.ends_with("DoubleHeadsModel")) return false;
  return name.ends_with("Model") || name.ends_with("Classification") || name.ends_with("QuestionAnswering");
}

// Llama, Mistral, Qwen2, Qwen3.
void read_llama(ModelSpec& spec, const Reader& config) {
  read_sizes(spec, config, {"hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"});
  spec.kv_heads = config.integer("num_key_value_heads", 1, spec.heads, default_kv_heads(spec, config));
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
  spec.intermediate = config.width("intermediate_size", default_sizes(spec.family).intermediate);
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
  const json parsed = parse_json(with_quoted_words(text), where, Duplicates::last_counts);
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
  if (spec.causal && lacks_language_head(config)) spec.has_head = spec.tied_head = false;
  return spec;
}

ModelSpec read_config_json(const std::filesystem::path& file) {
  constexpr size_t kMostBytes = size_t{1} << 24;
  return parse_config_json(read_file(file, kMostBytes, Links::followed), file.string());
}

}  // namespace cotenant
