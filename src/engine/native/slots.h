#pragma once

#include <cstdint>
#include <span>
#include <vector>

// Continuous batching: which request sits in which row of the KV cache, and what the next step does. Requests of
// different lengths join and leave between two steps; a step is one token of every request that generates, and pieces
// of the prompts of those that do not yet, in the order in which they came (Yu et al., Orion, OSDI 2022; prompts in
// pieces: Agrawal et al., Sarathi-Serve, OSDI 2024). Plain code: it knows no device and no clock. What a step will do
// does not depend on the tokens that come out, so that the next one can be planned before this one is over.
namespace cotenant {

struct SlotShape {
  int slots = 0;        // rows of the KV cache for requests
  int seq_len = 1;      // tokens of the longest prompt
  int capacity = 2;     // positions of a row: > seq_len
  int piece = 1;        // tokens of a prompt that go together
  int most_pieces = 1;  // in a step
};

// `chunk_tokens`: of prompts in a step, at most; 0: 512, which fills a GPU and takes little longer than a step without.
SlotShape slot_shape(int slots, int seq_len, int max_new_tokens, int chunk_tokens);

// Where a step reads what, in one array of int32 which the host writes before it.
struct StepLayout {
  explicit StepLayout(const SlotShape& shape)
      : outputs(shape.slots),
        piece_rows(outputs + shape.slots),
        piece_positions(piece_rows + shape.most_pieces),
        piece_tokens(piece_positions + shape.most_pieces * shape.piece),
        size(piece_tokens + shape.most_pieces * shape.piece) {}

  int positions = 0;    // [slots]: of the token that each slot feeds
  int outputs;          // [slots]: the row of the step, slots first and then pieces' tokens, that yields its next token
  int piece_rows;       // [pieces]: of the KV cache
  int piece_positions;  // [pieces * piece]
  int piece_tokens;     // [pieces * piece]: token ids
  int size;
};

struct Step {
  struct Token {
    uint64_t id;  // of the request
    int slot;
    bool last;
  };
  int rows = 0;                // slots that take part, from the first on; free ones among them do no harm
  int pieces = 0;              // 0: nothing but decoding; then only the positions matter
  std::vector<int32_t> input;  // StepLayout
  std::vector<Token> tokens;   // that come out of it
};

class Slots {
 public:
  explicit Slots(const SlotShape& shape);

  bool full() const { return free_ == 0; }
  bool idle() const { return free_ == static_cast<int>(slots_.size()); }  // nothing to plan

  // Into a free slot. `prompt`, at most seq_len tokens, must stay valid until the last token has been planned;
  // new_tokens >= 1.
  void admit(uint64_t id, std::span<const int32_t> prompt, int new_tokens);

  // The next step, as if the ones before were done, into `step`; false: there is nothing to do. Allocates nothing when
  // `step` has been planned into before.
  bool plan(Step& step);

  // Numbers of rows, and of pieces, that steps come in: powers of two and the most.
  static std::vector<int> sizes(int most);

 private:
  struct Slot {
    bool taken = false;
    uint64_t id = 0;
    std::span<const int32_t> prompt;
    int cached = 0;  // tokens whose keys and values are in the KV cache
    int left = 0;    // tokens to come
  };
  void place_pieces(Step& step);
  void place_tokens(Step& step);
  void token_comes(int slot, Step& step);

  const SlotShape shape_;
  const StepLayout layout_;
  const std::vector<int> row_sizes_, piece_sizes_;
  std::vector<Slot> slots_;
  std::vector<int> prompts_;  // slots whose prompts are not through, first come first
  int free_;
};

}  // namespace cotenant
