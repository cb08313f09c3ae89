#include "model/weights.h"

#include <nlohmann/json.hpp>
#include <tuple>

#include "../fixtures/expected.h"
#include "model/open.h"
#include "support.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Model load(const fs::path& directory) {
  return open_model(directory.string(), "auto", 0);
}

std::vector<float> values_of_source(const TensorSource& source) {
  std::vector<float> values(static_cast<size_t>(source.elements()));
  read_floats(source, 0, source.elements(), values.data());
  return values;
}

// A safetensors file as header and data, so that a test can damage one of them and write it again.
struct TakenApart {
  json header;
  std::string data;

  explicit TakenApart(const fs::path& path) : path_(path) {
    const std::string file = read_file(path);
    uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof(length));
    header = json::parse(file.substr(8, length));
    data = file.substr(8 + length);
  }
  void write() const { write_file(path_, safetensors_file(header.dump(), data)); }

  void rename(const std::string& from, const std::string& to) {
    header[to] = header.at(from);
    header.erase(from);
  }

 private:
  fs::path path_;
};

class DamagedWeights : public testing::Test {
 protected:
  // A copy of a fixture that the test may change.
  fs::path copy_of(const std::string& fixture) {
    const fs::path target = temporary_.path() / fixture;
    fs::copy(fixture_directory(fixture), target);
    return target;
  }
  TemporaryDirectory temporary_;
};

// What each architecture is called and computes is checked against Transformers in tests/engine. Here: that all of the
// spellings are read, and to which tensor.
TEST(Weights, EveryFixtureIsFoundWhole) {
  for (const auto& entry : fs::directory_iterator(fixture_directory(""))) {
    SCOPED_TRACE(entry.path());
    const Model model = load(entry.path());
    EXPECT_THAT(model.origin, testing::StartsWith("weights of " + entry.path().string()));
    EXPECT_FALSE(model.files.empty());
    EXPECT_EQ(static_cast<int64_t>(model.layers.size()), model.spec.layers);
    for (const LayerSource& layer : model.layers) {
      EXPECT_NE(layer.qkv.weights[0].file, nullptr);
      EXPECT_EQ(layer.qkv.out, model.spec.qkv_width());
      EXPECT_EQ(layer.qkv.biases.empty(), !model.spec.qkv_bias);
      EXPECT_EQ(layer.q_norm.exists(), model.spec.qk_norm);
    }
  }
}

TEST(Weights, AreConvertedFromAllThreeDtypes) {
  EXPECT_EQ(load(fixture_directory("llama")).token_embedding.dtype, Dtype::f32);
  EXPECT_EQ(load(fixture_directory("llama_tied")).token_embedding.dtype, Dtype::bf16);
  EXPECT_EQ(load(fixture_directory("bert_float16")).token_embedding.dtype, Dtype::f16);
}

// A float16 or bfloat16 tensor gives the very values that the same tensor stored as float32 gives.
TEST(Weights, ShortDtypesAreExact) {
  for (const auto& [fixture, narrow] : {std::pair("llama_tied", Dtype::bf16), std::pair("bert_float16", Dtype::f16)}) {
    const Model model = load(fixture_directory(fixture));
    const TensorSource& source = model.layers[1].ffn_in.weights[0];
    const std::vector<float> values = values_of_source(source);
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t stored;
      source.file->read_at(source.offset + 2 * i, std::as_writable_bytes(std::span(&stored, 1)));
      ASSERT_EQ(narrow == Dtype::bf16 ? float_to_bf16(values[i]) : float_to_f16(values[i]), stored) << fixture << i;
    }
  }
}

TEST(Weights, OfGpt2AreStoredInputFirst) {
  const Model model = load(fixture_directory("gpt2"));
  EXPECT_TRUE(model.layers[0].qkv.in_out);
  EXPECT_THAT(model.layers[0].qkv.weights[0].shape, testing::ElementsAre(36, 108));
  EXPECT_FALSE(model.head.in_out);
  EXPECT_EQ(model.head.weights[0].offset, model.token_embedding.offset);
}

// Whoever writes the file again meanwhile gets an error for it, and no signal ends the process.
TEST_F(DamagedWeights, AFileThatIsCutAfterItWasOpened) {
  const fs::path directory = copy_of("qwen2");
  const Model model = load(directory);
  fs::resize_file(directory / "model.safetensors", 4096);
  const TensorSource& last = model.layers.back().ffn_out.weights[0];
  expect_usage_error([&] { values_of_source(last); }, {directory / "model.safetensors", "it was cut"});
}

