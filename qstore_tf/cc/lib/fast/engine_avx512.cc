#define QSTORE_VECTOR_BYTES 64
#define QSTORE_KERNELS KernelsAvx512
#include "engine.inc.h"
