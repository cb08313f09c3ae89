#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace cotenant {

// A configuration that must be refused, and how.
struct BadInput {
  std::string name;
  std::string yaml;
  std::string where;   // of the error: line:column
  std::string what;    // a part of the message: the key's path, expectation and finding
  std::string remedy;  // a part of it
  enum { by_schema, only_by_reader } refused_by = by_schema;  // whether the JSON Schema can say it, too
};

std::vector<BadInput> bad_inputs();

inline void PrintTo(const BadInput& bad, std::ostream* out) {  // for GoogleTest
  *out << bad.name;
}

}  // namespace cotenant
