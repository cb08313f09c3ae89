#include "report/gnuplot.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"
#include "process/child.h"
#include "report/colours.h"

namespace cotenant {
namespace {

// What all pictures have in common. Sizes are for 1400 x 800 and still read at half of it.
constexpr std::string_view style = R"(
set encoding utf8
set border 3 linecolor rgb '#8a929a' linewidth 1
set tics nomirror out scale 0.6 textcolor rgb '#3c434a'
set xlabel textcolor rgb '#16191d'
set ylabel textcolor rgb '#16191d'
set title textcolor rgb '#16191d' font 'DejaVu Sans,22'
set grid linetype 1 linecolor rgb '#e4e7ea' linewidth 1
set key outside right top noopaque samplen 1.6 spacing 1.25 textcolor rgb '#16191d'
set lmargin 11
set format '%g'
set style fill solid 1 noborder
set datafile missing 'NaN'
set samples 2
)";

std::string line_types() {
  std::string commands;
  for (size_t i = 0; i < 2 * tenant_colours.size(); ++i) {
    commands += fmt::format("set linetype {} linecolor rgb '{}' linewidth 2.5 dashtype {} pointtype 7\n", i + 1,
                            tenant_colours[colour_index(i)].on_light, i < tenant_colours.size() ? 1 : 2);
  }
  return commands;
}

enum class Format { svg, png };

std::filesystem::path file_of(const Picture& picture, Format format, const std::filesystem::path& directory) {
  return directory / (picture.name + (format == Format::svg ? ".svg" : ".png"));
}

std::string script_of(std::span<const Picture> pictures, Format format, const std::filesystem::path& directory) {
  std::string script;
  for (const Picture& picture : pictures) {
    script += fmt::format("reset\nset terminal {} noenhanced size {},{} font 'DejaVu Sans,20' background rgb 'white'\n",
                          format == Format::svg ? "svg" : "pngcairo", picture.width, picture.height);
    // The path is the user's, not a label: it is quoted, but neither cut nor changed.
    std::string path = file_of(picture, format, directory).string();
    for (size_t at = 0; (at = path.find('\'', at)) != std::string::npos; at += 2) path.insert(at, 1, '\'');
    script += fmt::format("set output '{}'\n{}{}{}unset output\n", path, style, line_types(), picture.commands);
  }
  return script;
}

// An anonymous file, so that neither side waits for the other as with pipes.
Fd scratch_file(std::string_view text) {
  Fd fd(memfd_create("gnuplot", MFD_CLOEXEC));
  if (!fd) throw system_error("gnuplot", "memfd_create");
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw system_error("gnuplot", "write");
    done += static_cast<size_t>(n);
  }
  if (lseek(fd.get(), 0, SEEK_SET) < 0) throw system_error("gnuplot", "lseek");
  return fd;
}

std::string contents(const Fd& fd) {
  std::string text(4096, '\0');
  const ssize_t n = pread(fd.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// A gnuplot that reads its script from a file. Killed when it goes out of scope before its end.
class Run {
 public:
  Run(const std::filesystem::path& gnuplot, const std::string& script)
      : script_(scratch_file(script)),
        messages_(scratch_file("")),
        child_({.executable = gnuplot.string(),
                .arguments = {"-d"},  // ~/.gnuplot and the system's could change everything
                .input = script_.get(),
                .output = messages_.get()}) {}

  // Throws internal_error with what gnuplot said unless it did everything.
  void finish() {
    const ExitStatus ended = *child_.wait_until(std::numeric_limits<int64_t>::max());
    if (!ended.clean())
      throw internal_error("gnuplot", fmt::format("ended with {}: {}", ended.text(), contents(messages_)));
  }
  std::string messages() const { return contents(messages_); }

 private:
  Fd script_, messages_;
  Child child_;
};

// gnuplot says nothing when the disk is full: a file that lacks its end is taken for that.
void check_complete(const std::filesystem::path& file, const std::string& messages) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  constexpr std::streamoff tail = 16;
  std::string end(static_cast<size_t>(tail), '\0');
  const bool readable = in && in.tellg() >= tail && in.seekg(-tail, std::ios::end) && in.read(end.data(), tail);
  const std::string_view mark = file.extension() == ".svg" ? "</svg>" : "IEND";
  if (readable && end.find(mark) != std::string::npos) return;
  throw usage_error(file.string(), messages.empty() ? "the plot could not be written in full" : messages,
                    "check that the directory can be written and has room, or pass --no-plots");
}

size_t code_points(std::string_view text) {
  size_t count = 0;
  for (unsigned char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

// The first `most` code points, the last of them "…" when something is cut off.
std::string cut(std::string_view text, size_t most) {
  if (code_points(text) <= most) return std::string(text);
  size_t end = 0, count = 0;
  while (end < text.size()) {
    count += (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (count == most) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace

std::string gnuplot_text(std::string_view text, size_t most) {
  std::string out = "'";
  for (char c : cut(text, most)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (c == '\'') out += '\'';
    out += control ? ' ' : c;
  }
  return out + "'";
}

std::string tic_text(std::string_view text, size_t most) {
  std::string out;
  for (char c : gnuplot_text(text, most)) {
    if (c == '%') out += '%';
    out += c;
  }
  return out;
}

std::string gnuplot_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.7g}", value) : "NaN";
}

void PictureWriter::add(std::string_view command) {
  picture_.commands += command;
  picture_.commands += '\n';
}

std::string PictureWriter::data(const std::vector<std::vector<double>>& rows) {
  const std::string name = fmt::format("$d{}", ++blocks_);
  std::string block = name + " << EOD\n";
  for (const auto& row : rows) {
    for (double value : row) block += gnuplot_number(value) + " ";
    block += '\n';
  }
  add(block + "EOD");
  return name;
}

std::string PictureWriter::curve_data(const Curve& curve) {
  std::vector<std::vector<double>> rows;
  rows.reserve(curve.x.size());
  for (size_t i = 0; i < curve.x.size(); ++i) rows.push_back({curve.x[i], curve.y[i]});
  return data(rows);
}

void PictureWriter::plot(const std::vector<std::string>& parts) {
  std::string command = "plot ";
  for (size_t i = 0; i < parts.size(); ++i) command += (i ? ", \\\n  " : "") + parts[i];
  // Without a point gnuplot refuses to draw even the axes: it gets one outside them.
  add(parts.empty() ? "unset logscale\nset xrange [0:1]\nset yrange [0:1]\nplot -1 notitle" : command);
}

std::vector<std::filesystem::path> draw(std::span<const Picture> pictures, const std::filesystem::path& gnuplot,
                                        const std::filesystem::path& directory) {
  make_directory(directory);
  Run svg(gnuplot, script_of(pictures, Format::svg, directory));
  Run png(gnuplot, script_of(pictures, Format::png, directory));
  std::vector<std::filesystem::path> files;
  svg.finish();
  png.finish();
  for (const Picture& picture : pictures) {
    for (auto [format, run] : {std::pair{Format::svg, &svg}, std::pair{Format::png, &png}}) {
      files.push_back(file_of(picture, format, directory));
      check_complete(files.back(), run->messages());
    }
  }
  return files;
}

}  // namespace cotenant
