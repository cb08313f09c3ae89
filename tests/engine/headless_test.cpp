#include <fstream>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "truth.h"

// Models of decoder architectures whose files hold no language-model head: embedders and classifiers. Their truth
// follows from the fixtures': Transformers' logits are its last hidden states times the head that is left out here.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Case {
  std::string fixture, architecture;
  bool with_prefix = true;  // of the base model, in the tensors' names
  bool classifier = false;  // another head stands in the file
};

class Headless : public testing::TestWithParam<Case> {
 protected:
  // The fixture as save_pretrained would write it for the case's class.
  fs::path write_model() const {
    const fs::path from = fixture_directory(GetParam().fixture);
    std::ifstream config_file(from / "config.json");
    json config = json::parse(config_file);
    config["architectures"] = {GetParam().architecture};
    std::ofstream(directory_.path() / "config.json") << config.dump();
    const InputFile file(from / "model.safetensors");
    json header = json::object();
    std::string data;
    const auto add = [&](const std::string& name, const std::string& dtype, std::vector<int64_t> shape,
                         const std::string& bytes) {
      header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {data.size(), data.size() + bytes.size()}}};
      data += bytes;
    };
    for (const StoredTensor& tensor : read_safetensors(file).tensors) {
      if (tensor.name == "lm_head.weight") continue;
      std::string bytes(tensor.bytes, '\0'), name = tensor.name;
      file.read_at(tensor.offset, std::as_writable_bytes(std::span(bytes)));
      if (!GetParam().with_prefix) name.erase(0, name.find('.') + 1);
      add(name, tensor.dtype, tensor.shape, bytes);
    }
    if (GetParam().classifier) add("score.weight", "F32", {2, 1}, std::string(8, '\0'));
    const std::string text = header.dump();
    const uint64_t length = text.size();
    std::ofstream(directory_.path() / "model.safetensors", std::ios::binary)
        << std::string(reinterpret_cast<const char*>(&length), sizeof length) << text << data;
    return directory_.path();
  }

  static EngineOptions options_for(const fs::path& directory, const Expected& expected, int new_tokens) {
    EngineOptions options;
    options.model = std::make_shared<const Model>(open_model(directory.string(), "auto", 0));
    options.device = "cpu";
    options.dtype = Dtype::f32;
    options.threads = truth::test_threads;
    options.rows = static_cast<int>(expected.rows);
    options.seq_len = static_cast<int>(expected.length);
    options.max_new_tokens = new_tokens;
    return options;
  }

  const TemporaryDirectory directory_;
};

// [rows, vocab] of [rows, hidden] and the fixture's own head.
std::vector<float> times_head(const std::vector<float>& hidden, const std::string& fixture) {
  const Model model = open_model(fixture_directory(fixture).string(), "auto", 0);
  const TensorSource& head = model.head.weights.at(0);
  const auto vocab = static_cast<size_t>(head.shape.at(0)), width = static_cast<size_t>(head.shape.at(1));
  std::vector<float> weights(vocab * width), logits;
  read_floats(head, 0, head.elements(), weights.data());
  for (size_t row = 0; row < hidden.size() / width; ++row)
    for (size_t token = 0; token < vocab; ++token) {
      double sum = 0;
      for (size_t i = 0; i < width; ++i) sum += double{hidden[row * width + i]} * double{weights[token * width + i]};
      logits.push_back(static_cast<float>(sum));
    }
  return logits;
}

TEST_P(Headless, ForwardGivesTransformersHiddenStates) {
  const Expected expected = read_expected(GetParam().fixture);
  const EngineOptions options = options_for(write_model(), expected, 0);
  NativeEngine engine(options);
  engine.load();
  engine.prepare();
  engine.warm();
  ASSERT_EQ(engine.logits_width(), options.model->spec.hidden);
  const std::vector<float> hidden = truth::forward(engine, expected.input_ids, expected.rows);
  EXPECT_LE(truth::relative_error(times_head(hidden, GetParam().fixture), expected.output), 1e-5);
}

TEST_P(Headless, CannotGenerate) {
  const EngineOptions options = options_for(write_model(), read_expected(GetParam().fixture), 4);
  try {
    NativeEngine engine(options);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr("has no language-model head"));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Headless,
                         testing::Values(Case{"mistral", "MistralModel", false},
                                         Case{"qwen2", "Qwen2ForSequenceClassification", true, true},
                                         Case{"gpt2", "GPT2Model", false}, Case{"llama_tied", "LlamaModel", true}),
                         [](const auto& info) { return info.param.architecture; });

}  // namespace
}  // namespace cotenant
