#define QSTORE_VECTOR_BYTES 16
#define QSTORE_KERNELS KernelsBase
#include "engine.inc.h"
