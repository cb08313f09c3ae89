#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cotenant {

// What one JSON object of an OpenAI-compatible server says: a chunk of a stream, or a whole answer.
struct AnswerJson {
  bool is_json = false;   // nothing else is known where it is not
  bool has_text = false;  // of its first choice: some text, reasoning included
  bool has_data = false;  // embeddings: an item
  bool finished = false;  // a choice says why it ended
  bool is_error = false;
  std::string error;                                        // its message, where it is an error
  std::optional<int64_t> prompt_tokens, completion_tokens;  // `usage`
};

// Does not look at what the text is: bytes that are no UTF-8 and halves of surrogate pairs do no harm. Changes `json`.
AnswerJson read_answer(std::string& json);

}  // namespace cotenant
