// From a C++ class to the three functions that TensorFlow wants.
#ifndef QSTORE_TF_CC_KERNELS_KERNEL_H_
#define QSTORE_TF_CC_KERNELS_KERNEL_H_

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "context.h"

namespace qstore {

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void Compute(const Context& context) = 0;  // may throw OpError and std::bad_alloc
};

// Makes the kernel of one op in precision T. Throws OpError where an attribute is wrong.
template <class T>
using MakeKernel = std::unique_ptr<Kernel> (*)(const Attributes& attributes);

// Runs `body`; what it throws becomes the error passed to `fail(ctx, status)`.
template <class Ctx, class Body>
void Guard(Ctx* ctx, void (*fail)(Ctx*, TF_Status*), const Body& body) {
  TF_Code code = TF_INTERNAL;
  std::string message;
  try {
    body();
    return;
  } catch (const OpError& e) {
    code = e.code;
    message = e.what();
  } catch (const std::bad_alloc&) {
    code = TF_RESOURCE_EXHAUSTED;
    message = "out of memory while simulating; use fewer qubits or a smaller batch";
  } catch (const std::exception& e) {
    message = e.what();
  }
  const Status status;
  TF_SetStatus(status.get(), code, message.c_str());
  fail(ctx, status.get());
}

template <MakeKernel<float> MakeFloat, MakeKernel<double> MakeDouble>
void* CreateKernel(TF_OpKernelConstruction* ctx) {
  Kernel* kernel = nullptr;
  Guard(ctx, TF_OpKernelConstruction_Failure, [&] {
    const Attributes attributes(ctx);
    const bool is_double = attributes.Type("T") == TF_DOUBLE;
    if ((attributes.Type("C") == TF_COMPLEX128) != is_double) {
      throw InvalidArgument(
          is_double ? "inputs are float64, so initial_state must be complex128. Received: complex64."
                    : "inputs are float32, so initial_state must be complex64. Received: "
                      "complex128.");
    }
    kernel = (is_double ? MakeDouble(attributes) : MakeFloat(attributes)).release();
  });
  return kernel;
}

inline void ComputeKernel(void* kernel, TF_OpKernelContext* ctx) {
  Guard(ctx, TF_OpKernelContext_Failure,
        [&] { static_cast<Kernel*>(kernel)->Compute(Context(ctx)); });
}

inline void DestroyKernel(void* kernel) { delete static_cast<Kernel*>(kernel); }

// Types are checked in CreateKernel and not by constraints, whose failure would read "no kernel".
template <MakeKernel<float> MakeFloat, MakeKernel<double> MakeDouble>
void RegisterKernel(const char* op) {
  TF_KernelBuilder* builder = TF_NewKernelBuilder(op, "CPU", CreateKernel<MakeFloat, MakeDouble>,
                                                  ComputeKernel, DestroyKernel);
  const Status status;
  TF_RegisterKernelBuilder(op, builder, status.get());
  if (TF_GetCode(status.get()) != TF_OK) {
    std::fprintf(stderr, "qstore_tf: kernel of %s: %s\n", op, TF_Message(status.get()));
  }
}

// One per op, called when the library is loaded.
void RegisterExpectation();
void RegisterState();
void RegisterSample();
void RegisterMetric();

}  // namespace qstore

#endif  // QSTORE_TF_CC_KERNELS_KERNEL_H_
