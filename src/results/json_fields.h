#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/iso_time.h"
#include "base/json_text.h"
#include "base/words.h"

// Structs as JSON objects, with one list of fields for both directions. A struct takes part by a function beside it:
//
//   template <class Visitor>
//   void fields(Visitor& visit, WindowRecord& record) {
//     visit("start_s", record.start_s);
//   }
//
// Fields may be bool, integers, floating-point numbers, strings, enumerations with words (base/words.h), std::optional
// and std::vector of these, and structs. A std::variant of structs is visited by visit.one_of("type", record.what): its
// fields stand beside the others, and "type" says which of them it is, by the struct's `type`. By
// visit.one_of_or_first(...) it may be unknown, as any other field may, and is then the first of them.
namespace cotenant {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

class JsonWriter {
 public:
  template <class T>
  void operator()(const char* key, T& value) {
    object_[key] = convert(value);
  }

  template <class... T>
  void one_of(const char* key, std::variant<T...>& value) {
    std::visit(
        [&](auto& alternative) {
          object_[key] = alternative.type;
          fields(*this, alternative);
        },
        value);
  }

  template <class Variant>
  void one_of_or_first(const char* key, Variant& value) {
    one_of(key, value);
  }

  template <class T>
  static nlohmann::ordered_json convert(T& value) {
    if constexpr (IsOptional<T>::value) {
      return value ? convert(*value) : nlohmann::ordered_json();
    } else if constexpr (IsVector<T>::value) {
      auto array = nlohmann::ordered_json::array();
      for (auto& element : value) array.push_back(convert(element));
      return array;
    } else if constexpr (std::is_floating_point_v<T>) {
      return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return value;
    } else if constexpr (HasWords<T>) {
      return std::string(to_string(value));
    } else {
      JsonWriter writer;
      fields(writer, value);
      return std::move(writer.object_);
    }
  }

 private:
  nlohmann::ordered_json object_ = nlohmann::ordered_json::object();
};

// Throws usage_error naming the place: "experiment.json: tenants[0].threads: expected an integer, found "two"".
class JsonReader {
 public:
  JsonReader(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail(where_, "an object", object);
  }

  template <class T>
  void operator()(const char* key, T& value) {
    const auto found = object_.find(key);
    if (found != object_.end()) assign(*found, value, where_ + (where_.ends_with(": ") ? "" : ".") + key);
  }

  template <class... T>
  void one_of(const char* key, std::variant<T...>& value) {
    std::string type;
    (*this)(key, type);
    const bool known = (read_as<T>(type, value) || ...);
    if (!known) fail(where_, std::string("a ") + key + " that is known", nlohmann::json(type));
  }

  template <class First, class... T>
  void one_of_or_first(const char* key, std::variant<First, T...>& value) {
    const auto found = object_.find(key);
    if (found == object_.end() || found->is_null() || *found == "")
      fields(*this, value.template emplace<First>());
    else
      one_of(key, value);
  }

  template <class T>
  static void assign(const nlohmann::json& json, T& value, const std::string& where) {
    if constexpr (IsOptional<T>::value) {
      value.reset();
      if (!is_unknown<typename T::value_type>(json)) assign(json, value.emplace(), where);
    } else if (is_unknown<T>(json)) {
      return;  // keeps its default
    } else if constexpr (IsVector<T>::value) {
      if (!json.is_array()) fail(where, "a list", json);
      value.clear();
      for (size_t i = 0; i < json.size(); ++i)
        assign(json[i], value.emplace_back(), where + "[" + std::to_string(i) + "]");
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) fail(where, "true or false", json);
      value = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      assign_integer(json, value, where);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = number(json, where);
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!json.is_string()) fail(where, "a string", json);
      value = json.get<std::string>();
    } else if constexpr (HasWords<T>) {
      assign_word(json, value, where);
    } else {
      JsonReader reader(json, where);
      fields(reader, value);
    }
  }

 private:
  template <class T, class Variant>
  bool read_as(const std::string& type, Variant& value) {
    if (type != T::type) return false;
    fields(*this, value.template emplace<T>());
    return true;
  }

  // A word that is not known is empty where it is not null.
  template <class T>
  static bool is_unknown(const nlohmann::json& json) {
    return json.is_null() || (HasWords<T> && json == "");
  }

  template <class T>
  static void assign_word(const nlohmann::json& json, T& value, const std::string& where) {
    const auto word = json.is_string() ? from_word<T>(json.get_ref<const std::string&>()) : std::nullopt;
    if (!word) fail(where, "one of " + all_words<T>(), json);
    value = *word;
  }

  template <class T>
  static void assign_integer(const nlohmann::json& json, T& value, const std::string& where) {
    bool fits = false;
    if (json.is_number_unsigned()) {
      fits = std::in_range<T>(json.get<uint64_t>());
    } else if (json.is_number_integer()) {
      fits = std::in_range<T>(json.get<int64_t>());
    } else if (json.is_number_float()) {  // other tools write 8 as 8.0
      const auto real = json.get<double>();
      fits = std::abs(real) <= 0x1p53 && real == std::floor(real) && std::in_range<T>(static_cast<int64_t>(real));
    }
    if (!fits) fail(where, "an integer", json);
    value = json.get<T>();
  }

  // Other tools write instants, which are seconds since the epoch, as text.
  static double number(const nlohmann::json& json, const std::string& where) {
    if (json.is_number()) return json.get<double>();
    const auto instant = json.is_string() ? seconds_of_iso_time(json.get_ref<const std::string&>()) : std::nullopt;
    if (!instant) fail(where, "a number", json);
    return *instant;
  }

  // On one line, without characters that are not ASCII, cut.
  static std::string shown(const nlohmann::json& value) {
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 60);
  }

  [[noreturn]] static void fail(const std::string& where, const std::string& expected, const nlohmann::json& found) {
    const std::string place = where.ends_with(": ") ? where.substr(0, where.size() - 2) : where;
    throw usage_error(place, "expected " + expected + ", found " + shown(found));
  }

  const nlohmann::json& object_;
  std::string where_;
};

template <class T>
std::string fields_to_json(const T& value, int indent = -1) {
  return JsonWriter::convert(const_cast<T&>(value)).dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

// `where` is the name of the text in messages.
template <class T>
T fields_from_json(std::string_view text, const std::string& where) {
  if (json_is_deeper_than(text, deepest_json))
    throw usage_error(where, "is nested more than " + std::to_string(deepest_json) + " levels deep");
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(without_bom(text));
  } catch (const nlohmann::json::exception& e) {
    throw usage_error(where, "not valid JSON: " + json_problem(e.what()));
  }
  T value;
  JsonReader::assign(json, value, where + ": ");
  return value;
}

}  // namespace cotenant
