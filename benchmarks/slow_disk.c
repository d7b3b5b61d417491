// Preloaded into a process, makes each sync to the disk take at least SYNC_MS milliseconds, so that
// stores can be compared for disks that are slower than the one at hand.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char* name, int file) {
    int (*sync_it)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = sync_it(file);
    usleep((useconds_t)(1000 * atof(getenv("SYNC_MS"))));
    return result;
}

int fsync(int file) { return slowly("fsync", file); }
int fdatasync(int file) { return slowly("fdatasync", file); }
