#include "engine/native/slots.h"

#include <algorithm>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr int kPiece = 64;         // the tile of prompts' attention
constexpr int kChunkTokens = 512;  // of a step, unless the user says otherwise

int round_up(const std::vector<int>& sizes, int count) {
  return *std::ranges::lower_bound(sizes, count);
}

}  // namespace

SlotShape slot_shape(int slots, int seq_len, int max_new_tokens, int chunk_tokens) {
  const int chunk = chunk_tokens > 0 ? chunk_tokens : kChunkTokens;
  const int piece = std::min({kPiece, seq_len, chunk});
  const int pieces_of_all = slots * ((seq_len + piece - 1) / piece);
  return {.slots = slots,
          .seq_len = seq_len,
          .capacity = seq_len + max_new_tokens,
          .piece = piece,
          .most_pieces = std::min(chunk / piece, pieces_of_all)};
}

std::vector<int> Slots::sizes(int most) {
  std::vector<int> sizes;
  for (int size = 1; size < most; size *= 2) sizes.push_back(size);
  sizes.push_back(most);
  return sizes;
}

Slots::Slots(const SlotShape& shape)
    : shape_(shape),
      layout_(shape),
      row_sizes_(sizes(shape.slots)),
      piece_sizes_(sizes(shape.most_pieces)),
      slots_(static_cast<size_t>(shape.slots)),
      free_(shape.slots) {
  prompts_.reserve(slots_.size());
}

void Slots::admit(uint64_t id, std::span<const int32_t> prompt, int new_tokens) {
  const auto free = std::ranges::find_if(slots_, [](const Slot& slot) { return !slot.taken; });
  const bool fits = !prompt.empty() && std::ssize(prompt) <= shape_.seq_len && new_tokens >= 1 &&
                    std::ssize(prompt) + new_tokens <= shape_.capacity;
  if (free == slots_.end() || !fits) throw internal_error("Slots::admit", "there is no room for the request");
  *free = {.taken = true, .id = id, .prompt = prompt, .cached = 0, .left = new_tokens};
  prompts_.push_back(static_cast<int>(free - slots_.begin()));
  --free_;
}

bool Slots::plan(Step& step) {
  step.tokens.clear();
  step.pieces = 0;
  if (idle()) return false;
  step.input.resize(static_cast<size_t>(layout_.size));
  place_tokens(step);
  place_pieces(step);
  for (Slot& slot : slots_) {
    if (!slot.taken || slot.left > 0) continue;
    slot.taken = false;
    ++free_;
  }
  return true;
}

void Slots::token_comes(int slot, Step& step) {
  Slot& of = slots_[static_cast<size_t>(slot)];
  --of.left;
  step.tokens.push_back({.id = of.id, .slot = slot, .last = of.left == 0});
}

// Every slot feeds its last token. One that is free does so at position 0, which its next request writes first. Of one
// whose prompt is not through see below.
void Slots::place_tokens(Step& step) {
  int last = 0;
  for (int s = 0; s < shape_.slots; ++s) {
    Slot& slot = slots_[static_cast<size_t>(s)];
    const bool generates = slot.taken && slot.cached >= std::ssize(slot.prompt);
    step.input[static_cast<size_t>(layout_.positions + s)] = generates ? slot.cached : 0;
    step.input[static_cast<size_t>(layout_.outputs + s)] = s;
    if (slot.taken) last = s;
    if (!generates) continue;
    ++slot.cached;
    token_comes(s, step);
  }
  step.rows = round_up(row_sizes_, last + 1);
}

// The row of a slot whose prompt is not through feeds something, too: at the position behind what is through, which is
// written again before anything reads it.
void Slots::place_pieces(Step& step) {
  if (prompts_.empty()) return;
  int32_t* const input = step.input.data();
  int count = 0;
  while (count < shape_.most_pieces && !prompts_.empty()) {
    const int s = prompts_.front();
    Slot& slot = slots_[static_cast<size_t>(s)];
    const int length = static_cast<int>(slot.prompt.size()), begin = slot.cached;
    slot.cached = std::min(length, begin + shape_.piece);
    input[layout_.piece_rows + count] = s;
    for (int i = 0; i < shape_.piece; ++i) {
      const int at = count * shape_.piece + i, position = begin + i;
      input[layout_.piece_positions + at] = std::min(position, shape_.capacity - 1);  // never one of a prompt's
      input[layout_.piece_tokens + at] = position < length ? slot.prompt[static_cast<size_t>(position)] : 0;
    }
    input[layout_.positions + s] = slot.cached;
    if (slot.cached == length) {
      input[layout_.outputs + s] = shape_.slots + count * shape_.piece + length - 1 - begin;
      token_comes(s, step);
      prompts_.erase(prompts_.begin());
    }
    ++count;
  }
  step.rows = shape_.slots;
  step.pieces = round_up(piece_sizes_, count);
  // What is left over goes into a row of the cache that is nobody's.
  for (; count < step.pieces; ++count) {
    input[layout_.piece_rows + count] = shape_.slots;
    for (int i = 0; i < shape_.piece; ++i) {
      input[layout_.piece_positions + count * shape_.piece + i] = i;
      input[layout_.piece_tokens + count * shape_.piece + i] = 0;
    }
  }
}

}  // namespace cotenant
