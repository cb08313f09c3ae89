#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fixtures/expected.h"
#include "program.h"

namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

std::string model(const std::string& name) {
  return "infer --device cpu --model " + fixture_directory(name).string();
}

class Infer : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("cotenant-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
    return path(name);
  }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }

 private:
  std::filesystem::path directory_;
};

std::vector<int32_t> row_of(const std::vector<int32_t>& values, int64_t row, int64_t length) {
  return {values.begin() + row * length, values.begin() + (row + 1) * length};
}

TEST_F(Infer, GreedyTokensOfRowsAreTransformers) {
  const Expected expected = read_expected("qwen3");
  json ids = json::array(), wanted = json::array();
  for (int64_t row = 0; row < expected.rows; ++row) {
    ids.push_back(row_of(expected.input_ids, row, expected.length));
    wanted.push_back(row_of(expected.new_tokens, row, expected.new_length));
  }
  const Outcome outcome =
      run_cotenant(model("qwen3") + " --json --max-new-tokens 48 --input-ids " + file("ids.json", ids.dump()));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out), (json{{"output_ids", wanted}}));
}

TEST_F(Infer, RowsOfUnequalLengthKeepTheirOrder) {
  const std::string both = file("ids.json", "[[5, 6, 7], [8], [9, 10, 11]]");
  const auto tokens = [&](const std::string& ids) {
    const Outcome outcome = run_cotenant(model("llama") + " --json --max-new-tokens 5 --input-ids " + ids);
    return json::parse(outcome.out).at("output_ids");
  };
  const json together = tokens(both);
  ASSERT_EQ(together.size(), 3u);
  EXPECT_EQ(together[0], tokens("5,6,7")[0]);
  EXPECT_EQ(together[1], tokens("8")[0]);
  EXPECT_EQ(together[2], tokens("9,10,11")[0]);
}

TEST_F(Infer, LogitsAreANumPyFile) {
  const Expected expected = read_expected("distilbert");
  json ids = json::array();
  for (int64_t row = 0; row < expected.rows; ++row) ids.push_back(row_of(expected.input_ids, row, expected.length));
  const Outcome outcome = run_cotenant(model("distilbert") + " --input-ids " + file("ids.json", ids.dump()) +
                                       " --logits " + path("logits.npy"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, IsEmpty());

  std::ifstream stream(path("logits.npy"), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});
  ASSERT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const size_t data = 10 + static_cast<uint8_t>(bytes[8]) + 256u * static_cast<uint8_t>(bytes[9]);
  EXPECT_EQ(data % 64, 0u);
  EXPECT_THAT(bytes.substr(10, data - 10), HasSubstr("'descr': '<f4', 'fortran_order': False, 'shape': (2, 13, 40)"));
  ASSERT_EQ(bytes.size() - data, expected.output.size() * sizeof(float));
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.output.size(); ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + data + i * sizeof(float), sizeof(float));
    difference += std::pow(double{value} - double{expected.output[i]}, 2);
    size += std::pow(double{expected.output[i]}, 2);
  }
  EXPECT_LE(std::sqrt(difference / size), 1e-5);
}

struct Mistake {
  std::string arguments, message;
};

TEST_F(Infer, MistakesExitWith2AndSayWhatIsWrong) {
  const std::string gpt2 = model("gpt2") + " ";
  const std::string on =
      "infer --input-ids 1 --max-new-tokens 1 --model " + fixture_directory("gpt2").string() + " --device ";
  const std::vector<Mistake> mistakes{
      {gpt2 + "--max-new-tokens 1 --input-ids 3,131", "131 is outside the vocabulary, 0 to 130"},
      {gpt2 + "--max-new-tokens 1 --input-ids=-1", "-1 is outside the vocabulary"},
      {gpt2 + "--max-new-tokens 1 --input-ids " + path("none.json"), "cannot be read"},
      {gpt2 + "--max-new-tokens 1 --input-ids " + file("bad.json", "[[1, "), "not JSON"},
      {gpt2 + "--max-new-tokens 1 --input-ids " + file("words.json", "[[\"one\"]]"), "list of lists"},
      {gpt2 + "--max-new-tokens 1 --input-ids '[[4294967297]]'", "list of lists"},
      {gpt2 + "--max-new-tokens 1 --input-ids '[1.5]'", "list of lists"},
      {gpt2 + "--max-new-tokens 1 --input-ids " + file("deep.json", std::string(200'000, '[')), "not JSON"},
      {gpt2 + "--max-new-tokens 1 --input-ids /dev/zero", "more than 64.0 MiB"},
      {gpt2 + "--max-new-tokens 1 --input-ids " + file("empty.json", "[[1], []]"), "row 1 is empty"},
      {gpt2 + "--input-ids 1", "nothing was asked for"},
      {gpt2 + "--input-ids '[[1,2],[3]]' --logits " + path("x.npy"), "equal length"},
      {gpt2 + "--input-ids 1 --logits " + path("no/such/x.npy"), "cannot be written"},
      {gpt2 + "--input-ids 1 --max-new-tokens 80", "positions"},
      {gpt2 + "--input-ids 1 --max-new-tokens 1 --dtype float16", "float16"},
      {gpt2 + "--input-ids 1 --max-new-tokens 1 --dtype int4", "int4"},
      {model("bert") + " --input-ids 1 --max-new-tokens 2", "encoder"},
      {on + "gpu", "expected cpu, cuda, cuda:N or auto, found 'gpu'"},
      {on + "cuda:x", "cuda:N or auto, found 'cuda:x'"},
      {on + "cuda:1x", "cuda:N or auto, found 'cuda:1x'"},
      {"infer --model gtp2 --input-ids 1 --max-new-tokens 1", "gpt2"},
  };
  for (const Mistake& mistake : mistakes) {
    const Outcome outcome = run_cotenant(mistake.arguments);
    EXPECT_EQ(outcome.exit_code, 2) << mistake.arguments << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(mistake.message)) << mistake.arguments;
    EXPECT_THAT(outcome.out, IsEmpty()) << mistake.arguments;
  }
}

}  // namespace
}  // namespace cotenant
