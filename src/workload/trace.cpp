#include "workload/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/line_reader.h"
#include "workload/trace_line.h"

namespace cotenant {
namespace {

constexpr double kMostReplayNs = 4e18;

Error no_trace(const std::string& where, const std::string& problem) {
  return usage_error(where, problem,
                     "A trace is CSV whose header names timestamp, input_tokens and output_tokens, or JSONL with these "
                     "keys; the columns of Azure's, BurstGPT's and Mooncake's traces are understood.");
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == line.npos;
}

bool is_compressed(std::string_view line) {
  return line.starts_with("\x1f\x8b") || line.starts_with("\x28\xb5\x2f\xfd") || line.starts_with("PK\x03\x04") ||
         line.starts_with("BZh") ||
         line.starts_with(
             "\xfd"
             "7zXZ");
}

// Reads `line` as the first that is not empty. CSV's is its header, and holds no request.
std::unique_ptr<TraceLines> lines_like(std::string_view line, const std::string& where) {
  if (is_compressed(line)) throw usage_error(where, "is compressed, which is not read", "Unpack it first.");
  try {
    return line[line.find_first_not_of(" \t")] == '{' ? json_trace_lines() : csv_trace_lines(line);
  } catch (const BadTraceLine& bad) {
    throw no_trace(where, bad.problem);
  }
}

void add(Trace& trace, const TraceRequest& request, bool has_answers) {
  if (request.prompt == 0 || (has_answers && request.answer == 0))
    ++trace.left_out;
  else
    trace.requests.push_back(request);
}

Trace read_lines(const std::filesystem::path& file, int64_t limit) {
  LineReader reader(file, Links::followed);  // the user names it, as a model
  Trace trace;
  std::unique_ptr<TraceLines> lines;
  const int64_t most = limit > 0 ? std::min(limit, most_trace_requests) : most_trace_requests;
  while (const auto line = reader.next()) {
    if (is_blank(*line)) continue;
    if (!lines) {
      lines = lines_like(*line, reader.where());
      if ((*line)[line->find_first_not_of(" \t")] != '{') continue;
    }
    if (static_cast<int64_t>(trace.requests.size()) == most) {
      if (limit > 0 && limit <= most_trace_requests) break;
      throw usage_error(file.string(), fmt::format("has more than {} requests", most_trace_requests),
                        "Give a limit, and so many of its first requests are taken.");
    }
    try {
      const TraceRequest request = lines->read(*line);
      add(trace, request, lines->has_answers());
    } catch (const BadTraceLine& bad) {
      throw usage_error(reader.where(), bad.problem, "Mend the line, or take it out.");
    }
  }
  return trace;
}

void put_in_order(std::vector<TraceRequest>& requests, int64_t& out_of_order) {
  int64_t latest_ns = 0;
  for (const TraceRequest& request : requests) {
    if (request.at_ns < latest_ns) ++out_of_order;
    latest_ns = std::max(latest_ns, request.at_ns);
  }
  if (out_of_order > 0) std::ranges::stable_sort(requests, {}, &TraceRequest::at_ns);
}

}  // namespace

Trace read_trace(const std::filesystem::path& file, const TraceOptions& options) {
  if (!(options.speedup > 0 && std::isfinite(options.speedup)))
    throw usage_error(file.string(), fmt::format("expected a speedup above 0, found {:g}", options.speedup));
  Trace trace = read_lines(file, options.limit);
  auto& requests = trace.requests;
  if (requests.empty())
    throw no_trace(file.string(), trace.left_out == 0 ? "has no request" : "has no request with tokens in and out");
  put_in_order(requests, trace.out_of_order);
  const int64_t first_ns = requests.front().at_ns;
  if (!(static_cast<double>(requests.back().at_ns - first_ns) / options.speedup < kMostReplayNs))
    throw usage_error(file.string(), "takes longer than a century to replay", "Give a greater speedup.");
  int64_t before_ns = 0;
  for (TraceRequest& request : requests) {
    request.at_ns = std::llround(static_cast<double>(request.at_ns - first_ns) / options.speedup);
    trace.longest_gap_s = std::max(trace.longest_gap_s, static_cast<double>(request.at_ns - before_ns) * 1e-9);
    before_ns = request.at_ns;
    trace.longest_prompt = std::max(trace.longest_prompt, request.prompt);
    trace.longest_answer = std::max(trace.longest_answer, request.answer);
  }
  return trace;
}

}  // namespace cotenant
