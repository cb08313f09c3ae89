#include "config/schema.h"

#include <fmt/format.h>

#include <string_view>

#include "config/keys.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTextPattern = "^[^\\x00-\\x1f\\x7f]+$";
constexpr std::string_view kNamePattern = "^[^.\\x00-\\x1f\\x7f][^\\x00-\\x1f\\x7f]*$";

Json bounds(const Key& key, const char* type) {
  const auto bound = [&](double value) {
    return value == static_cast<double>(static_cast<int64_t>(value)) ? Json(static_cast<int64_t>(value)) : Json(value);
  };
  return {{"type", type},
          {key.above_minimum ? "exclusiveMinimum" : "minimum", bound(key.minimum)},
          {"maximum", bound(key.maximum)}};
}

Json text_like(std::string_view pattern, size_t longest) {
  return {{"type", "string"}, {"minLength", 1}, {"maxLength", longest}, {"pattern", pattern}};
}

Json value_schema(const Key& key) {
  switch (key.type) {
    case ValueType::boolean:
      return {{"type", "boolean"}};
    case ValueType::integer:
      return bounds(key, "integer");
    case ValueType::number:
      return bounds(key, "number");
    case ValueType::choice:
      return {{"enum", key.choices}};
    case ValueType::text:
      return text_like(kTextPattern, kLongestText);
    case ValueType::name:
      return text_like(kNamePattern, kLongestName);
    case ValueType::device:
      return text_like(kDevicePattern, kLongestText);
    case ValueType::url:
      return text_like(kUrlPattern, kLongestText);
    case ValueType::bytes:
      return {
          {"anyOf",
           {{{"type", "integer"}, {"minimum", 1}, {"maximum", kMostBytes}}, text_like(kBytesPattern, kLongestText)}}};
    case ValueType::cpus: {
      const Json cpu{{"type", "integer"}, {"minimum", 0}, {"maximum", kHighestCpu}};
      return {{"anyOf",
               {cpu,
                {{"type", "array"}, {"items", cpu}, {"minItems", 1}, {"uniqueItems", true}},
                text_like(kCpusPattern, kLongestText)}}};
    }
    case ValueType::length: {
      const Json tokens{{"type", "integer"}, {"minimum", 1}, {"maximum", most_tokens_of_sequence}};
      const auto of_kind = [&](const char* kind, Json properties) {
        properties.update({{"kind", {{"const", kind}}}, {"least", tokens}, {"most", tokens}});
        Json names = Json::array();
        for (const auto& [name, unused] : properties.items()) names.push_back(name);
        return Json{
            {"type", "object"}, {"additionalProperties", false}, {"required", names}, {"properties", properties}};
      };
      const auto above_0 = [](double most) {
        return Json{{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", most}};
      };
      return {{"anyOf",
               {tokens,
                {{"const", "trace"}},
                of_kind("uniform", Json::object()),
                of_kind("lognormal", {{"mean", above_0(most_tokens_of_sequence)}, {"cv", above_0(100)}})}}};
    }
    case ValueType::yield:
      return {{"type", "object"},
              {"additionalProperties", false},
              {"properties",
               {{"quantum_us",
                 {{"type", "number"},
                  {"minimum", kLeastQuantum_us},
                  {"maximum", kMostQuantum_us},
                  {"description", "Device time of a pass between two of its gates, in us."}}},
                {"max_wait_ms",
                 {{"type", "number"},
                  {"exclusiveMinimum", 0},
                  {"maximum", kMostYield_ms},
                  {"description", "What a pass waits at most, at all its gates together, in ms."}}}}}};
    case ValueType::steps: {
      const Json rate{{"type", "number"}, {"minimum", 0}, {"maximum", kMostRate}};
      const Json duration{{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 86400}};
      const Json step{{"type", "object"},
                      {"additionalProperties", false},
                      {"required", {"rate", "duration_s"}},
                      {"properties", {{"rate", rate}, {"duration_s", duration}}}};
      const Json some_rate{{"properties", {{"rate", {{"exclusiveMinimum", 0}}}}}};
      return {{"type", "array"}, {"items", step}, {"minItems", 1}, {"maxItems", kMostSteps}, {"contains", some_rate}};
    }
    case ValueType::command: {
      const Json argument{{"type", {"string", "number", "boolean"}}, {"maxLength", kLongestArgument}};
      const Json program{{"type", {"string", "number", "boolean"}}, {"minLength", 1}};
      return {{"type", "array"},
              {"prefixItems", Json::array({program})},
              {"items", argument},
              {"minItems", 1},
              {"maxItems", kMostArguments}};
    }
    case ValueType::tenant:
      return {{"$ref", "#/$defs/tenant"}};
    case ValueType::tenants:
      return {{"type", "array"}, {"items", {{"$ref", "#/$defs/tenant"}}}, {"minItems", 1}, {"maxItems", kMostTenants}};
    case ValueType::vary: {
      const Json value{{"type", {"string", "number", "boolean", "array"}}};
      const Json list{
          {"type", "array"}, {"items", value}, {"minItems", 1}, {"maxItems", kMostValues}, {"uniqueItems", true}};
      return {{"type", "object"}, {"minProperties", 1}, {"additionalProperties", list}};
    }
  }
  return {};
}

Json key_schema(const Key& key) {
  Json schema{{"description", key.description}};
  schema.update(value_schema(key));
  if (!key.default_value.is_null()) schema["default"] = key.default_value;
  return schema;
}

Json map_schema() {
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
}

template <class Bound>
Json map_schema(const std::vector<Bound>& keys) {
  Json schema = map_schema();
  for (const Key& key : keys) {
    const size_t dot = key.path.find('.');
    if (dot == std::string::npos) {
      schema["properties"][key.path] = key_schema(key);
      continue;
    }
    Json& inner = schema["properties"][key.path.substr(0, dot)];
    if (inner.is_null()) inner = map_schema();
    inner["properties"][key.path.substr(dot + 1)] = key_schema(key);
  }
  return schema;
}

// {"properties": {key: {"const": value}}, "required": [key]}: the key is there and has this value.
Json has(const char* key, const Json& value) {
  return {{"required", {key}}, {"properties", {{key, {{"const", value}}}}}};
}

// The key is there, whatever its value.
Json has(const char* key) {
  return {{"required", Json::array({key})}};
}

Json mode_is(const Json& modes) {
  const Json mode{{"required", {"mode"}}, {"properties", {{"mode", {{"enum", modes}}}}}};
  return {{"required", {"sharing"}}, {"properties", {{"sharing", mode}}}};
}

Json both(const Json& a, const Json& b) {
  return {{"allOf", {a, b}}};
}

Json never(const Json& what) {
  return {{"not", what}};
}

// Which keys a workload has by its kind, where closed need not be said.
Json workload_rules() {
  Json rules = Json::array();
  for (const WorkloadKey& key : workload_keys()) {
    Json names = Json::array();
    for (const WorkloadKind kind : key.kinds) names.push_back(std::string(to_string(kind)));
    const Json of_kind{{"properties", {{"kind", {{"enum", names}}}}}};
    const bool by_default = key.kinds.front() == WorkloadKind::closed;
    const Json applies = by_default ? of_kind : both(of_kind, has("kind"));
    const Json given = has(std::string(key.name).c_str());
    rules.push_back({{"anyOf", {never(given), applies}}});
    if (key.needed) rules.push_back({{"anyOf", {never(applies), given}}});
  }
  return rules;
}

// One of these keys of slo is there.
Json has_objective(std::initializer_list<const char*> keys) {
  Json any = Json::array();
  for (const char* key : keys) any.push_back(has(key));
  return both(has("slo"), {{"properties", {{"slo", {{"anyOf", any}}}}}});
}

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*') out += '\\';
    out += c;
  }
  return out;
}

