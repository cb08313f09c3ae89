#include "results/kernels.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <type_traits>

#include "base/error.h"
#include "base/input_file.h"
#include "base/line_reader.h"
#include "base/open_file.h"
#include "results/json_fields.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTitles = "start_s,end_s,kind,name,stream,graph,size,threads\n";
constexpr std::array<std::string_view, 4> kKinds = {"kernel", "copy", "fill", "range"};

fs::path names_file(const fs::path& directory) {
  return directory / "kernel_names.json";
}

fs::path activities_file(const fs::path& directory) {
  return directory / "kernels.csv";
}

// The first file: everything but the activities.
struct NameTable {
  std::vector<std::string> names;
  uint64_t missing = 0;
  std::string problem;
};

// Other tools write 8 as 8.0.
bool is_zero_fraction(std::string_view text) {
  return text.size() > 1 && text[0] == '.' && text.find_first_not_of('0', 1) == text.npos;
}

// Takes one line apart. `good` turns false at the first field that is not what it must be.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  template <class Number>
  void take(Number& value) {
    const std::string_view text = next();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
    good = good && error == std::errc() && (rest.empty() || (std::is_integral_v<Number> && is_zero_fraction(rest)));
  }
  void take(KernelActivity::Kind& kind) {
    const std::string_view text = next();
    for (size_t i = 0; i < kKinds.size(); ++i)
      if (kKinds[i] == text) {
        kind = static_cast<KernelActivity::Kind>(i);
        return;
      }
    good = false;
  }
  bool at_end() const { return over_; }

  bool good = true;

 private:
  std::string_view next() {
    if (over_) good = false;
    const size_t comma = rest_.find(',');
    const std::string_view field = rest_.substr(0, comma);
    over_ = comma == std::string_view::npos;
    rest_.remove_prefix(over_ ? rest_.size() : comma + 1);
    return field;
  }

  std::string_view rest_;
  bool over_ = false;
};

bool parse(std::string_view line, size_t names, KernelActivity& activity) {
  Fields fields(line);
  fields.take(activity.start_s);
  fields.take(activity.end_s);
  fields.take(activity.kind);
  fields.take(activity.name);
  fields.take(activity.stream);
  fields.take(activity.graph);
  fields.take(activity.size);
  fields.take(activity.threads);
  return fields.good && fields.at_end() && std::isfinite(activity.start_s) && std::isfinite(activity.end_s) &&
         activity.end_s >= activity.start_s && activity.name < names;
}

}  // namespace

template <class Visitor>
void fields(Visitor& visit, NameTable& table) {
  visit("names", table.names);
  visit("missing", table.missing);
  visit("problem", table.problem);
}

std::string_view to_string(KernelActivity::Kind kind) {
  return kKinds.at(static_cast<size_t>(kind));
}

void write_kernels(const fs::path& directory, const KernelRecords& records) {
  const NameTable table{records.names, records.missing, records.problem};
  OutputFile file(activities_file(directory));
  file.write(kTitles);
  fmt::memory_buffer line;
  for (const KernelActivity& a : records.activities) {
    if (a.name >= records.names.size()) throw internal_error(file.path().string(), "a name outside of the table");
    line.clear();
    fmt::format_to(std::back_inserter(line), "{:.9f},{:.9f},{},{},{},{},{},{}\n", a.start_s, a.end_s, to_string(a.kind),
                   a.name, a.stream, a.graph, a.size, a.threads);
    file.write({line.data(), line.size()});
  }
  file.close();
  write_file(names_file(directory), fields_to_json(table, 1) + "\n");
}

bool has_kernels(const fs::path& directory) {
  return is_real_directory(directory) && is_real_file(activities_file(directory)) &&
         is_real_file(names_file(directory));
}

KernelRecords read_kernels(const fs::path& directory) {
  KernelRecords records;
  const fs::path names = names_file(directory), file = activities_file(directory);
  constexpr size_t most_bytes = size_t{1} << 26;
  auto table = fields_from_json<NameTable>(read_file(names, most_bytes), names.string());
  records.names = std::move(table.names);
  records.missing = table.missing;
  records.problem = std::move(table.problem);
  LineReader lines(file);
  while (const auto line = lines.next()) {
    records.torn_last_line = !lines.has_newline();
    if (records.torn_last_line) break;
    if (lines.number() == 1) continue;  // titles
    if (!parse(*line, records.names.size(), records.activities.emplace_back()))
      throw usage_error(lines.where(), "is no activity of the device", "Profile again, or remove this line.");
  }
  return records;
}

}  // namespace cotenant
