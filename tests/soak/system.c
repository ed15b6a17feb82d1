/* A clock of the day that can be put forward and back while the process runs, and hosts that cannot be found: loaded
 * with LD_PRELOAD.
 *
 * The file that SOAK_SYSTEM names holds two 64-bit integers of this machine: how many seconds the clock is off, and
 * whether no host is found.  The clocks that only run forward are left alone, as they are when an administrator sets the time.  (libfaketime 0.9.10 cannot
 * be used: with those clocks left alone it makes clock_nanosleep fail, and with it every sleep of Python.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static const volatile int64_t *told;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SOAK_SYSTEM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped;

    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
    if (file < 0)
        return;
    mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        told = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed;

    if (!real_clock_gettime)
        begin();
    failed = real_clock_gettime(clock, now);
    if (!failed && told && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += told[0];
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;

    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    if (told && told[1])
        return EAI_AGAIN;
    return real_getaddrinfo(node, service, hints, found);
}
