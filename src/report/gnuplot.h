#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "report/charts.h"

// Scripts for gnuplot, and their running. gnuplot's scripts run commands, so no text of a file, a path or a command
// line ever stands in one: gnuplot reads such texts from a data file, as strings that it draws (the terminals are set
// to noenhanced, so that they are no markup either), and runs in its output directory, where files have fixed names.
namespace cotenant {

class Script;

// A number or another piece of a script.
template <class T>
concept ScriptPart = std::is_same_v<T, Script> ||(std::is_arithmetic_v<T> && !std::is_same_v<T, char>);

template <ScriptPart... Parts>
Script script(fmt::format_string<const Parts&...> format, const Parts&... parts);

// A piece of a script. It is made of literals of this program, of numbers and of other pieces: the compiler refuses
// everything else.
class Script {
 public:
  Script() = default;
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  Script& operator+=(const Script& more) {
    text_ += more.text_;
    return *this;
  }

 private:
  template <ScriptPart... Parts>
  friend Script script(fmt::format_string<const Parts&...> format, const Parts&... parts);
  explicit Script(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace cotenant

template <>
struct fmt::formatter<cotenant::Script> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const cotenant::Script& script, Context& context) const {
    return fmt::formatter<std::string_view>::format(script.text(), context);
  }
};

namespace cotenant {

template <ScriptPart... Parts>
Script script(fmt::format_string<const Parts&...> format, const Parts&... parts) {
  return Script(fmt::format(format, parts...));
}

// Beyond it gnuplot's arithmetic on ranges may overflow, and no figure means anything.
inline constexpr double most_drawn = 1e30;

// A number as gnuplot reads it; NaN for what is not finite or beyond most_drawn, which it does not draw.
Script script_number(double value);

// "a, b, c"
Script list(std::span<const Script> parts);

// A string literal of this program.
struct Literal {
  consteval Literal(const char* literal) : text(literal) {}
  const char* text;
};

// One picture: the commands behind `set output`, from `set title` to `plot`. The style of the house stands before them.
struct Picture {
  Literal name;  // of the file, without extension
  int width = 1400, height = 800;
  Script commands;
  std::vector<std::string> texts;  // what text() and tic() stand for, by number from 1
};

// Commands, data blocks of numbers, and texts, written together.
class PictureWriter {
 public:
  PictureWriter(Literal name, int width, int height) : picture_{name, width, height, {}, {}} {}

  // One line.
  template <ScriptPart... Parts>
  void add(fmt::format_string<const Parts&...> format, const Parts&... parts) {
    picture_.commands += script<Parts...>(format, parts...);
    picture_.commands += script("\n");
  }
  // A string for gnuplot: one line of printable() text, cut at `most` code points.
  Script text(std::string_view text, size_t most = 60);
  // The same for labels of tics, which gnuplot reads as a printf format.
  Script tic(std::string_view text, size_t most = 28);
  // Defines a data block of rows and returns its name, "$d1".
  Script data(const std::vector<std::vector<double>>& rows);
  Script curve_data(const Curve& curve);
  // `plot` with its parts, separated by commas. Without parts it plots nothing but the axes.
  void plot(std::span<const Script> parts);

  Picture take() { return std::move(picture_); }

 private:
  Script keep(std::string text);

  Picture picture_;
  int blocks_ = 0;
};

// Draws every picture as SVG and as PNG into the directory, which is made; one gnuplot for each format, side by side.
// They draw in a new directory in there; what is complete then replaces files of the same names. Returns the files.
// Throws usage_error when the directory cannot be written or is full, internal_error with gnuplot's own words when it
// refuses a script.
std::vector<std::filesystem::path> draw(std::span<const Picture> pictures, const std::filesystem::path& gnuplot,
                                        const std::filesystem::path& directory);

}  // namespace cotenant
