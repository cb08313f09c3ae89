#include "model/config_json.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "../fixtures/expected.h"
#include "model/presets.h"
#include "support.h"

namespace cotenant {
namespace {

using nlohmann::json;

ModelSpec parse(const json& config) {
  return parse_config_json(config.dump(), "dir/config.json");
}

// `changes` to a working configuration must be refused with every one of `parts`.
void expect_refused(json config, const json& changes, std::vector<std::string> parts) {
  config.merge_patch(changes);
  parts.push_back("dir/config.json");
  SCOPED_TRACE(changes.dump());
  expect_usage_error([&] { parse(config); }, parts);
}

// The files of the Hugging Face Hub, as Transformers 4 wrote them: of each family one whose architecture is built in.
json distilgpt2() {
  return {{"model_type", "gpt2"},
          {"activation_function", "gelu_new"},
          {"n_ctx", 1024},
          {"n_embd", 768},
          {"n_head", 12},
          {"n_layer", 6},
          {"n_positions", 1024},
          {"vocab_size", 50257},
          {"layer_norm_epsilon", 1e-5}};
}

json roberta_large() {
  return {{"model_type", "roberta"},   {"hidden_act", "gelu"},    {"hidden_size", 1024},
          {"intermediate_size", 4096}, {"layer_norm_eps", 1e-5},  {"max_position_embeddings", 514},
          {"num_attention_heads", 16}, {"num_hidden_layers", 24}, {"pad_token_id", 1},
          {"type_vocab_size", 1},      {"vocab_size", 50265}};
}

json distilbert() {
  return {{"model_type", "distilbert"},     {"activation", "gelu"}, {"dim", 768},         {"hidden_dim", 3072},
          {"max_position_embeddings", 512}, {"n_heads", 12},        {"n_layers", 6},      {"pad_token_id", 0},
          {"sinusoidal_pos_embds", false},  {"tie_weights_", true}, {"vocab_size", 30522}};
}

json llama_3b() {
  return {{"model_type", "llama"},
          {"attention_bias", false},
          {"head_dim", 128},
          {"hidden_act", "silu"},
          {"hidden_size", 3072},
          {"intermediate_size", 8192},
          {"max_position_embeddings", 131072},
          {"mlp_bias", false},
          {"num_attention_heads", 24},
          {"num_hidden_layers", 28},
          {"num_key_value_heads", 8},
          {"rms_norm_eps", 1e-5},
          {"rope_scaling",
           {{"factor", 32.0},
            {"high_freq_factor", 4.0},
            {"low_freq_factor", 1.0},
            {"original_max_position_embeddings", 8192},
            {"rope_type", "llama3"}}},
          {"rope_theta", 500000.0},
          {"tie_word_embeddings", true},
          {"torch_dtype", "bfloat16"},
          {"vocab_size", 128256}};
}

json mistral_7b() {
  return {{"model_type", "mistral"},
          {"hidden_act", "silu"},
          {"hidden_size", 4096},
          {"intermediate_size", 14336},
          {"max_position_embeddings", 32768},
          {"num_attention_heads", 32},
          {"num_hidden_layers", 32},
          {"num_key_value_heads", 8},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 1000000.0},
          {"sliding_window", nullptr},
          {"tie_word_embeddings", false},
          {"vocab_size", 32000}};
}

json qwen2_7b() {
  return {{"model_type", "qwen2"},
          {"hidden_act", "silu"},
          {"hidden_size", 3584},
          {"intermediate_size", 18944},
          {"max_position_embeddings", 32768},
          {"max_window_layers", 28},
          {"num_attention_heads", 28},
          {"num_hidden_layers", 28},
          {"num_key_value_heads", 4},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", 1000000.0},
          {"sliding_window", 131072},
          {"tie_word_embeddings", false},
          {"use_sliding_window", false},
          {"vocab_size", 152064}};
}

json qwen3_8b() {
  return {{"model_type", "qwen3"},
          {"attention_bias", false},
          {"head_dim", 128},
          {"hidden_act", "silu"},
          {"hidden_size", 4096},
          {"intermediate_size", 12288},
          {"max_position_embeddings", 40960},
          {"max_window_layers", 36},
          {"num_attention_heads", 32},
          {"num_hidden_layers", 36},
          {"num_key_value_heads", 8},
          {"rms_norm_eps", 1e-6},
          {"rope_scaling", nullptr},
          {"rope_theta", 1000000},
          {"sliding_window", nullptr},
          {"tie_word_embeddings", false},
          {"use_sliding_window", false},
          {"vocab_size", 151936}};
}

TEST(ConfigJson, GivesTheArchitecturesThatAreBuiltIn) {
  EXPECT_EQ(parse(distilgpt2()), find_preset("distilgpt2")->spec);
  EXPECT_EQ(parse(roberta_large()), find_preset("roberta-large")->spec);
  EXPECT_EQ(parse(distilbert()), find_preset("distilbert-base-uncased")->spec);
  EXPECT_EQ(parse(llama_3b()), find_preset("meta-llama/Llama-3.2-3B-Instruct")->spec);
  EXPECT_EQ(parse(mistral_7b()), find_preset("mistralai/Mistral-7B-Instruct-v0.2")->spec);
  EXPECT_EQ(parse(qwen2_7b()), find_preset("Qwen/Qwen2.5-7B-Instruct")->spec);
  EXPECT_EQ(parse(qwen3_8b()), find_preset("Qwen/Qwen3-8B")->spec);
}

TEST(ConfigJson, BothSpellingsOfRopeMeanTheSame) {
  json config = llama_3b();
  const ModelSpec old_spelling = parse(config);
  json rope = config.at("rope_scaling");
  rope["rope_theta"] = config.at("rope_theta");
  config.erase("rope_scaling");
  config.erase("rope_theta");
  config.erase("torch_dtype");
  config["dtype"] = "bfloat16";
  config["rope_parameters"] = rope;
  EXPECT_EQ(parse(config), old_spelling);
}

TEST(ConfigJson, LinearScalingInItsOldestSpelling) {
  json config = llama_3b();
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.5}};
  const ModelSpec spec = parse(config);
  EXPECT_EQ(spec.rope->linear_factor, 2.5);
  EXPECT_FALSE(spec.rope->llama3);
}

