#include "config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bad_inputs.h"
#include "base/temporary_directory.h"
#include "config/load.h"
#include "places.h"
#include "shipped.h"

// The schema is judged by python3-jsonschema, and the files are read by yaml-cpp's own loader: neither shares code with
// the reader of configurations.
namespace cotenant {
namespace {

using nlohmann::json;

json scalar_to_json(const YAML::Node& node) {
  if (node.Tag() == "!") return node.Scalar();
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  if (YAML::convert<int64_t>::decode(node, integer)) return integer;
  if (YAML::convert<double>::decode(node, number)) return number;
  if (YAML::convert<bool>::decode(node, boolean)) return boolean;
  return node.Scalar();
}

json to_json(const YAML::Node& node) {
  if (node.IsScalar()) return scalar_to_json(node);
  if (node.IsSequence()) {
    json list = json::array();
    for (const YAML::Node& item : node) list.push_back(to_json(item));
    return list;
  }
  if (node.IsMap()) {
    json map = json::object();
    for (const auto& entry : node) map[entry.first.Scalar()] = to_json(entry.second);
    return map;
  }
  return nullptr;
}

// What the validator has to say of each YAML text; empty: valid.
std::vector<std::string> judge(const std::vector<std::string>& yaml) {
  json asked{{"schema", json::parse(config_schema().dump())}, {"documents", json::array()}};
  for (const std::string& text : yaml) asked["documents"].push_back(to_json(YAML::Load(text)));
  const TemporaryDirectory directory;
  const std::filesystem::path question = directory.path() / "asked.json", answer = directory.path() / "said.json";
  std::ofstream(question) << asked;
  const std::string command =
      "python3 '" + source_dir() + "/tests/config/judge.py' <'" + question.string() + "' >'" + answer.string() + "'";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error("no judge of the schema: tools/install-deps.sh --test installs python3-jsonschema");
  return json::parse(read_text(answer)).get<std::vector<std::string>>();
}

TEST(Schema, AcceptsEveryShippedConfig) {
  const auto files = shipped_configs();
  std::vector<std::string> texts;
  for (const auto& file : files) texts.push_back(read_text(file));
  const auto said = judge(texts);
  ASSERT_EQ(said.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(said[i], "") << files[i];
}

TEST(Schema, AcceptsWhatIsResolved) {
  const auto files = shipped_configs();
  std::vector<std::string> texts;
  for (const auto& file : files) texts.push_back(resolved_json(load_config(file)).dump());
  const auto said = judge(texts);
  ASSERT_EQ(said.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(said[i], "") << files[i];
}

class SchemaOnBadConfig : public testing::TestWithParam<BadInput> {};

TEST_P(SchemaOnBadConfig, RefusesIt) {
  EXPECT_NE(judge({GetParam().yaml}).at(0), "") << GetParam().yaml;
}

std::vector<BadInput> refused_by_schema() {
  std::vector<BadInput> all = bad_inputs();
  std::erase_if(all, [](const BadInput& bad) { return bad.refused_by == BadInput::only_by_reader; });
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, SchemaOnBadConfig, testing::ValuesIn(refused_by_schema()),
                         [](const auto& info) { return info.param.name; });

void each_property(const json& schema, const std::string& path,
                   const std::function<void(const std::string&, const json&)>& see) {
  for (const auto& [name, property] : schema.at("properties").items()) {
    const std::string at = path + name;
    if (property.contains("properties"))
      each_property(property, at + ".", see);
    else
      see(at, property);
  }
}

TEST(Schema, DescribesEveryKey) {
  const json schema = json::parse(config_schema().dump());
  int keys = 0;
  const auto see = [&](const std::string& path, const json& property) {
    ++keys;
    EXPECT_TRUE(property.contains("description") && !property.at("description").get<std::string>().empty()) << path;
  };
  each_property(schema, "", see);
  each_property(schema.at("$defs").at("tenant"), "", see);
  EXPECT_GT(keys, 30);
}

TEST(Documentation, TablesAreThoseOfTheKeys) {
  EXPECT_THAT(read_text(source_dir() + "/docs/configuration.md"), testing::HasSubstr(config_markdown()))
      << "replace the tables by the output of: cotenant schema --markdown";
}

// A key that the templates do not show is a key that nobody finds.
TEST(Templates, ShowEveryKey) {
  const std::string templates = read_text(source_dir() + "/configs/single_model_template.yaml") +
                                read_text(source_dir() + "/configs/tenants_template.yaml");
  const json schema = json::parse(config_schema().dump());
  const auto see = [&](const std::string& path, const json&) {
    EXPECT_THAT(templates, testing::HasSubstr(path.substr(path.rfind('.') + 1) + ":"));
  };
  each_property(schema, "", see);
  each_property(schema.at("$defs").at("tenant"), "", see);
}

}  // namespace
}  // namespace cotenant
