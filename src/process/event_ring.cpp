#include "process/event_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr uint64_t kMagic = 0x32676e6972746f63;  // "cotring2"
constexpr size_t kLineBytes = 64;                // a cache line, so that writer and reader share none
constexpr size_t kWordBytes = sizeof(int64_t);

// Of the record that begins at this word: no number that memory holds by chance.
constexpr uint32_t seal_of(uint64_t at) {
  return static_cast<uint32_t>(((at + 1) * 0x9e3779b97f4a7c15) >> 32);
}

}  // namespace

struct EventRing::Header {
  uint64_t magic = kMagic;
  uint32_t words = 0;
  alignas(kLineBytes) std::atomic<uint64_t> written{0};  // words published so far
  std::atomic<uint64_t> dropped{0};
  alignas(kLineBytes) std::atomic<uint64_t> read{0};  // words taken so far
  alignas(kLineBytes) std::atomic<uint32_t> stop{0};
};

EventRing EventRing::create(uint32_t words) {
  if (!std::has_single_bit(words)) throw internal_error("event ring", "its size must be a power of two");
  SharedMemory memory = SharedMemory::create("cotenant-events", sizeof(Header) + words * kWordBytes);
  auto* header = new (memory.data()) Header;
  header->words = words;
  return EventRing(std::move(memory), words);
}

EventRing EventRing::attach(Fd fd) {
  SharedMemory memory = SharedMemory::attach(std::move(fd));
  if (memory.size() < sizeof(Header)) throw internal_error("event ring", "the shared memory is too small");
  const auto* header = reinterpret_cast<const Header*>(memory.data());
  const uint32_t words = header->words;
  if (header->magic != kMagic || !std::has_single_bit(words) || memory.size() != sizeof(Header) + words * kWordBytes)
    throw internal_error("event ring", "the shared memory is no event ring");
  return EventRing(std::move(memory), words);
}

EventRing::EventRing(SharedMemory memory, uint32_t words)
    : memory_(std::move(memory)),
      capacity_(words),
      words_(reinterpret_cast<int64_t*>(memory_.data() + sizeof(Header))) {}

EventRing::Header& EventRing::header() const {
  return *reinterpret_cast<Header*>(memory_.data());
}

// Copies of at most the ring's length, in two parts where they wrap around.
void EventRing::put(uint64_t at, const void* from, uint64_t count) {
  const uint64_t begin = at & (capacity_ - 1), first = std::min(count, capacity_ - begin);
  std::memcpy(words_ + begin, from, first * kWordBytes);
  std::memcpy(words_, static_cast<const std::byte*>(from) + first * kWordBytes, (count - first) * kWordBytes);
}

void EventRing::get(uint64_t at, void* to, uint64_t count) const {
  const uint64_t begin = at & (capacity_ - 1), first = std::min(count, capacity_ - begin);
  std::memcpy(to, words_ + begin, first * kWordBytes);
  std::memcpy(static_cast<std::byte*>(to) + first * kWordBytes, words_, (count - first) * kWordBytes);
}

bool EventRing::publish(EventSlot event, std::span<const int64_t> token_ns) {
  Header& h = header();
  const uint64_t written = h.written.load(std::memory_order_relaxed);
  const uint64_t free = capacity_ - (written - h.read.load(std::memory_order_acquire));
  if (free < event_words || token_ns.size() > free - event_words) {
    drop();
    return false;
  }
  event.token_count = static_cast<uint32_t>(token_ns.size());
  event.seal = seal_of(written);
  put(written, &event, event_words);
  if (!token_ns.empty()) put(written + event_words, token_ns.data(), token_ns.size());
  h.written.store(written + event_words + token_ns.size(), std::memory_order_release);
  return true;
}

void EventRing::drop() {
  header().dropped.fetch_add(1, std::memory_order_relaxed);
}

// Whatever the other side put there, nothing is read but what it published.
bool EventRing::take(EventSlot& event, std::vector<int64_t>& token_ns) {
  Header& h = header();
  const uint64_t there = h.written.load(std::memory_order_acquire) - taken_;
  if (there == 0 || damaged_) return false;
  damaged_ = there > capacity_ || there < event_words;
  if (damaged_) return false;
  get(taken_, &event, event_words);
  damaged_ = event.seal != seal_of(taken_) || event.token_count > there - event_words;
  if (damaged_) return false;
  token_ns.resize(event.token_count);
  if (!token_ns.empty()) get(taken_ + event_words, token_ns.data(), token_ns.size());
  taken_ += event_words + event.token_count;
  h.read.store(taken_, std::memory_order_release);
  return true;
}

uint64_t EventRing::dropped() const {
  return damaged_ ? 0 : header().dropped.load(std::memory_order_relaxed);
}

void EventRing::request_stop() {
  header().stop.store(1, std::memory_order_relaxed);
}

bool EventRing::stop_requested() const {
  return header().stop.load(std::memory_order_relaxed) != 0;
}

}  // namespace cotenant
