#include "process/event_ring.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr uint64_t kMagic = 0x31676e6972746f63;  // "cotring1"
constexpr size_t kLineBytes = 64;                // a cache line, so that writer and reader share none

}  // namespace

struct EventRing::Header {
  uint64_t magic = kMagic;
  uint32_t events = 0, tokens = 0;
  alignas(kLineBytes) std::atomic<uint64_t> written{0};  // events published so far
  std::atomic<uint64_t> dropped{0};
  alignas(kLineBytes) std::atomic<uint64_t> read{0};  // events taken so far
  std::atomic<uint64_t> tokens_read{0};
  alignas(kLineBytes) std::atomic<uint32_t> stop{0};
};

namespace {

size_t bytes_for(size_t header_bytes, uint64_t events, uint64_t tokens) {
  return header_bytes + events * sizeof(EventSlot) + tokens * sizeof(int64_t);
}

}  // namespace

EventRing EventRing::create(uint32_t events, uint32_t tokens) {
  if (!std::has_single_bit(events) || !std::has_single_bit(tokens))
    throw internal_error("event ring", "sizes must be powers of two");
  SharedMemory memory = SharedMemory::create("cotenant-events", bytes_for(sizeof(Header), events, tokens));
  auto* header = new (memory.data()) Header;
  header->events = events;
  header->tokens = tokens;
  return EventRing(std::move(memory), events, tokens);
}

EventRing EventRing::attach(Fd fd) {
  SharedMemory memory = SharedMemory::attach(std::move(fd));
  if (memory.size() < sizeof(Header)) throw internal_error("event ring", "the shared memory is too small");
  const auto* header = reinterpret_cast<const Header*>(memory.data());
  const uint32_t events = header->events, tokens = header->tokens;
  if (header->magic != kMagic || !std::has_single_bit(events) || !std::has_single_bit(tokens) ||
      memory.size() != bytes_for(sizeof(Header), events, tokens))
    throw internal_error("event ring", "the shared memory is no event ring");
  return EventRing(std::move(memory), events, tokens);
}

EventRing::EventRing(SharedMemory memory, uint32_t events, uint32_t tokens)
    : memory_(std::move(memory)),
      events_(events),
      tokens_(tokens),
      slots_(reinterpret_cast<EventSlot*>(memory_.data() + sizeof(Header))),
      token_ns_(reinterpret_cast<int64_t*>(memory_.data() + sizeof(Header) + events * sizeof(EventSlot))) {}

EventRing::Header& EventRing::header() const {
  return *reinterpret_cast<Header*>(memory_.data());
}

void EventRing::token(int64_t at_ns) {
  const uint64_t at = published_tokens_ + pending_tokens_;
  if (token_lost_ || at - header().tokens_read.load(std::memory_order_acquire) >= tokens_) {
    token_lost_ = true;
    return;
  }
  token_ns_[at & (tokens_ - 1)] = at_ns;
  ++pending_tokens_;
}

bool EventRing::publish(EventSlot event) {
  Header& h = header();
  const uint64_t written = h.written.load(std::memory_order_relaxed);
  const uint64_t pending = std::exchange(pending_tokens_, 0);
  if (std::exchange(token_lost_, false) || written - h.read.load(std::memory_order_acquire) >= events_) {
    h.dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  event.first_token = published_tokens_;
  event.token_count = static_cast<uint32_t>(pending);
  published_tokens_ += pending;
  slots_[written & (events_ - 1)] = event;
  h.written.store(written + 1, std::memory_order_release);
  return true;
}

bool EventRing::take(EventSlot& event, std::vector<int64_t>& token_ns) {
  Header& h = header();
  const uint64_t read = h.read.load(std::memory_order_relaxed);
  if (read == h.written.load(std::memory_order_acquire)) return false;
  event = slots_[read & (events_ - 1)];
  event.token_count = std::min(event.token_count, tokens_);  // whatever the writer put there
  token_ns.clear();
  for (uint64_t i = 0; i < event.token_count; ++i)
    token_ns.push_back(token_ns_[(event.first_token + i) & (tokens_ - 1)]);
  h.tokens_read.store(event.first_token + event.token_count, std::memory_order_release);
  h.read.store(read + 1, std::memory_order_release);
  return true;
}

uint64_t EventRing::dropped() const {
  return header().dropped.load(std::memory_order_relaxed);
}

void EventRing::request_stop() {
  header().stop.store(1, std::memory_order_relaxed);
}

bool EventRing::stop_requested() const {
  return header().stop.load(std::memory_order_relaxed) != 0;
}

}  // namespace cotenant
