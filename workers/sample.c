/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/sample.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rings/atomic.h"
#include "workers/runtime.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SIGNAL SIGRTMIN   /* of the kind that queues: the last one comes last */
#define LAST 1            /* in the address of the samples: no more will come */
#define OWN_FRAMES 2      /* the handler, and what returns from it */
#define SAMPLES_BESIDES 8 /* of a look, and of timers that are early */

static pid_t self;

/* ---- the worker's part ---- */

static inline __attribute__((always_inline)) void take(
    const siginfo_t *about) /* one of OWN_FRAMES with its caller */
{
    uintptr_t value = (uintptr_t)about->si_value.sival_ptr;
    struct weir_samples *to = (struct weir_samples *)(value & ~(uintptr_t)LAST);
    bool timer = about->si_code == SI_TIMER;
    if (!timer && (about->si_code != SI_QUEUE || about->si_pid != self))
        return; /* another program's */
    weir_unseen_acquire(to->words);
    if (value & LAST) {
        weir_word_publish(&to->done, 1);
        return;
    }
    uint32_t used = to->used.value;
    void *frames[OWN_FRAMES + WEIR_SAMPLE_DEPTH];
    int n = backtrace(frames, OWN_FRAMES + WEIR_SAMPLE_DEPTH) - OWN_FRAMES;
    if (n <= 0 || used + 2 + (uint32_t)n > to->size)
        return;
    to->words[used] = timer ? 1 + (uintptr_t)about->si_overrun : 1;
    to->words[used + 1] = (uintptr_t)n;
    memcpy(&to->words[used + 2], frames + OWN_FRAMES, (size_t)n * sizeof frames[0]);
    weir_word_publish(&to->used, used + 2 + (uint32_t)n);
}

static void handle(int, siginfo_t *about, void *)
{
    int error = errno; /* of whatever it interrupts */
    take(about);
    errno = error;
}

/* ---- of who asks ---- */

/* It stays: a signal that is late would end the process otherwise. */
static void install(void)
{
    void *frame[1];
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    self = getpid();
    backtrace(frame, 1); /* the first call loads a library: not in a handler */
    sigfillset(&action.sa_mask);
    sigaction(SIGNAL, &action, NULL);
}

static int call(struct weir_samples *to, uintptr_t last)
{
    union sigval value = {.sival_ptr = (void *)((uintptr_t)to | last)};
    return pthread_sigqueue(to->worker->thread, SIGNAL, value);
}

static int start_timer(struct weir_samples *to)
{
    const struct itimerspec every = {{.tv_nsec = WEIR_SAMPLE_NS}, {.tv_nsec = WEIR_SAMPLE_NS}};
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL, .sigev_value.sival_ptr = to};
    event.sigev_notify_thread_id = to->worker->tid;
    clockid_t clock;
    int error = pthread_getcpuclockid(to->worker->thread, &clock);
    if (error != 0)
        return error;
    timer_t timer;
    if (timer_create(clock, &event, &timer) != 0)
        return errno;
    to->timer = timer;
    to->timed = true;
    return timer_settime(timer, 0, &every, NULL) == 0 ? 0 : errno;
}

static int start(struct weir_sampling *s, const struct weir_worker *w, uint32_t seconds)
{
    uint32_t samples = seconds * (1000000000 / WEIR_SAMPLE_NS) + SAMPLES_BESIDES;
    size_t words = (size_t)samples * (2 + WEIR_SAMPLE_DEPTH);
    struct weir_samples *to = malloc(sizeof *to + words * sizeof to->words[0]);
    if (to == NULL)
        return ENOMEM;
    memset(to, 0, sizeof *to + words * sizeof to->words[0]); /* all of its pages: the worker waits for none */
    to->worker = w;
    to->size = (uint32_t)words;
    s->of[s->n++] = to;
    weir_unseen_release(to->words); /* a signal carries it over */
    return seconds != 0 ? start_timer(to) : call(to, 0);
}

struct weir_sampling *weir_sampling_start(const struct weir_runtime *rt, const char *pool, uint32_t seconds)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weir_sampling *s = calloc(1, sizeof *s + rt->n_workers * sizeof s->of[0]);
    int error = s == NULL ? ENOMEM : 0;
    pthread_once(&once, install);
    for (uint32_t i = 0; error == 0 && i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        bool asked = pool == NULL || strcmp(rt->pools[w->pool].config->name, pool) == 0;
        if (asked && weir_word_read(&w->state) != WEIR_WORKER_STARTING && !weir_worker_ended(w))
            error = start(s, w, seconds);
    }
    if (error == 0 && s->n == 0)
        error = ENOENT;
    if (error == 0)
        return s;
    if (s != NULL)
        weir_sampling_end(s, 0);
    weir_sampling_free(s);
    errno = error;
    return NULL;
}

void weir_sampling_end(struct weir_sampling *s, int wait_ms)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->of[i]->timed)
            timer_delete(s->of[i]->timer);
        call(s->of[i], LAST);
    }
    uint32_t done = 0;
    for (int waited = 0; waited < wait_ms && done < s->n; waited++) {
        for (done = 0; done < s->n && weir_word_read(&s->of[done]->done) != 0;)
            done++;
        if (done < s->n)
            nanosleep(&millisecond, NULL);
    }
}

/* Where a worker that did not come may still write is left behind until it has come. */
void weir_sampling_free(struct weir_sampling *s)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct weir_samples *left;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; s != NULL && i < s->n; i++) {
        s->of[i]->next = left;
        left = s->of[i];
    }
    for (struct weir_samples **at = &left; *at != NULL;) {
        struct weir_samples *one = *at;
        if (weir_word_read(&one->done) == 0) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        free(one);
    }
    pthread_mutex_unlock(&lock);
    free(s);
}
