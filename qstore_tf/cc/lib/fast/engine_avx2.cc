#define QSTORE_VECTOR_BYTES 32
#define QSTORE_KERNELS KernelsAvx2
#include "engine.inc.h"
