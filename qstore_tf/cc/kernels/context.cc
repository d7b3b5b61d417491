#include "context.h"

namespace qstore {
namespace {

std::string FormatShape(const std::vector<int64_t>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += dims[i] < 0 ? "batch" : std::to_string(dims[i]);
  }
  return text + "]";
}

}  // namespace

OpError InvalidArgument(const std::string& message) {
  return OpError(TF_INVALID_ARGUMENT, message);
}

void Status::Check() const {
  if (TF_GetCode(status_) != TF_OK) throw OpError(TF_GetCode(status_), TF_Message(status_));
}

void Tensor::Expect(const std::vector<int64_t>& expected, const std::string& because) const {
  std::vector<int64_t> received;
  for (int i = 0; i < rank(); ++i) received.push_back(dim(i));
  bool same = received.size() == expected.size();
  for (size_t i = 0; same && i < expected.size(); ++i) {
    same = expected[i] < 0 || expected[i] == received[i];
  }
  if (same) return;
  throw InvalidArgument(std::string(name_) + " has the wrong shape. Expected: " +
                        FormatShape(expected) + ", because " + because +
                        ". Received: " + FormatShape(received) + ".");
}

std::string Tensor::Text() const {
  Expect({-1}, "it holds the bytes of a text");
  return std::string(data<char>(), static_cast<size_t>(dim(0)));
}

Tensor Context::Input(int i, const char* name) const {
  Status status;
  TF_Tensor* tensor = nullptr;
  TF_GetInput(context_, i, &tensor, status.get());
  status.Check();
  return Tensor(tensor, name);
}

Tensor Context::Allocate(int i, const char* name, TF_DataType type,
                         const std::vector<int64_t>& dims, size_t item) const {
  size_t bytes = item;
  for (int64_t dim : dims) bytes *= static_cast<size_t>(dim);
  Status status;
  TF_Tensor* tensor = TF_AllocateOutput(context_, i, type, dims.data(),
                                        static_cast<int>(dims.size()), bytes, status.get());
  status.Check();
  return Tensor(tensor, name);
}

std::string Attributes::String(const char* name) const {
  Status status;
  int32_t list_size = 0, total_size = 0;
  TF_OpKernelConstruction_GetAttrSize(context_, name, &list_size, &total_size, status.get());
  status.Check();
  std::string value(static_cast<size_t>(total_size), '\0');
  TF_OpKernelConstruction_GetAttrString(context_, name, value.data(), value.size(),
                                        status.get());
  status.Check();
  return value;
}

int64_t Attributes::Int(const char* name) const {
  Status status;
  int64_t value = 0;
  TF_OpKernelConstruction_GetAttrInt64(context_, name, &value, status.get());
  status.Check();
  return value;
}

TF_DataType Attributes::Type(const char* name) const {
  Status status;
  TF_DataType value = TF_FLOAT;
  TF_OpKernelConstruction_GetAttrType(context_, name, &value, status.get());
  status.Check();
  return value;
}

}  // namespace qstore
