// Aligned memory that is kept for the next step.
#ifndef QSTORE_TF_CC_LIB_FAST_BUFFER_H_
#define QSTORE_TF_CC_LIB_FAST_BUFFER_H_

#include <cstddef>

namespace qstore {
namespace fast {

// At least `bytes`, aligned to 64 bytes (large ones to huge pages); contents are whatever an
// earlier user left. Throws std::bad_alloc.
void* TakeMemory(size_t bytes);

// Gives memory back; up to 112 MiB in all are kept for reuse, so that steps of circuits of up to 22
// qubits allocate nothing.
void ReturnMemory(void* memory, size_t bytes);

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size)
      : bytes_(size * sizeof(T)), data_(static_cast<T*>(TakeMemory(bytes_))) {}
  Buffer(Buffer&& other) noexcept : bytes_(other.bytes_), data_(other.data_) {
    other.data_ = nullptr;
  }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      if (data_ != nullptr) ReturnMemory(data_, bytes_);
      bytes_ = other.bytes_;
      data_ = other.data_;
      other.data_ = nullptr;
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr) ReturnMemory(data_, bytes_);
  }
  T* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
  T* data_ = nullptr;
};

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_BUFFER_H_