TEST(ConfigJson, HeadDimensionsThatAreNotWritten) {
  json config = llama_3b();
  config.erase("head_dim");
  EXPECT_EQ(parse(config).head_dim, 3072 / 24);
  config["head_dim"] = nullptr;
  EXPECT_EQ(parse(config).head_dim, 3072 / 24);
  json qwen = qwen3_8b();
  qwen.erase("head_dim");
  qwen["hidden_size"] = 2560;
  EXPECT_EQ(parse(qwen).head_dim, 128);
}

TEST(ConfigJson, InnerWidthOfGpt2) {
  json config = distilgpt2();
  EXPECT_EQ(parse(config).intermediate, 4 * 768);
  config["n_inner"] = nullptr;
  EXPECT_EQ(parse(config).intermediate, 4 * 768);
  config["n_inner"] = 1000;
  EXPECT_EQ(parse(config).intermediate, 1000);
}

TEST(ConfigJson, SlidingWindows) {
  json mistral = mistral_7b();
  mistral["sliding_window"] = 4096;
  EXPECT_EQ(parse(mistral).sliding_window, 4096);
  mistral.erase("sliding_window");  // MistralConfig's default
  EXPECT_EQ(parse(mistral).sliding_window, 4096);

  json qwen = qwen2_7b();
  qwen["use_sliding_window"] = true;
  EXPECT_EQ(parse(qwen).sliding_window, 0);  // from layer 28 on, and there are 28
  qwen["max_window_layers"] = 0;
  EXPECT_EQ(parse(qwen).sliding_window, 131072);
  expect_refused(qwen, {{"max_window_layers", 14}}, {"use_sliding_window", "14 of 28"});
}

TEST(ConfigJson, RobertaCountsPositionsFromBehindThePadding) {
  const ModelSpec spec = parse(roberta_large());
  EXPECT_EQ(spec.position_offset, 2);
  EXPECT_EQ(spec.max_positions, 512);
  expect_refused(roberta_large(), {{"max_position_embeddings", 2}}, {"no position behind pad_token_id 1"});
}

TEST(ConfigJson, ReadsEveryFixture) {
  for (const auto& entry : std::filesystem::directory_iterator(fixture_directory("")))
    EXPECT_NO_THROW(read_config_json(entry.path() / "config.json")) << entry.path();
}

