#include "report/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/new_file.h"
#include "base/printable.h"
#include "base/temporary_directory.h"
#include "process/child.h"
#include "report/colours.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

// What all pictures have in common. Sizes are for 1400 x 800 and still read at half of it.
constexpr std::string_view style = R"(
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

std::string file_of(const Picture& picture, Format format) {
  return std::string(picture.name.text) + (format == Format::svg ? ".svg" : ".png");
}

std::string texts_file_of(const Picture& picture) {
  return std::string(picture.name.text) + ".txt";
}

// Behind these commands T[1], T[2], ... are the texts of the file.
std::string texts_command(const Picture& picture) {
  if (picture.texts.empty()) return "";
  return fmt::format("array T[{}]\nstats '{}' using (T[int($1)] = strcol(2), $1) nooutput\n", picture.texts.size(),
                     texts_file_of(picture));
}

std::string script_of(std::span<const Picture> pictures, Format format) {
  std::string script;
  for (const Picture& picture : pictures) {
    script += fmt::format("reset\nset encoding utf8\n{}", texts_command(picture));
    script += fmt::format("set terminal {} noenhanced size {},{} font 'DejaVu Sans,20' background rgb 'white'\n",
                          format == Format::svg ? "svg" : "pngcairo", picture.width, picture.height);
    script += fmt::format("set output '{}'\n{}{}{}unset output\n", file_of(picture, format), style, line_types(),
                          picture.commands.text());
  }
  return script;
}

// A quoted field of a data file, in which gnuplot obeys the escapes of double quotes: all but letters and what is not
// ASCII is written as \ooo, so that nothing ends the field or the line. Digits, too: gnuplot reads as many as follow.
std::string data_field(std::string_view text) {
  std::string field = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80)
      field += c;
    else
      field += fmt::format("\\{:03o}", byte);
  }
  return field + "\"";
}

void write_texts(std::span<const Picture> pictures, const std::filesystem::path& directory) {
  for (const Picture& picture : pictures) {
    std::string lines;
    for (size_t i = 0; i < picture.texts.size(); ++i)
      lines += fmt::format("{} {}\n", i + 1, data_field(picture.texts[i]));
    write_file(directory / texts_file_of(picture), lines);
  }
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

Error incomplete(const std::string& where, const std::string& messages) {
  return usage_error(where, messages.empty() ? "a plot could not be written in full" : messages,
                     "Check that the directory can be written and has room, or pass --no-plots.");
}

// A gnuplot in `directory` that reads its script from a file. Killed when it goes out of scope before its end.
class Run {
 public:
  Run(const std::filesystem::path& gnuplot, const std::string& script, const Fd& directory)
      : script_(scratch_file(script)),
        messages_(scratch_file("")),
        child_({.executable = std::filesystem::absolute(gnuplot).string(),
                .arguments = {"-d"},  // ~/.gnuplot and the system's could change everything
                .input = script_.get(),
                .output = messages_.get(),
                .directory = directory.get()}) {}

  // Throws internal_error with what gnuplot said unless it did everything.
  void finish() {
    const ExitStatus ended = *child_.wait_until(std::numeric_limits<int64_t>::max());
    if (ended.signal == SIGXFSZ) throw incomplete("", messages());
    if (!ended.clean()) throw internal_error("gnuplot", fmt::format("ended with {}: {}", ended.text(), messages()));
  }
  std::string messages() const { return printable_lines(contents(messages_)); }

 private:
  Fd script_, messages_;
  Child child_;
};

// gnuplot says nothing when the disk is full: a file that lacks its end is taken for that.
bool is_complete(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  constexpr std::streamoff tail = 16;
  std::string end(static_cast<size_t>(tail), '\0');
  const bool readable = in && in.tellg() >= tail && in.seekg(-tail, std::ios::end) && in.read(end.data(), tail);
  return readable && end.find(file.extension() == ".svg" ? "</svg>" : "IEND") != std::string::npos;
}

}  // namespace

Script script_number(double value) {
  return std::abs(value) <= most_drawn ? script("{:.7g}", value) : script("NaN");
}

Script list(std::span<const Script> parts) {
  Script joined;
  for (const Script& part : parts) {
    if (!joined.empty()) joined += script(", ");
    joined += part;
  }
  return joined;
}

Script PictureWriter::text(std::string_view text, size_t most) {
  return keep(shortened(printable(text), most));
}

Script PictureWriter::tic(std::string_view text, size_t most) {
  std::string doubled;
  for (const char c : shortened(printable(text), most)) doubled.append(c == '%' ? 2 : 1, c);
  return keep(std::move(doubled));
}

Script PictureWriter::keep(std::string text) {
  picture_.texts.push_back(std::move(text));
  return script("T[{}]", picture_.texts.size());
}

Script PictureWriter::data(const std::vector<std::vector<double>>& rows) {
  const Script name = script("$d{}", ++blocks_);
  Script block = script("{} << EOD\n", name);
  for (const auto& row : rows) {
    for (double value : row) block += script("{} ", script_number(value));
    block += script("\n");
  }
  add("{}EOD", block);
  return name;
}

Script PictureWriter::curve_data(const Curve& curve) {
  std::vector<std::vector<double>> rows;
  rows.reserve(curve.x.size());
  for (size_t i = 0; i < curve.x.size(); ++i) rows.push_back({curve.x[i], curve.y[i]});
  return data(rows);
}

void PictureWriter::plot(std::span<const Script> parts) {
  // Without a point gnuplot refuses to draw even the axes: it gets one outside them.
  if (parts.empty())
    add("unset logscale\nset xrange [0:1]\nset yrange [0:1]\nplot -1 notitle");
  else
    add("plot {}", list(parts));
}

std::vector<std::filesystem::path> draw(std::span<const Picture> pictures, const std::filesystem::path& gnuplot,
                                        const std::filesystem::path& directory) {
  make_directory(directory);
  const TemporaryDirectory drawn(directory);
  const Fd in(::open(drawn.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!in) throw file_error(drawn.path().string(), "open");
  write_texts(pictures, drawn.path());
  Run svg(gnuplot, script_of(pictures, Format::svg), in);
  Run png(gnuplot, script_of(pictures, Format::png), in);
  svg.finish();
  png.finish();
  std::vector<std::filesystem::path> files;
  for (const Picture& picture : pictures) {
    for (auto [format, run] : {std::pair{Format::svg, &svg}, std::pair{Format::png, &png}}) {
      const std::string name = file_of(picture, format);
      files.push_back(directory / name);
      if (!is_complete(drawn.path() / name)) throw incomplete(files.back().string(), run->messages());
      if (::rename((drawn.path() / name).c_str(), files.back().c_str()) != 0)
        throw file_error(files.back().string(), "rename");
    }
  }
  return files;
}

}  // namespace cotenant
