// Loads the op library, as TensorFlow does, and prints what it says of itself.
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (library == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: load_library FILE");
    return 1;
  }
  const char* (*info)(void) = (const char* (*)(void))dlsym(library, "qstore_build_info");
  const char* (*level)(void) = (const char* (*)(void))dlsym(library, "qstore_simd_level");
  printf("%s; level %s\n", info(), level());
  return 0;
}
