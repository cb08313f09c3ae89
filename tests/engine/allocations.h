#pragma once

#include <cstddef>
#include <cstdint>

// Counts what this program takes from the heap: operator new is replaced (allocations.cpp), in builds without
// sanitizers. oneDNN makes small lists of arguments in each call, which are its own affair and are told apart by the
// caller's address; but they too must be given back.
namespace cotenant {

bool allocations_are_counted();

// Counts from its construction on, on all threads.
class AllocationCounter {
 public:
  AllocationCounter();
  size_t count() const;        // calls of operator new, outside oneDNN
  int64_t bytes_kept() const;  // allocated and not freed, oneDNN included

 private:
  size_t count_at_start_;
  int64_t bytes_at_start_;
};

}  // namespace cotenant
