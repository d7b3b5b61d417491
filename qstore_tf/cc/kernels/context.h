// TensorFlow's kernel API with owners, names and exceptions. Exceptions stay inside: the functions
// handed to TensorFlow (see kernel.h) turn them into a status.
#ifndef QSTORE_TF_CC_KERNELS_CONTEXT_H_
#define QSTORE_TF_CC_KERNELS_CONTEXT_H_

#include <complex>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../tf/c_api.h"

namespace qstore {

// What a kernel throws to fail with a code and a message.
class OpError : public std::runtime_error {
 public:
  OpError(TF_Code c, const std::string& message) : std::runtime_error(message), code(c) {}
  const TF_Code code;
};

OpError InvalidArgument(const std::string& message);

class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  TF_Status* get() const { return status_; }
  void Check() const;  // throws OpError unless OK

 private:
  TF_Status* status_;
};

template <class T>
constexpr TF_DataType kDataType = TF_FLOAT;
template <>
inline constexpr TF_DataType kDataType<double> = TF_DOUBLE;
template <>
inline constexpr TF_DataType kDataType<std::complex<float>> = TF_COMPLEX64;
template <>
inline constexpr TF_DataType kDataType<std::complex<double>> = TF_COMPLEX128;
template <>
inline constexpr TF_DataType kDataType<int64_t> = TF_INT64;

// A tensor of a running op, with the name that errors call it by.
class Tensor {
 public:
  Tensor(TF_Tensor* tensor, const char* name) : tensor_(tensor), name_(name) {}

  template <class T>
  T* data() const {
    return static_cast<T*>(TF_TensorData(tensor_.get()));
  }
  // The bytes of a tensor of uint8, which must be a vector.
  std::string Text() const;
  int rank() const { return TF_NumDims(tensor_.get()); }
  int64_t dim(int i) const { return TF_Dim(tensor_.get(), i); }

  // Throws InvalidArgument unless the shape is `expected`; -1 stands for any size. `because` ends
  // the message: where the expected shape comes from.
  void Expect(const std::vector<int64_t>& expected, const std::string& because) const;

 private:
  struct Delete {
    void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
  };
  std::unique_ptr<TF_Tensor, Delete> tensor_;
  const char* name_;
};

// One run of an op.
class Context {
 public:
  explicit Context(TF_OpKernelContext* context) : context_(context) {}
  Tensor Input(int i, const char* name) const;

  template <class T>
  Tensor Output(int i, const char* name, const std::vector<int64_t>& dims) const {
    return Allocate(i, name, kDataType<T>, dims, sizeof(T));
  }

 private:
  Tensor Allocate(int i, const char* name, TF_DataType type, const std::vector<int64_t>& dims,
                  size_t item) const;
  TF_OpKernelContext* context_;
};

// The attributes of an op that is being built.
class Attributes {
 public:
  explicit Attributes(TF_OpKernelConstruction* context) : context_(context) {}
  std::string String(const char* name) const;
  int64_t Int(const char* name) const;
  TF_DataType Type(const char* name) const;

 private:
  TF_OpKernelConstruction* context_;
};

}  // namespace qstore

#endif  // QSTORE_TF_CC_KERNELS_CONTEXT_H_
