#pragma once

#include <cstddef>
#include <vector>

namespace cotenant {

// First in, first out, in memory that is taken once.
template <class T>
class FixedQueue {
 public:
  explicit FixedQueue(size_t capacity) : items_(capacity) {}

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == items_.size(); }
  size_t size() const { return count_; }
  const T& front() const { return items_[first_]; }  // of one that is not empty

  void push(const T& item) {  // to one that is not full
    const size_t at = first_ + count_;
    items_[at < items_.size() ? at : at - items_.size()] = item;
    ++count_;
  }
  void pop() {  // from one that is not empty
    if (++first_ == items_.size()) first_ = 0;
    --count_;
  }

 private:
  std::vector<T> items_;
  size_t first_ = 0, count_ = 0;
};

}  // namespace cotenant
