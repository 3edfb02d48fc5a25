/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/memif.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workers/log.h"
#include "workers/runtime.h"

#define INTERRUPT_THREAD "eal-intr-thread" /* as EAL names it */
#define LOOK_US 100
#define LOOKS_MAX 20000 /* two seconds: a worker that hangs in a stage is in no burst */

static const struct weir_runtime *polled;

void weir_memif_guard(const struct weir_runtime *rt)
{
    polled = rt;
}

static bool is_interrupt_thread(void)
{
    char name[16];
    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, INTERRUPT_THREAD) == 0;
}

static bool polls(const struct weir_worker *w)
{
    uint32_t state = weir_word_read(&w->state);
    return state != WEIR_WORKER_STARTING && state != WEIR_WORKER_ENDED;
}

/* Until it has begun its second step from now: it may look at the port before others see that the one before began. */
static bool wait_for(const struct weir_worker *w)
{
    uint64_t begun = weir_counter_read(&w->steps);
    for (int looks = 0; polls(w) && weir_counter_read(&w->steps) < begun + 2; looks++) {
        if (looks == LOOKS_MAX)
            return false;
        usleep(LOOK_US);
    }
    return true;
}

static bool wait_for_all(const struct weir_runtime *rt)
{
    bool all = true;
    usleep(LOOK_US); /* and what the driver wrote before is seen by all */
    for (uint32_t i = 0; i < rt->n_workers; i++)
        all &= wait_for(rt->workers[i]);
    return all;
}

/* ---- in place of libc's ---- */

int munmap(void *at, size_t bytes)
{
    static int (*next)(void *, size_t);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "munmap");
    if (polled != NULL && is_interrupt_thread() && !wait_for_all(polled)) {
        weir_log(WEIR_LOG_WARNING,
            "%zu bytes that DPDK shared with a peer stay mapped: a worker that may use them does not go on",
            bytes);
        return 0;
    }
    return next(at, bytes);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*next)(int, const struct msghdr *, int);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "sendmsg");
    ssize_t sent = next(fd, message, flags);
    bool to_nobody = sent < 0 && (errno == EPIPE || errno == ECONNRESET);
    return to_nobody && is_interrupt_thread() ? (ssize_t)message->msg_iov[0].iov_len : sent;
}
