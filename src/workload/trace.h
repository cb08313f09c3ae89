#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

// When requests came to a service that was in use, and how long they were.
namespace cotenant {

struct TraceRequest {
  int64_t at_ns = 0;               // from the first one's instant
  int32_t prompt = 0, answer = 0;  // tokens
};

struct Trace {
  std::vector<TraceRequest> requests;  // in the order of their instants
  int32_t longest_prompt = 0, longest_answer = 0;
  double longest_gap_s = 0;
  int64_t out_of_order = 0;  // requests that came before an earlier line's, and were put in their place
  int64_t left_out = 0;      // without a token in or, where answers are given, out: they were refused or failed
};

struct TraceOptions {
  double speedup = 1;  // gaps are divided by it
  int64_t limit = 0;   // so many of the file's first requests; 0: all
};

// The most requests of a trace: 512 MiB of memory.
inline constexpr int64_t most_trace_requests = int64_t{1} << 25;

// Reads CSV with a header line, or JSONL, whichever the first line is. Columns and keys are known by their names, in
// capitals or not, with spaces, underscores or neither; others are passed over.
//
//   instant   timestamp, timestamp_s, timestamp_ms, timestamp_ns
//   prompt    input_tokens, input_length, prompt_tokens, ContextTokens, Request tokens
//   answer    output_tokens, output_length, completion_tokens, GeneratedTokens, Response tokens; none at all: forward
//             passes
//
// which covers the public traces of Azure (2023 and 2024,
// https://github.com/Azure/AzurePublicDataset: dates with a fraction of a second), BurstGPT
// (https://github.com/HPMLL/BurstGPT: seconds), and Mooncake (https://github.com/kvcache-ai/Mooncake: JSONL,
// milliseconds). A plain `timestamp` is a date, or seconds, or beside input_length or output_length milliseconds. From
// CSV instants are exact to the nanosecond, from numbers in JSON as a double is.
//
// Requests are sorted by their instants, as one does with a log that several processes wrote; equal ones keep the order
// of the file. A byte order mark, Windows line ends and empty lines are no matter. Memory: 16 bytes a request, and for
// a moment three times that.
//
// Throws usage_error with the line for what is missing, negative, no number, or longer than most_tokens_of_sequence;
// and for a compressed file, which is not unpacked. Throws as InputFile does.
Trace read_trace(const std::filesystem::path& file, const TraceOptions& options);

}  // namespace cotenant
