#include "worker/in_flight.h"

#include <algorithm>

#include "base/error.h"

namespace cotenant {

InFlight::InFlight(int capacity, int most_tokens)
    : most_tokens_(static_cast<size_t>(std::max(0, most_tokens))),
      entries_(static_cast<size_t>(std::max(1, capacity))) {
  token_ns_.resize(entries_.size() * most_tokens_);
  for (size_t place = entries_.size(); place-- > 0;) free_.push_back(static_cast<uint32_t>(place));
}

bool InFlight::submit(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, int64_t scheduled_ns,
                      int64_t sent_ns) {
  const uint32_t place = free_.back();
  const auto prompt = ids.first(std::min(ids.size(), static_cast<size_t>(request.tokens_in())));
  const bool taken = engine.submit({.id = place,
                                    .iter = request.iter,
                                    .tokens = prompt,
                                    .rows = request.rows,
                                    .seq_len = request.seq_len,
                                    .max_new_tokens = request.max_new_tokens,
                                    .scheduled_ns = scheduled_ns});
  if (!taken) return false;
  free_.pop_back();
  entries_[place] = {.event = {.iter = request.iter,
                               .scheduled_ns = scheduled_ns,
                               .start_ns = sent_ns,
                               .tokens_in = request.tokens_in()},
                     .in_use = true};
  return true;
}

InFlight::Entry& InFlight::entry_of(uint64_t id) {
  if (id >= entries_.size() || !entries_[id].in_use)
    throw internal_error("engine", "it reported a request that it does not have");
  return entries_[id];
}

const InFlight::Ended* InFlight::note(const Progress& progress) {
  Entry& entry = entry_of(progress.id);
  int64_t* const times = token_ns_.data() + progress.id * most_tokens_;
  switch (progress.status) {
    case Status::started:
      return nullptr;
    case Status::waited:
      entry.event.start_ns = progress.at_ns;
      return nullptr;
    case Status::token:
      entry.event.tokens_out += progress.count;
      if (progress.row == 0)
        for (int32_t i = 0; i < progress.count; ++i, ++entry.tokens)
          if (entry.tokens < most_tokens_) times[entry.tokens] = progress.at_ns;
      return nullptr;
    case Status::done:
      entry.event.status = EventSlot::ok;
      break;
    case Status::rejected:
      entry.event.status = EventSlot::rejected;
      break;
    case Status::failed:
      entry.event.status = EventSlot::failed;
      break;
  }
  entry.event.fault = static_cast<uint16_t>(progress.fault);
  if (progress.tokens_in >= 0) entry.event.tokens_in = progress.tokens_in;
  if (progress.tokens_out >= 0) entry.event.tokens_out = progress.tokens_out;
  entry.event.end_ns = progress.at_ns;
  entry.event.gpu_ms = progress.gpu_ms;
  entry.in_use = false;
  free_.push_back(static_cast<uint32_t>(progress.id));
  ended_ = {.event = entry.event,
            .token_ns = {times, std::min(entry.tokens, most_tokens_)},
            .tokens_lost = entry.tokens > most_tokens_};
  return &ended_;
}

}  // namespace cotenant
