#include "model/safetensors.h"

#include "support.h"

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<StoredTensor> parse(const std::string& file) {
  return parse_safetensors(bytes_of(file), file.size(), "some.safetensors").tensors;
}

void expect_damaged(const std::string& header, const std::string& data, const std::string& finding) {
  const std::string file = safetensors_file(header, data);
  expect_usage_error([&] { parse(file); }, {"some.safetensors", finding});
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const std::string file = safetensors_file(
      R"({"__metadata__": {"format": "pt"},
          "b": {"dtype": "F16", "shape": [2, 1], "data_offsets": [4, 8]},
          "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}    )",
      "01234567");
  const auto tensors = parse(file);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].dtype, "F32");
  EXPECT_THAT(tensors[0].shape, ElementsAre(1));
  EXPECT_EQ(tensors[1].name, "b");
  EXPECT_THAT(tensors[1].shape, ElementsAre(2, 1));
  EXPECT_EQ(file.substr(tensors[1].offset, tensors[1].bytes), "4567");
}

TEST(Safetensors, EmptyAndRankZeroTensorsAreLegal) {
  const std::string file = safetensors_file(
      R"({"scalar": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
          "empty": {"dtype": "F32", "shape": [3, 0], "data_offsets": [8, 8]},
          "also_empty": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})",
      "01234567");
  const auto tensors = parse(file);
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_THAT(tensors[1].shape, IsEmpty());
  EXPECT_EQ(tensors[1].bytes, 8u);
}

TEST(Safetensors, AFileOfNoTensorsIsLegal) {
  const std::string file = safetensors_file("{}", "");
  EXPECT_THAT(parse(file), IsEmpty());
}

TEST(Safetensors, RefusesAFileThatIsTooShortForItsHeader) {
  expect_usage_error([] { parse(""); }, {"has 0 bytes"});
  expect_usage_error([] { parse("1234567"); }, {"has 7 bytes"});
  const std::string file = safetensors_file(R"({"a": {}})", "");
  expect_usage_error([&] { parse(file.substr(0, file.size() - 1)); },
                     {"truncated", "header of 9 bytes", "8 follow", "download it again"});
}

TEST(Safetensors, RefusesAHeaderOverTheLimit) {
  std::string file(16, '\0');
  file[4] = 1;  // 2^32
  expect_usage_error([&] { parse(file); }, {"4294967296", "100000000"});
}

TEST(Safetensors, RefusesAHeaderThatIsNoJsonObject) {
  expect_damaged("{", "", "not valid JSON");
  expect_damaged("[1, 2]", "", "no JSON object: [1,2]");
  expect_damaged(std::string("{\"a\xff\": 1}"), "", "not valid JSON");
  expect_damaged(std::string(5000, '['), "", "not valid JSON");
  expect_damaged("{\"a\": " + std::string(200'000, '[') + std::string(200'000, ']') + "}", "", "64 levels");
}

TEST(Safetensors, RefusesANameThatStandsTwice) {
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                     "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
                 "0", "\"a\" stands twice");
}

TEST(Safetensors, RefusesTruncatedData) {
  expect_damaged(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", "0123456",
                 "truncated: tensor \"a\" ends at byte 8 of 7");
}

TEST(Safetensors, RefusesOffsetsThatOverlap) {
  expect_damaged(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                     "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
                 "01234567", "\"b\" begins at byte 4 and overlaps");
}

TEST(Safetensors, RefusesBytesThatBelongToNoTensor) {
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
                     "b": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]}})",
                 "01234", "1 bytes before tensor \"b\"");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})", "012", "the last 1 bytes");
}

TEST(Safetensors, RefusesAShapeThatDoesNotFitItsData) {
  const std::string header = R"({"a": {"dtype": "F32", "shape": [SHAPE], "data_offsets": [0, 8]}})";
  for (const char* shape : {"3", "2, 2", "1", "0", "4611686018427387904, 4", "9223372036854775807",
                            "18446744073709551615, 18446744073709551615"}) {
    std::string damaged = header;
    damaged.replace(damaged.find("SHAPE"), 5, shape);
    expect_damaged(damaged, "01234567", "tensor \"a\"");
  }
}

TEST(Safetensors, RefusesWrongKindsOfValues) {
  expect_damaged(R"({"a": 3})", "", "tensor \"a\": has no dtype");
  expect_damaged(R"({"a": {"dtype": "U8", "data_offsets": [0, 0]}})", "", "has no shape");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [0]}})", "", "has no data_offsets");
  expect_damaged(R"({"a": {"dtype": "F31", "shape": [0], "data_offsets": [0, 0]}})", "", "unknown dtype \"F31\"");
  expect_damaged(R"({"a": {"dtype": 3, "shape": [0], "data_offsets": [0, 0]}})", "", "unknown dtype 3");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": 0, "data_offsets": [0, 0]}})", "", "shape: expected a list");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 0]}})", "", "found -1");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [0.5], "data_offsets": [0, 0]}})", "", "found 0.5");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0]}})", "", "two integers");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, "x"]}})", "", "found \"x\"");
  expect_damaged(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 0]}})", "0", "before it begins");
  expect_damaged(R"({"__metadata__": {"a": 1}})", "", "__metadata__");
}

}  // namespace
}  // namespace cotenant