TEST(ConfigJson, UnsupportedArchitectureNamesTheSupportedOnes) {
  expect_refused(distilgpt2(), {{"model_type", "t5"}},
                 {"\"t5\"", "gpt2, bert, distilbert, roberta, llama, mistral, qwen2, qwen3"});
  expect_refused(distilgpt2(), {{"model_type", nullptr}}, {"model_type is missing"});
}

TEST(ConfigJson, RefusesWhatItWouldComputeWrongly) {
  expect_refused(llama_3b(), {{"rope_scaling", {{"rope_type", "yarn"}}}}, {"rope_scaling", "\"yarn\"", "llama3"});
  expect_refused(llama_3b(), {{"rope_scaling", nullptr}, {"rope_parameters", {{"rope_type", "dynamic"}}}},
                 {"rope_parameters", "\"dynamic\""});
  expect_refused(llama_3b(), {{"partial_rotary_factor", 0.5}}, {"partial_rotary_factor", "0.5"});
  expect_refused(llama_3b(), {{"rope_scaling", {{"full_attention", {{"rope_theta", 1.0}}}}}}, {"all layers"});
  expect_refused(llama_3b(), {{"hidden_act", "quick_gelu"}}, {"hidden_act", "\"quick_gelu\"", "silu"});
  expect_refused(llama_3b(), {{"quantization_config", {{"bits", 4}}}}, {"quantised"});
  expect_refused(distilgpt2(), {{"scale_attn_by_inverse_layer_idx", true}}, {"scale_attn_by_inverse_layer_idx true"});
  expect_refused(distilgpt2(), {{"scale_attn_weights", false}}, {"scale_attn_weights false"});
  expect_refused(roberta_large(), {{"position_embedding_type", "relative_key"}}, {"\"relative_key\"", "absolute"});
  expect_refused(roberta_large(), {{"is_decoder", true}}, {"is_decoder true"});
}

TEST(ConfigJson, RefusesImpossibleValues) {
  expect_refused(distilgpt2(), {{"n_embd", "768"}}, {"n_embd", "found \"768\""});
  expect_refused(distilgpt2(), {{"n_embd", 768.5}}, {"n_embd", "found 768.5"});
  expect_refused(distilgpt2(), {{"n_embd", 0}}, {"n_embd", "found 0"});
  expect_refused(distilgpt2(), {{"n_embd", -3}}, {"n_embd", "found -3"});
  expect_refused(distilgpt2(), {{"n_embd", 18446744073709551615ull}}, {"n_embd", "found 18446744073709551615"});
  expect_refused(distilgpt2(), {{"n_embd", 770}}, {"770 is not a multiple of the 12"});
  expect_refused(distilgpt2(), {{"layer_norm_epsilon", 0}}, {"layer_norm_epsilon", "positive"});
  expect_refused(distilgpt2(), {{"tie_word_embeddings", 1}}, {"tie_word_embeddings", "true or false"});
  expect_refused(llama_3b(), {{"num_key_value_heads", 7}}, {"24 attention heads", "7"});
  expect_refused(llama_3b(), {{"num_key_value_heads", 48}}, {"num_key_value_heads", "1 to 24"});
  expect_refused(llama_3b(), {{"head_dim", 127}}, {"head_dim 127 is odd"});
  expect_refused(llama_3b(), {{"rope_scaling", "llama3"}}, {"rope_scaling", "an object"});
  expect_refused(llama_3b(), {{"rope_scaling", {{"factor", nullptr}}}}, {"rope_scaling", "factor is missing"});
  expect_refused(llama_3b(), {{"rope_scaling", {{"low_freq_factor", 4.0}}}}, {"above low_freq_factor"});
}

// What Transformers' own configuration classes make of the same (tools/make_default_fixtures.py).
TEST(ConfigJson, MissingKeysHaveTransformersDefaults) {
  const std::map<std::string, Activation> activations{
      {"gelu", Activation::gelu_erf}, {"gelu_new", Activation::gelu_tanh}, {"silu", Activation::silu}};
  std::ifstream file(source_dir() + "/tests/fixtures/config_defaults.json");
  const json cases = json::parse(file).at("cases");
  EXPECT_GE(cases.size(), 16u);
  for (const json& made : cases) {
    SCOPED_TRACE(made.at("config").dump());
    const ModelSpec spec = parse(made.at("config"));
    const json& expected = made.at("expected");
    const json found = {{"vocab_size", spec.vocab_size},
                        {"hidden", spec.hidden},
                        {"layers", spec.layers},
                        {"heads", spec.heads},
                        {"kv_heads", spec.kv_heads},
                        {"head_dim", spec.head_dim},
                        {"intermediate", spec.intermediate},
                        {"max_positions", spec.max_positions},
                        {"norm_eps", spec.norm_eps},
                        {"activation", expected.at("activation")},
                        {"rope_theta", spec.rope ? json(spec.rope->theta) : json()},
                        {"token_types", spec.token_types},
                        {"sliding_window", spec.sliding_window},
                        {"qkv_bias", spec.qkv_bias},
                        {"ffn_bias", spec.ffn_bias},
                        {"tied_head", spec.tied_head}};
    EXPECT_EQ(found, expected);
    EXPECT_EQ(spec.activation, activations.at(expected.at("activation")));
  }
  // null is not missing: as many as heads
  EXPECT_EQ(parse_config_json(R"({"model_type": "mistral", "num_key_value_heads": null})", "x").kv_heads, 32);
}

