#include "workload/lengths.h"

#include <algorithm>
#include <cmath>

#include "base/overloaded.h"
#include "workload/elementary.h"

namespace cotenant {
namespace {

// The mean of exp(mu + sigma z) is exp(mu + sigma^2 / 2).
double log_median_of(const Length& length) {
  const auto* lognormal = std::get_if<LognormalLength>(&length.law());
  return lognormal ? natural_log(lognormal->mean) - 0.5 * lognormal->sigma * lognormal->sigma : 0;
}

}  // namespace

Lengths::Lengths(const Length& length, uint64_t seed, Draws::Purpose purpose, const Trace* trace,
                 int32_t TraceRequest::*traced)
    : length_(length), draws_(seed, purpose), log_median_(log_median_of(length)), trace_(trace), traced_(traced) {}

int Lengths::next(size_t index) {
  return std::visit(
      Overloaded{
          [](const FixedLength& fixed) { return fixed.tokens; },
          [&](const UniformLength& uniform) { return static_cast<int>(draws_.between(uniform.least, uniform.most)); },
          [&](const LognormalLength& lognormal) {
            const double tokens = exponential(log_median_ + lognormal.sigma * draws_.normal());
            return static_cast<int>(std::round(std::clamp<double>(tokens, lognormal.least, lognormal.most)));
          },
          [&](const TracedLength&) { return static_cast<int>(trace_->requests[index].*traced_); }},
      length_.law());
}

}  // namespace cotenant
