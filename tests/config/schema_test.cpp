#include "config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "bad_inputs.h"
#include "config/load.h"
#include "places.h"
#include "shipped.h"

#if __has_include(<valijson/validator.hpp>)
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#define COTENANT_HAVE_VALIJSON
#endif

// The schema is judged by valijson, and the files are read by yaml-cpp's own loader: neither shares code with the
// reader of configurations.
namespace cotenant {
namespace {

using nlohmann::json;

#ifdef COTENANT_HAVE_VALIJSON

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

// What the validator has to say; empty: valid.
std::string judge(const json& schema_document, const std::string& yaml) {
  const json target = to_json(YAML::Load(yaml));
  valijson::Schema schema;
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema_document), schema);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(target), &results)) return "";
  std::string said;
  valijson::ValidationResults::Error error;
  while (results.popError(error)) said += error.description + "\n";
  return said.empty() ? "invalid" : said;
}

json schema() {
  return json::parse(config_schema().dump());
}

TEST(Schema, AcceptsEveryShippedConfig) {
  for (const auto& file : shipped_configs()) EXPECT_EQ(judge(schema(), read_text(file)), "") << file;
}

TEST(Schema, AcceptsWhatIsResolved) {
  for (const auto& file : shipped_configs())
    EXPECT_EQ(judge(schema(), resolved_json(load_config(file)).dump()), "") << file;
}

class SchemaOnBadConfig : public testing::TestWithParam<BadInput> {};

TEST_P(SchemaOnBadConfig, RefusesIt) {
  EXPECT_NE(judge(schema(), GetParam().yaml), "") << GetParam().yaml;
}

std::vector<BadInput> refused_by_schema() {
  std::vector<BadInput> all = bad_inputs();
  std::erase_if(all, [](const BadInput& bad) { return bad.refused_by == BadInput::only_by_reader; });
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, SchemaOnBadConfig, testing::ValuesIn(refused_by_schema()),
                         [](const auto& info) { return info.param.name; });

#else

TEST(Schema, IsJudgedByValijson) {
  GTEST_SKIP() << "libvalijson-dev is not installed";
}

#endif

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
