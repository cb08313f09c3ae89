#include "process/words.h"

namespace cotenant {

std::string joined(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) {
    if (&argument != arguments.data()) text += '\t';
    for (const char c : argument) {
      if (c == '\\' || c == '\t' || c == '\n') text += '\\';
      text += c == '\t' ? 't' : c == '\n' ? 'n' : c;
    }
  }
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> arguments{""};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\t') {
      arguments.emplace_back();
      continue;
    }
    const bool special = text[i] == '\\' && i + 1 < text.size();
    const char c = special ? text[++i] : text[i];
    arguments.back() += special && c == 't' ? '\t' : special && c == 'n' ? '\n' : c;
  }
  return arguments;
}

}  // namespace cotenant
