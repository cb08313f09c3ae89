#pragma once

#include <string_view>

// The files of src/report/assets/, embedded when the program is built (cmake/Embed.cmake).
namespace cotenant::assets {

extern const std::string_view report_html;
extern const std::string_view report_css;
extern const std::string_view chart_js;
extern const std::string_view report_js;

}  // namespace cotenant::assets
