#pragma once

#include <array>
#include <cstddef>

// One colour per tenant, the same in every chart of an experiment, told apart with any common colour blindness: the set
// of Okabe and Ito ("Color Universal Design", 2008) without its yellow and black, which vanish on white and on dark
// paper, and with three of Paul Tol's muted set ("Colour Schemes", 2021). The eleventh tenant starts again, dashed.
namespace cotenant {

struct Colour {
  const char* on_light;  // "#0072b2"
  const char* on_dark;
};

constexpr std::array<Colour, 10> tenant_colours = {{
    {"#0072b2", "#56a8e0"},  // blue
    {"#e69f00", "#f0b030"},  // orange
    {"#009e73", "#2fc79b"},  // green
    {"#d55e00", "#f2803a"},  // vermilion
    {"#cc79a7", "#dd93bb"},  // pink
    {"#56b4e9", "#9bd4f5"},  // sky
    {"#882255", "#c0608f"},  // wine
    {"#7f7f1f", "#b5b54e"},  // olive
    {"#332288", "#9388e0"},  // indigo
    {"#6b7178", "#a3aab2"},  // grey
}};

constexpr size_t colour_index(size_t tenant) {
  return tenant % tenant_colours.size();
}

}  // namespace cotenant
