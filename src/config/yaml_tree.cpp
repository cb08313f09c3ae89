#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <streambuf>

#include "base/error.h"
#include "base/text.h"

namespace cotenant {
namespace {

// Builds the tree from yaml-cpp's events: unlike its own nodes they still show anchors, aliases and duplicate keys.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string source, bool with_marks) : source_(std::move(source)), with_marks_(with_marks) {}

  YamlNode take() { return std::move(root_); }
  int documents() const { return documents_; }

  std::string place(const YAML::Mark& mark) const {
    if (!with_marks_ || mark.is_null()) return source_;
    return fmt::format("{}:{}:{}", source_, mark.line + 1, mark.column + 1);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "a second document", "Keep one experiment in one file.");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    add(mark, YamlNode{});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "an alias (*name)", "Write the value out.");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.text = value;
    node.quoted = tag == "!";
    add(mark, std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map that is still open, with the key that waits for its value.
  struct Frame {
    YamlNode node;
    std::optional<YamlNode::Entry> key;
    std::map<std::string, std::string, std::less<>> seen;  // key -> where
  };

  std::string path() const {
    std::string out;
    for (const Frame& frame : frames_) {
      if (frame.node.kind == YamlNode::Kind::list) out = key_path(out, std::to_string(frame.node.items.size()));
      if (frame.key) out = key_path(out, frame.key->key);
    }
    return out;
  }

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& found, const std::string& remedy) const {
    const std::string at = path();
    throw usage_error(
        place(mark),
        fmt::format("{}expected plain maps, lists and scalars, found {}", at.empty() ? "" : at + ": ", found), remedy);
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) refuse(mark, "an anchor (&name)", "Remove it; aliases are not supported.");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, fmt::format("the tag {}", tag), "Remove the tag.");
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    check(mark, tag, anchor);
    if (expects_key()) refuse(mark, "a key that is not text", "Keys are single words.");
    if (frames_.size() == kDeepestConfig)
      refuse(mark, fmt::format("more than {} levels of nesting", kDeepestConfig), "");
    Frame frame;
    frame.node.kind = kind;
    frame.node.where = place(mark);
    frames_.push_back(std::move(frame));
  }

  void close() {
    YamlNode node = std::move(frames_.back().node);
    frames_.pop_back();
    put(std::move(node));
  }

  bool expects_key() const {
    return !frames_.empty() && frames_.back().node.kind == YamlNode::Kind::map && !frames_.back().key;
  }

  void add(const YAML::Mark& mark, YamlNode node) {
    node.where = place(mark);
    if (!expects_key()) return put(std::move(node));
    if (node.kind != YamlNode::Kind::scalar) refuse(mark, "a key that is not text", "Keys are single words.");
    if (node.text == "<<" && !node.quoted) refuse(mark, "a merge key (<<)", "Write the keys out.");
    Frame& frame = frames_.back();
    const auto [first, is_new] = frame.seen.emplace(node.text, node.where);
    if (!is_new)
      throw usage_error(node.where,
                        fmt::format("{}: expected each key once, found it again (first at {})",
                                    key_path(path(), node.text), first->second),
                        "Remove one of the two.");
    frame.key = YamlNode::Entry{std::move(node.text), std::move(node.where), {}};
  }

  void put(YamlNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
    } else if (Frame& frame = frames_.back(); frame.node.kind == YamlNode::Kind::list) {
      frame.node.items.push_back(std::move(node));
    } else {
      frame.key->value = std::move(node);
      frame.node.entries.push_back(std::move(*frame.key));
      frame.key.reset();
    }
  }

  std::string source_;
  bool with_marks_;
  int documents_ = 0;
  YamlNode root_;
  std::vector<Frame> frames_;
};

// Text in memory as a stream, without a copy.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

void check_bytes(std::string_view text, const std::string& source, bool with_marks) {
  if (text.size() > kLargestConfigBytes)
    throw usage_error(source, fmt::format("expected at most {}, found {}", format_bytes(kLargestConfigBytes),
                                          format_bytes(text.size())));
  int line = 1, column = 1;
  const auto here = [&] { return with_marks ? fmt::format("{}:{}:{}", source, line, column) : source; };
  if (!simdjson::validate_utf8(text.data(), text.size()))
    throw usage_error(source, "expected a YAML file, found bytes that are not UTF-8 text");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f)
      throw usage_error(here(), fmt::format("expected text, found the control character 0x{:02x}", byte));
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((byte & 0xc0) != 0x80) {  // not within a character
      ++column;
    }
  }
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return entry == entries.end() ? nullptr : &entry->value;
}

YamlNode* YamlNode::find(std::string_view key) {
  return const_cast<YamlNode*>(std::as_const(*this).find(key));
}

YamlNode parse_yaml(std::string_view text, const std::string& source, bool with_marks) {
  check_bytes(text, source, with_marks);
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  TreeBuilder builder(source, with_marks);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    throw usage_error(builder.place(e.mark), fmt::format("expected YAML, but this is not: {}", e.msg));
  }
  return builder.take();
}

std::string yaml_quoted(std::string_view text) {
  const auto is_simple = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '/';
  };
  const bool begins_simple =
      !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
  static constexpr std::string_view words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool is_word = std::find(std::begin(words), std::end(words), lower) != std::end(words);
  if (begins_simple && !is_word && std::all_of(text.begin(), text.end(), is_simple)) return std::string(text);
  // A JSON string is a YAML double-quoted scalar.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
    case YamlNode::Kind::scalar:
      break;
  }
  constexpr size_t most = 60;
  if (node.text.size() <= most) return fmt::format("\"{}\"", node.text);
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(node.text[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return fmt::format("\"{}...\"", node.text.substr(0, end));
}

std::string key_path(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

}  // namespace cotenant