TEST(ConfigJson, ReadsWhatPythonWrites) {
  json config = llama_3b();
  const ModelSpec whole = parse(config);
  std::string text = config.dump();
  text.pop_back();
  const std::string odd = text + R"(, "classifier_dropout": NaN, "unused": [Infinity, -Infinity, "NaN \" Infinity"]})";
  EXPECT_EQ(parse_config_json(odd, "config.json"), whole);
  EXPECT_EQ(parse_config_json("\xef\xbb\xbf" + odd, "config.json"), whole);
  // Where a number is wanted, they are none.
  expect_usage_error([&] { parse_config_json(text + R"(, "rms_norm_eps": Infinity})", "config.json"); },
                     {"rms_norm_eps: expected a positive number of 1e-37 to 1e37, found \"Infinity\""});
  expect_usage_error(
      [&] { parse_config_json(text + R"(, "rope_scaling": {"type": "linear", "factor": 1e-320}})", "x"); },
      {"factor: expected a positive number of 1e-37 to 1e37"});
  expect_usage_error([&] { parse_config_json(text + R"(, "hidden_size": NaN})", "config.json"); },
                     {"hidden_size", "NaN"});
}

TEST(ConfigJson, OfAKeyThatStandsTwiceTheLastCounts) {
  EXPECT_EQ(parse_config_json(R"({"model_type": "gpt2", "n_layer": 3, "n_layer": 5})", "config.json").layers, 5);
}

TEST(ConfigJson, ArchitecturesSayWhetherThereIsAHead) {
  const auto headed = [](json config, const json& architectures) {
    config["architectures"] = architectures;
    return parse(config).has_head;
  };
  for (const char* name : {"LlamaForCausalLM", "GPT2LMHeadModel", "GPT2DoubleHeadsModel"})
    EXPECT_TRUE(headed(llama_3b(), {name})) << name;
  EXPECT_TRUE(headed(llama_3b(), nullptr));
  EXPECT_TRUE(headed(llama_3b(), json::array()));
  for (const char* name :
       {"LlamaModel", "MistralForSequenceClassification", "Qwen3ForTokenClassification", "LlamaForQuestionAnswering"})
    EXPECT_FALSE(headed(llama_3b(), {name})) << name;
}

TEST(ConfigJson, NamesAGitLfsPointer) {
  const char* const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 728\n";
  expect_usage_error([&] { parse_config_json(pointer, "dir/config.json"); },
                     {"dir/config.json", "git-lfs pointer", "git lfs pull"});
}

TEST(ConfigJson, RefusesTextThatIsNoConfiguration) {
  const auto parse_text = [](const char* text) { return [text] { parse_config_json(text, "dir/config.json"); }; };
  expect_usage_error(parse_text(""), {"dir/config.json", "not valid JSON"});
  expect_usage_error(parse_text("{\"a\": }"), {"not valid JSON", "line 1, column 7"});
  expect_usage_error(parse_text("[]"), {"expected a JSON object, found []"});
  const std::string deep = "{\"a\": " + std::string(200'000, '[');
  expect_usage_error(parse_text(deep.c_str()), {"not valid JSON", "64 levels"});
  expect_usage_error(parse_text("{\"n_embd\": 1e999}"), {"not valid JSON"});
  expect_usage_error([] { read_config_json("/nonexistent/config.json"); },
                     {"/nonexistent/config.json", "No such file or directory"});
  expect_usage_error([] { read_config_json("/"); }, {"is a directory"});
}

}  // namespace
}  // namespace cotenant