// Transformers' save_pretrained leaves out one of two tensors that share their values, and notes which.
TEST_F(DamagedWeights, EmbeddingsUnderTheNameOfATiedHead) {
  for (const auto& [fixture, embedding, head] :
       {std::tuple("llama_tied", "model.embed_tokens.weight", "lm_head.weight"),
        std::tuple("gpt2", "transformer.wte.weight", "lm_head.weight"),
        std::tuple("roberta", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight")}) {
    SCOPED_TRACE(fixture);
    const Model whole = load(fixture_directory(fixture));
    const fs::path directory = copy_of(fixture);
    TakenApart file(directory / "model.safetensors");
    const std::string bare = std::string(embedding).substr(std::string(embedding).find('.') + 1);
    const std::string stored = file.header.contains(embedding) ? embedding : bare;
    file.rename(stored, head);
    file.header["__metadata__"] = {{"format", "pt"}, {stored, head}};
    file.write();
    EXPECT_EQ(values_of_source(load(directory).token_embedding), values_of_source(whole.token_embedding));
    file.header.erase("__metadata__");  // older files do not say it
    file.write();
    const Model model = load(directory);
    EXPECT_EQ(values_of_source(model.token_embedding), values_of_source(whole.token_embedding));
    EXPECT_EQ(model.token_embedding.name, head);
  }
}

// Under names of our own, which only the metadata tells.
TEST_F(DamagedWeights, TensorsThatShareTheirValues) {
  const fs::path directory = copy_of("llama_tied");
  TakenApart file(directory / "model.safetensors");
  file.rename("embed_tokens.weight", "shared");
  file.header["__metadata__"] = {{"model.embed_tokens.weight", "shared"}};
  file.write();
  EXPECT_EQ(load(directory).token_embedding.name, "shared");
}

TEST_F(DamagedWeights, AHeadOfItsOwnIsNotTheEmbeddings) {
  const fs::path directory = copy_of("gpt2");
  TakenApart file(directory / "model.safetensors");
  file.rename("transformer.wte.weight", "lm_head.weight");
  file.write();
  json config = json::parse(read_file(directory / "config.json"));
  config["tie_word_embeddings"] = false;
  write_file(directory / "config.json", config.dump());
  expect_usage_error([&] { load(directory); }, {"\"wte.weight\" is missing"});
}

TEST_F(DamagedWeights, GitLfsPointer) {
  const fs::path directory = copy_of("gpt2");
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 548105171\n";
  write_file(directory / "model.safetensors", pointer);
  expect_usage_error([&] { load(directory); }, {directory / "model.safetensors", "git-lfs pointer", "git lfs pull"});
  fs::remove(directory / "model.safetensors");
  write_file(directory / "model.safetensors.index.json", pointer);
  expect_usage_error([&] { load(directory); }, {"index.json", "git-lfs pointer"});
}

TEST_F(DamagedWeights, MissingTensor) {
  const fs::path directory = copy_of("gpt2");
  TakenApart file(directory / "model.safetensors");
  file.rename("transformer.h.1.ln_2.bias", "something.else");
  file.write();
  expect_usage_error([&] { load(directory); }, {directory / "model.safetensors", "\"h.1.ln_2.bias\" is missing",
                                                "\"transformer.h.1.ln_2.bias\"", "weights: random"});
}

TEST_F(DamagedWeights, WrongShape) {
  const fs::path directory = copy_of("gpt2");
  TakenApart file(directory / "model.safetensors");
  file.header["transformer.h.0.attn.c_attn.weight"]["shape"] = {108, 36};
  file.write();
  expect_usage_error([&] { load(directory); },
                     {directory / "model.safetensors", "\"transformer.h.0.attn.c_attn.weight\"", "[108, 36]",
                      "config.json asks for [36, 108]"});
}

TEST_F(DamagedWeights, WrongDtype) {
  const fs::path directory = copy_of("gpt2");
  TakenApart file(directory / "model.safetensors");
  file.header["transformer.h.0.ln_1.weight"]["dtype"] = "I32";
  file.write();
  expect_usage_error(
      [&] { load(directory); },
      {directory / "model.safetensors", "\"transformer.h.0.ln_1.weight\" has the dtype I32", "F32, F16 or BF16"});
}

TEST_F(DamagedWeights, ALayerTooMany) {
  const fs::path directory = copy_of("gpt2");
  json config = json::parse(read_file(directory / "config.json"));
  config["n_layer"] = 2;
  write_file(directory / "config.json", config.dump());
  expect_usage_error([&] { load(directory); },
                     {directory / "model.safetensors", "\"transformer.h.2.", "not part of the architecture"});
}

TEST_F(DamagedWeights, ALayerTooFew) {
  const fs::path directory = copy_of("gpt2");
  json config = json::parse(read_file(directory / "config.json"));
  config["n_layer"] = 4;
  write_file(directory / "config.json", config.dump());
  expect_usage_error([&] { load(directory); }, {"\"h.3.ln_1.weight\" is missing"});
}

TEST_F(DamagedWeights, OneTensorUnderTwoNames) {
  const fs::path directory = copy_of("gpt2");
  TakenApart file(directory / "model.safetensors");
  json copy = file.header.at("transformer.ln_f.bias");
  const size_t begin = copy["data_offsets"][0], end = copy["data_offsets"][1];
  copy["data_offsets"] = {file.data.size(), file.data.size() + (end - begin)};
  file.header["ln_f.bias"] = copy;
  file.data += file.data.substr(begin, end - begin);
  file.write();
  expect_usage_error([&] { load(directory); }, {"\"transformer.ln_f.bias\"", "a second time", "\"ln_f.bias\""});
}

TEST_F(DamagedWeights, TruncatedFile) {
  const fs::path directory = copy_of("gpt2");
  fs::resize_file(directory / "model.safetensors", fs::file_size(directory / "model.safetensors") - 1);
  expect_usage_error([&] { load(directory); }, {directory / "model.safetensors", "truncated", "download it again"});
}

TEST_F(DamagedWeights, EmptyFile) {
  const fs::path directory = copy_of("gpt2");
  fs::resize_file(directory / "model.safetensors", 0);
  expect_usage_error([&] { load(directory); }, {directory / "model.safetensors", "has 0 bytes"});
}

TEST_F(DamagedWeights, MissingShard) {
  const fs::path directory = copy_of("llama");
  fs::remove(directory / "model-00002-of-00004.safetensors");
  expect_usage_error([&] { load(directory); },
                     {directory / "model.safetensors.index.json", "1 of its 4 shards is not there",
                      "hf download <model> model-00002-of-00004.safetensors --local-dir " + directory.string()});
  const fs::path snapshot = temporary_.path() / "models--meta-llama--Llama-3.2-3B" / "snapshots" / "c0ffee";
  fs::create_directories(snapshot);
  fs::copy(directory, snapshot);
  fs::remove(snapshot / "model-00003-of-00004.safetensors");
  expect_usage_error([&] { load(snapshot); },
                     {"2 of its 4 shards are not there: model-00002-of-00004.safetensors, model-00003",
                      "hf download meta-llama/Llama-3.2-3B model-00002-of-00004.safetensors model-00003"});
}

TEST_F(DamagedWeights, IndexPromisesATensorThatAShardLacks) {
  const fs::path directory = copy_of("llama");
  const fs::path index_file = directory / "model.safetensors.index.json";
  json index = json::parse(read_file(index_file));
  index["weight_map"]["lm_head.weight"] = "model-00001-of-00004.safetensors";
  write_file(index_file, index.dump());
  expect_usage_error([&] { load(directory); },
                     {directory / "model-00001-of-00004.safetensors", "\"lm_head.weight\" is missing"});
}

TEST_F(DamagedWeights, IndexOfAnotherKind) {
  const fs::path directory = copy_of("llama");
  const fs::path index_file = directory / "model.safetensors.index.json";
  const auto expect_index_error = [&](const std::string& content, const std::string& finding) {
    write_file(index_file, content);
    expect_usage_error([&] { load(directory); }, {index_file, finding});
  };
  expect_index_error("{", "not valid JSON");
  expect_index_error("[]", "weight_map");
  expect_index_error("{\"weight_map\": 3}", "weight_map");
  expect_index_error("{\"weight_map\": {}}", "is missing");
  expect_index_error("{\"weight_map\": {\"lm_head.weight\": 3}}", "lm_head.weight");
  expect_index_error("{\"weight_map\": {\"lm_head.weight\": \"../model.safetensors\"}}", "../model.safetensors");
}

}  // namespace
}  // namespace cotenant
