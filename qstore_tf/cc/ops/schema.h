// The ops as TensorFlow sees them: names, inputs, outputs, attributes, shapes.
#ifndef QSTORE_TF_CC_OPS_SCHEMA_H_
#define QSTORE_TF_CC_OPS_SCHEMA_H_

namespace qstore {

// Registers all ops. Prints to stderr what TensorFlow refuses.
void RegisterOps();

}  // namespace qstore

#endif  // QSTORE_TF_CC_OPS_SCHEMA_H_
