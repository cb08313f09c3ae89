#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/charts.h"

// Scripts for gnuplot, and their running. Every text from the files goes through gnuplot_text() or tic_text(), so that
// a name is never read as a command, a format or markup (the terminals are set to noenhanced).
namespace cotenant {

// 'it''s': a gnuplot string. Control characters become spaces, and more than `most` code points are cut with "…".
std::string gnuplot_text(std::string_view text, size_t most = 60);

// As gnuplot_text(), for labels of tics, which gnuplot also reads as a printf format.
std::string tic_text(std::string_view text, size_t most = 28);

// A number as gnuplot reads it; NaN for what is not finite, which it does not draw.
std::string gnuplot_number(double value);

// One picture: the commands behind `set output`, from `set title` to `plot`. The style of the house (gnuplot_style)
// stands before it.
struct Picture {
  std::string name;  // of the file, without extension
  int width = 1400, height = 800;
  std::string commands;
};

// Named data blocks and the commands that plot them, written together.
class PictureWriter {
 public:
  PictureWriter(std::string name, int width, int height) : picture_{std::move(name), width, height, {}} {}

  void add(std::string_view command);  // one line
  // Defines a data block of rows and returns its name, "$d1".
  std::string data(const std::vector<std::vector<double>>& rows);
  std::string curve_data(const Curve& curve);
  // `plot` with its parts, separated by commas. Without parts it plots nothing but the axes.
  void plot(const std::vector<std::string>& parts);

  Picture take() { return std::move(picture_); }

 private:
  Picture picture_;
  int blocks_ = 0;
};

// Draws every picture as SVG and as PNG into the directory, which is made; one gnuplot for each format, side by side.
// Returns the files. Throws usage_error when the directory cannot be written or is full, internal_error with gnuplot's
// own words when it refuses a script.
std::vector<std::filesystem::path> draw(std::span<const Picture> pictures, const std::filesystem::path& gnuplot,
                                        const std::filesystem::path& directory);

}  // namespace cotenant
