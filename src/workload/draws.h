#pragma once

#include <cstdint>

// Random numbers that are the same on every machine, compiler and C library: integers are splitmix64's, and what is
// made of them uses nothing that differs (elementary.h). The distributions of the C++ standard library promise no such
// thing.
namespace cotenant {

class Draws {
 public:
  // What is drawn for one purpose does not change with what is drawn for another.
  enum class Purpose : uint64_t { arrivals, prompt_lengths, answer_lengths };

  Draws(uint64_t seed, Purpose purpose);

  uint64_t bits();
  double unit();                                 // in (0, 1], a multiple of 2^-53
  int64_t between(int64_t least, int64_t most);  // each equally likely, both included
  double exponential();                          // of mean 1
  double normal();                               // of mean 0 and deviation 1
  double gamma(double shape);                    // of scale 1: mean and variance are the shape; shape > 0

 private:
  uint64_t state_;
};

}  // namespace cotenant