template <class Bound>
std::string key_table(const std::vector<Bound>& keys) {
  std::string table = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const Key& key : keys)
    table += fmt::format("| `{}` | {} | {} | {} |\n", key.path, cell(expectation(key)), cell(key.default_text),
                         cell(key.description));
  return table;
}

}  // namespace

nlohmann::ordered_json config_schema() {
  Json tenant = map_schema(tenant_keys());
  tenant["properties"]["workload"]["allOf"] = workload_rules();
  const Json stress = has("engine", "stress"), external = has("engine", "external"), command = has("engine", "command"),
             server = has("engine", "server");
  const Json server_map{{"required", {"server"}}, {"properties", {{"server", has("base_url")}}}};
  const Json embeddings{{"required", {"server"}}, {"properties", {{"server", has("api", "embeddings")}}}};
  const Json text_server = both(server, never(embeddings));
  tenant["anyOf"] = {{{"required", {"model_name", "batch_size", "seq_len"}}},
                     {{"required", {"model_name", "batch_size", "slots"}}},
                     stress,
                     command,
                     both(server, {{"required", {"model_name"}}})};
  tenant["allOf"] = {
      {{"anyOf", {never(has("stress")), stress}}},
      {{"anyOf", {never(has("server")), server}}},
      {{"anyOf", {never(server), server_map}}},
      {{"anyOf", {never(has("max_new_tokens")), has("task", "generate"), text_server}}},
      never(both(text_server, has("task", "forward"))),
      never(both(both(server, embeddings), has("task", "generate"))),
      {{"anyOf", {never(has_objective({"ttft_ms", "tpot_ms"})), has("task", "generate"), text_server}}},
      {{"anyOf", {never(has_objective({"percentile"})), has_objective({"ttft_ms", "tpot_ms", "latency_ms"})}}},
      never(both(stress, has("task", "generate"))),
      {{"anyOf", {never(has("command")), external, command, server}}},
      {{"anyOf", {never(external), has("command")}}},
      {{"anyOf", {never(command), has("command")}}},
      {{"anyOf", {never(has("progress")), command}}}};
  for (const char* key : {"samples_per_step", "tokens_per_step"})
    tenant["allOf"].push_back({{"anyOf", {never(has(key)), has("progress")}}});
  for (const char* key : {"batch_size", "seq_len", "task", "dtype", "weights", "workload"})
    tenant["allOf"].push_back(never(both(command, has(key))));
  const auto length_given = [](const char* key) {
    return Json{{"required", {"workload"}}, {"properties", {{"workload", has(key)}}}};
  };
  const Json own_input = length_given("input_tokens"), own_output = length_given("output_tokens");
  tenant["allOf"].push_back({{"anyOf", {never(own_input), server, has("slots")}}});
  tenant["allOf"].push_back({{"anyOf", {never(own_output), text_server, has("slots")}}});
  tenant["allOf"].push_back({{"anyOf", {never(has("slots")), has("seq_len"), own_input}}});
  for (const Json& engine : {stress, external, command, server})
    for (const char* key : {"slots", "chunk_tokens", "max_wait_ms"})
      tenant["allOf"].push_back(never(both(engine, has(key))));
  tenant["allOf"].push_back({{"anyOf", {never(has("slots")), has("task", "generate")}}});
  tenant["allOf"].push_back({{"anyOf", {never(has("slots")), {{"properties", {{"batch_size", {{"maximum", 1}}}}}}}}});
  tenant["allOf"].push_back({{"anyOf", {never(has("chunk_tokens")), has("slots")}}});
  tenant["allOf"].push_back(never(both(has("max_wait_ms"), has("task", "generate"))));
  tenant["allOf"].push_back({{"anyOf", {never(server), has("seq_len"), own_input}}});
  tenant["allOf"].push_back(never(both(has("seq_len"), own_input)));
  tenant["allOf"].push_back(never(both(has("max_new_tokens"), own_output)));
  for (const char* key : {"sm_percent", "priority", "memory_limit", "mig_instance"})
    tenant["allOf"].push_back(never(both(both(server, never(has("command"))), has(key))));
  for (const char* key : {"dtype", "weights"}) tenant["allOf"].push_back(never(both(server, has(key))));

  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "An experiment of cotenant"}};
  schema.update(map_schema(experiment_keys()));
  schema["oneOf"] = {has("single_model"), has("tenants")};
  const Json on_cuda{{"required", {"device"}}, {"properties", {{"device", {{"pattern", "^(cuda|GPU-)"}}}}}};
  schema["allOf"] = {never(both(has("mps", true), mode_is({"timeslice", "streams", "green", "mig", "partition"}))),
                     never(both(has("device", "cpu"), has("mps", true))),
                     never(both(has("device", "cpu"), mode_is({"mps", "streams", "green", "mig"}))),
                     never(both(on_cuda, mode_is(Json::array({"partition"}))))};
  schema["$defs"] = {{"tenant", std::move(tenant)}};
  return schema;
}

std::string config_markdown() {
  return fmt::format("### Keys of an experiment\n\n{}\n### Keys of a tenant\n\n{}", key_table(experiment_keys()),
                     key_table(tenant_keys()));
}

}  // namespace cotenant
