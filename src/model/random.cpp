#include "model/random.h"

#include <fmt/format.h>

#include <numbers>
#include <string_view>

#include "model/assemble.h"
#include "model/open.h"

namespace cotenant {
namespace {

// FNV-1a, 64 bits (Fowler, Noll, Vo): a fixed hash, so that weights are the same on every machine.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

RandomFill fill_for(const TensorRequest& request, uint64_t seed) {
  const uint64_t key = mix64(mix64(seed) ^ hash_of(request.name));
  switch (request.role) {
    case TensorRole::matrix:
      return {.key = key, .mean = 0, .half_width = 0.02f * std::numbers::sqrt3_v<float>};
    case TensorRole::norm_scale:
      return {.key = key, .mean = 1, .half_width = 0.1f};
    case TensorRole::bias:
      break;
  }
  return {.key = key, .mean = 0, .half_width = 0.02f};
}

}  // namespace

Model random_model(const ModelSpec& spec, uint64_t seed) {
  Model model = assemble(spec, [seed](const TensorRequest& request) {
    return TensorSource{.name = request.name,
                        .dtype = Dtype::f32,
                        .shape = request.shape,
                        .file = nullptr,
                        .fill = fill_for(request, seed)};
  });
  model.name = std::string(to_string(spec.family));
  model.origin = fmt::format("random weights (seed {})", seed);
  return model;
}

}  // namespace cotenant
