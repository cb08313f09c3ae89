#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/engine.h"
#include "model/model.h"

// Short marks by which two runs show that they worked on the same numbers: 16 hexadecimal digits of a 64-bit hash
// (splitmix64's finaliser, chained), the same on every machine. No protection against intent.
namespace cotenant {

// Of every tensor's name and shape, and of up to 1024 of its values, in 16 pieces from its first to its last.
std::string fingerprint(const Model& model);

std::string fingerprint(std::span<const int32_t> tokens);

// Runs one request and marks the tokens that it generates, row by row in the order in which they come.
std::string fingerprint_of_answer(Engine& engine, const Request& request);

}  // namespace cotenant
