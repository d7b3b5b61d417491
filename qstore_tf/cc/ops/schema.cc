// Common to all ops. Attributes: `program`, the compiled circuit as text (see lib/program.h);
// `num_threads`, 0 for all cores; `T`, `C`, a real type and the complex type of the same precision.
// Inputs: `inputs` T[B, F], one row of encoded values per sample; `theta` T[P], shared; and
// `initial_state` C[B, 2^n], or C[0, 0] where the program starts from |0...0>.
//
// QstoreExpectation      -> expectations T[B, K]: <psi_b| O_k |psi_b>
// QstoreExpectationGrad  -> vector-Jacobian product of the above with `grad` T[B, K]
// QstoreState            -> state C[B, 2^n], qubit 0 the most significant bit of the index
// QstoreStateGrad        -> vector-Jacobian product of the above with `grad` C[B, 2^n]
// QstoreSample           -> samples int64[B, shots]: basis-state indices, drawn with `seed`
// QstoreMetric           -> metric T[P, P]: Fubini-Study metric by theta, mean over the batch
//
// Each has a twin whose name ends in Fed, where the attributes `program` and `observables` are
// inputs uint8[bytes], behind all others; see kernels/run.h for why.
#include "schema.h"

#include <cstdio>
#include <memory>
#include <string>

#include "../tf/c_api.h"

namespace qstore {
namespace {

struct DeleteStatus {
  void operator()(TF_Status* status) const { TF_DeleteStatus(status); }
};
using StatusPtr = std::unique_ptr<TF_Status, DeleteStatus>;

struct DeleteShape {
  void operator()(TF_ShapeHandle* shape) const { TF_DeleteShapeHandle(shape); }
};
using ShapePtr = std::unique_ptr<TF_ShapeHandle, DeleteShape>;

ShapePtr NewShape() { return ShapePtr(TF_NewShapeHandle()); }

// Input i, of the given rank, or null and an error in `status`.
ShapePtr InputOfRank(TF_ShapeInferenceContext* ctx, int i, int rank, TF_Status* status) {
  ShapePtr given = NewShape(), ranked = NewShape();
  TF_ShapeInferenceContextGetInput(ctx, i, given.get(), status);
  if (TF_GetCode(status) != TF_OK) return nullptr;
  TF_ShapeInferenceContextWithRank(ctx, given.get(), rank, ranked.get(), status);
  return TF_GetCode(status) == TF_OK ? std::move(ranked) : nullptr;
}

bool CheckRanks(TF_ShapeInferenceContext* ctx, TF_Status* status) {
  return InputOfRank(ctx, 0, 2, status) && InputOfRank(ctx, 1, 1, status) &&
         InputOfRank(ctx, 2, 2, status);
}

// Output [B, ?]: the C API cannot read the attributes that say how many columns there are, so
// the Python side sets that.
void RowPerSample(TF_ShapeInferenceContext* ctx, TF_Status* status) {
  if (!CheckRanks(ctx, status)) return;
  const ShapePtr inputs = InputOfRank(ctx, 0, 2, status);
  if (inputs == nullptr) return;
  const ShapePtr batch = NewShape(), result = NewShape();
  TF_ShapeInferenceContextSubshape(ctx, inputs.get(), 0, 1, batch.get(), status);
  if (TF_GetCode(status) != TF_OK) return;
  constexpr size_t kUnknownDimension = static_cast<size_t>(-1);
  const ShapePtr columns(TF_ShapeInferenceContextVectorFromSize(ctx, kUnknownDimension));
  TF_ShapeInferenceContextConcatenateShapes(ctx, batch.get(), columns.get(), result.get(),
                                            status);
  if (TF_GetCode(status) != TF_OK) return;
  TF_ShapeInferenceContextSetOutput(ctx, 0, result.get(), status);
}

// Outputs shaped like inputs, theta and initial_state.
void LikeInputs(TF_ShapeInferenceContext* ctx, TF_Status* status) {
  if (InputOfRank(ctx, 3, 2, status) == nullptr) return;
  for (int i = 0; i < 3; ++i) {
    const ShapePtr shape = InputOfRank(ctx, i, i == 1 ? 1 : 2, status);
    if (shape == nullptr) return;
    TF_ShapeInferenceContextSetOutput(ctx, i, shape.get(), status);
    if (TF_GetCode(status) != TF_OK) return;
  }
}

// Output [P, P] for theta [P].
void SquareOfTheta(TF_ShapeInferenceContext* ctx, TF_Status* status) {
  if (!CheckRanks(ctx, status)) return;
  const ShapePtr theta = InputOfRank(ctx, 1, 1, status);
  if (theta == nullptr) return;
  const ShapePtr result = NewShape();
  TF_ShapeInferenceContextConcatenateShapes(ctx, theta.get(), theta.get(), result.get(), status);
  if (TF_GetCode(status) != TF_OK) return;
  TF_ShapeInferenceContextSetOutput(ctx, 0, result.get(), status);
}

class Op {
 public:
  Op(const char* name, bool fed)
      : name_(fed ? std::string(name) + "Fed" : name),
        fed_(fed),
        builder_(TF_NewOpDefinitionBuilder(name_.c_str())) {
    Input("inputs: T").Input("theta: T").Input("initial_state: C");
    Attr("T: {float, double}").Attr("C: {complex64, complex128}");
    Attr("num_threads: int >= 0 = 0");
  }

  // To be called behind all inputs.
  Op& Program() { return fed_ ? Input("program: uint8") : Attr("program: string"); }
  Op& Observables() { return fed_ ? Input("observables: uint8") : Attr("observables: string"); }

  Op& Input(const char* spec) {
    TF_OpDefinitionBuilderAddInput(builder_, spec);
    return *this;
  }

  Op& Output(const char* spec) {
    TF_OpDefinitionBuilderAddOutput(builder_, spec);
    return *this;
  }

  Op& Attr(const char* spec) {
    TF_OpDefinitionBuilderAddAttr(builder_, spec);
    return *this;
  }

  Op& Gradients() {
    return Output("d_inputs: T").Output("d_theta: T").Output("d_initial_state: C");
  }

  void Register(void (*shape)(TF_ShapeInferenceContext*, TF_Status*)) {
    TF_OpDefinitionBuilderSetShapeInferenceFunction(builder_, shape);
    const StatusPtr status(TF_NewStatus());
    TF_RegisterOpDefinition(builder_, status.get());
    if (TF_GetCode(status.get()) != TF_OK) {
      std::fprintf(stderr, "qstore_tf: op %s: %s\n", name_.c_str(), TF_Message(status.get()));
    }
  }

 private:
  const std::string name_;
  const bool fed_;
  TF_OpDefinitionBuilder* builder_;  // registering consumes it
};

}  // namespace

void RegisterOps() {
  for (const bool fed : {false, true}) {
    Op("QstoreExpectation", fed)
        .Program()
        .Observables()
        .Output("expectations: T")
        .Register(RowPerSample);
    Op("QstoreExpectationGrad", fed)
        .Input("grad: T")
        .Program()
        .Observables()
        .Gradients()
        .Register(LikeInputs);
    Op("QstoreState", fed).Program().Output("state: C").Register(RowPerSample);
    Op("QstoreStateGrad", fed).Input("grad: C").Program().Gradients().Register(LikeInputs);
    Op("QstoreSample", fed)
        .Input("seed: int64")
        .Program()
        .Attr("shots: int >= 1")
        .Output("samples: int64")
        .Register(RowPerSample);
    Op("QstoreMetric", fed).Program().Output("metric: T").Register(SquareOfTheta);
  }
}

}  // namespace qstore
