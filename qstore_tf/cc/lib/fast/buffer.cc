#include "buffer.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace qstore {
namespace fast {
namespace {

// What a step of 22 qubits gives back: fresh pages cost more than computing on them.
constexpr size_t kKeep = size_t{112} << 20;
constexpr size_t kHugePage = size_t{2} << 20;

struct Shelf {
  std::mutex mutex;
  std::map<size_t, std::vector<void*>> free;
  size_t kept = 0;
};

// Never destroyed: other threads may still return memory while the process ends.
Shelf& TheShelf() {
  static Shelf* shelf = new Shelf;
  return *shelf;
}

size_t Alignment(size_t bytes) { return bytes >= kHugePage ? kHugePage : 64; }

// Sizes are rounded up so that similar requests share memory and aligned_alloc is content.
size_t Rounded(size_t bytes) {
  const size_t unit = bytes >= kHugePage ? kHugePage : 256;
  if (bytes > SIZE_MAX - unit) throw std::bad_alloc();
  return bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
}

}  // namespace

void* TakeMemory(size_t bytes) {
  const size_t size = Rounded(bytes);
  Shelf& shelf = TheShelf();
  {
    std::lock_guard<std::mutex> lock(shelf.mutex);
    const auto found = shelf.free.find(size);
    if (found != shelf.free.end() && !found->second.empty()) {
      void* memory = found->second.back();
      found->second.pop_back();
      shelf.kept -= size;
      return memory;
    }
  }
  void* memory = std::aligned_alloc(Alignment(size), size);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (size >= kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

void ReturnMemory(void* memory, size_t bytes) {
  const size_t size = Rounded(bytes);
  Shelf& shelf = TheShelf();
  {
    std::lock_guard<std::mutex> lock(shelf.mutex);
    if (shelf.kept + size <= kKeep) {
      shelf.free[size].push_back(memory);
      shelf.kept += size;
      return;
    }
  }
  std::free(memory);
}

}  // namespace fast
}  // namespace qstore
