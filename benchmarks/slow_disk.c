// Preloaded into a process, makes each sync to the disk take SYNC_MS milliseconds longer, so that
// stores can be compared for disks that are slower than the one at hand.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char* name, int file) {
    int (*sync_it)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = sync_it(file), error = errno;
    const char* milliseconds = getenv("SYNC_MS");
    usleep((useconds_t)(1000 * atof(milliseconds ? milliseconds : "0")));
    errno = error;
    return result;
}

int fsync(int file) { return slowly("fsync", file); }
int fdatasync(int file) { return slowly("fdatasync", file); }
