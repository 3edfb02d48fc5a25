/* SPDX-License-Identifier: BSD-3-Clause */
/* Start, look after, drain, stop. */
#include "workers/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "workers/log.h"
#include "workers/round_trip.h"

#define STUCK_AFTER_S 1     /* of its own CPU time in one step: the log names the worker */
#define OFF_CPU_AFTER_S 1   /* it had no CPU for so long: the same, but nothing is wrong with it */
#define STUCK_OFF_CPU_S 10  /* unless it goes on: a page that does not come, a debugger */
#define DISCARD_WAIT_MS 500 /* for live workers to drop what they hold; twice */

/* ---- start ---- */

static enum weir_failure start_ports(struct weir_runtime *rt)
{
    for (; rt->n_started < rt->n_ports; rt->n_started++) {
        struct weir_port *port = &rt->ports[rt->n_started];
        if (port->closed)
            continue;
        unsigned before = rte_mempool_avail_count(rt->mempool);
        int result = port->def->start(port, rte_rdtsc());
        if (port->warning[0] != '\0')
            weir_log(WEIR_LOG_WARNING, "port %s", port->warning);
        port->warning[0] = '\0';
        if (result == -ENXIO) {
            weir_port_await(port);
            continue;
        }
        if (result != 0) {
            weir_log(WEIR_LOG_ERROR, "port %s: %s", port->name, port->error);
            return result == -EPERM || result == -EACCES ? WEIR_FAILED_PERMISSION : WEIR_FAILED_PORT;
        }
        unsigned after = rte_mempool_avail_count(rt->mempool);
        port->taken += before > after ? before - after : 0;
    }
    return WEIR_FINE;
}

static void enter(struct weir_worker *w)
{
    w->thread = pthread_self();
    w->tid = gettid();
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else the kernel adds 50 us to each sleep */
    weir_worker_run(w);
}

/* A function for each lcore, so that profiles and debuggers tell one worker from the other: the outermost of its stack. What
 * it returns keeps the compiler from making one of them all. */
/* clang-format off */
#define ONE(n) static int worker_on_lcore_##n(void *worker) { enter(worker); return n; }
#define TEN(to, t) to(t##0) to(t##1) to(t##2) to(t##3) to(t##4) to(t##5) to(t##6) to(t##7) to(t##8) to(t##9)
#define ALL(to) TEN(to,) TEN(to, 1) TEN(to, 2) TEN(to, 3) TEN(to, 4) TEN(to, 5) TEN(to, 6) TEN(to, 7) TEN(to, 8) \
    TEN(to, 9) TEN(to, 10) TEN(to, 11) TEN(to, 12)
#define NAME(n) worker_on_lcore_##n,
ALL(ONE)
static lcore_function_t *const entries[] = {ALL(NAME)};
/* clang-format on */
static_assert(sizeof entries / sizeof entries[0] >= RTE_MAX_LCORE, "one for each");

lcore_function_t *weir_worker_entry(uint32_t lcore)
{
    return entries[lcore];
}

static enum weir_failure launch_workers(struct weir_runtime *rt)
{
    for (; rt->n_launched < rt->n_workers; rt->n_launched++) {
        struct weir_worker *w = rt->workers[rt->n_launched];
        rt->seen[rt->n_launched].tsc = rt->start_tsc;
        w->closed_ports = rt->closed_ports;
        w->env.mute_ports = rt->closed_ports | rt->mute_ports;
        int result = rte_eal_remote_launch(weir_worker_entry(w->lcore), w, w->lcore);
        if (result != 0) {
            weir_log(WEIR_LOG_ERROR, "worker %u does not start on lcore %u: %s", rt->n_launched, w->lcore,
                strerror(-result));
            return WEIR_FAILED_OS;
        }
    }
    return WEIR_FINE;
}

enum weir_failure weir_runtime_start(struct weir_runtime *rt)
{
    weir_round_trips(rt);
    pthread_mutex_lock(&rt->life);
    enum weir_failure failed = start_ports(rt);
    if (failed == WEIR_FINE) {
        rt->start_tsc = rte_rdtsc();
        weir_ports_start(rt);
    }
    pthread_mutex_unlock(&rt->life);
    if (failed != WEIR_FINE)
        return failed;
    failed = launch_workers(rt);
    if (failed != WEIR_FINE && weir_runtime_discard(rt, NULL))
        weir_runtime_finish(rt);
    return failed;
}

/* ---- look after ---- */

/* 0 in the simulator, whose workers are no threads. */
static uint64_t cpu_ns(const struct weir_worker *w)
{
    struct timespec t = {.tv_sec = 0};
    clockid_t clock;
    if (w->tid != 0 && pthread_getcpuclockid(w->thread, &clock) == 0)
        clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* It has not come back from its step. Is it the stage that holds it, or has the kernel given its CPU to something else? */
static void suspect(
    struct weir_runtime *rt, const struct weir_worker *w, struct weir_worker_watch *seen, uint64_t now_tsc)
{
    const char *pool = rt->pools[w->pool].config->name;
    uint64_t held = weir_counter_read(&w->held), ran_ns = cpu_ns(w);
    double stands_s = (double)(now_tsc - seen->tsc) / (double)rt->tsc_hz;
    if (!seen->suspected) {
        seen->suspected = true;
        seen->cpu_ns = ran_ns;
    }
    double ran_s = (double)(ran_ns - seen->cpu_ns) * 1e-9;
    if (!seen->stuck && (ran_s > STUCK_AFTER_S || stands_s > STUCK_OFF_CPU_S)) {
        seen->stuck = true;
        weir_log(WEIR_LOG_WARNING,
            "worker %u of %s (cpu %u) has not come back from a stage for %.0f s, holding %lu packets",
            w->index, pool, w->cpu, stands_s, (unsigned long)held);
    }
    bool off = stands_s > OFF_CPU_AFTER_S && ran_s < 0.1 * stands_s;
    if (off && !seen->off_cpu)
        weir_log(WEIR_LOG_NOTICE,
            "worker %u of %s has had no time on cpu %u for %.0f s: something else has it; it holds %lu "
            "packets",
            w->index, pool, w->cpu, stands_s, (unsigned long)held);
    seen->off_cpu = off;
}

static void watch(struct weir_runtime *rt, uint32_t i, uint64_t now_tsc)
{
    const struct weir_worker *w = rt->workers[i];
    struct weir_worker_watch *seen = &rt->seen[i];
    uint64_t steps = weir_counter_read(&w->steps);
    if (steps == seen->steps && !weir_worker_ended(w)) {
        if (weir_word_read(&w->state) != WEIR_WORKER_STARTING)
            suspect(rt, w, seen, now_tsc);
        return;
    }
    if (seen->stuck || seen->off_cpu)
        weir_log(WEIR_LOG_NOTICE, "worker %u of %s goes on after %.1f s", w->index,
            rt->pools[w->pool].config->name, (double)(now_tsc - seen->tsc) / (double)rt->tsc_hz);
    seen->steps = steps;
    seen->tsc = now_tsc;
    seen->suspected = seen->stuck = seen->off_cpu = false;
}

bool weir_runtime_tick(struct weir_runtime *rt, uint64_t now_tsc)
{
    bool all = true;
    weir_ports_watch(rt, now_tsc);
    pthread_mutex_lock(&rt->life);
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        watch(rt, i, now_tsc);
        all &= weir_worker_ended(rt->workers[i]);
    }
    weir_times_tell(rt, now_tsc);
    weir_manager_tick(rt, now_tsc);
    if (all && rt->end_tsc == 0)
        rt->end_tsc = now_tsc;
    if (all && rt->why_stopped == NULL)
        rt->why_stopped = "end of input";
    pthread_mutex_unlock(&rt->life);
    return all;
}

/* ---- drain ---- */

static void command(struct weir_runtime *rt, enum weir_command_kind kind)
{
    const struct weir_command order = {.kind = kind};
    for (uint32_t i = 0; i < rt->n_launched; i++)
        if (!weir_worker_ended(rt->workers[i]) && !weir_worker_command(rt->workers[i], &order))
            weir_log(WEIR_LOG_ERROR, "worker %u of %s (cpu %u) has not served its last %d commands",
                rt->workers[i]->index, rt->pools[rt->workers[i]->pool].config->name, rt->workers[i]->cpu,
                WEIR_COMMANDS);
}

void weir_runtime_drain(struct weir_runtime *rt, uint64_t now_tsc, const char *why)
{
    if (rt->signal_tsc != 0)
        return;
    pthread_mutex_lock(&rt->life);
    rt->signal_tsc = now_tsc;
    rt->why_stopped = why;
    rt->held_at_signal = weir_runtime_held(rt);
    pthread_mutex_unlock(&rt->life);
    command(rt, WEIR_COMMAND_DRAIN);
}

static bool await_ended(struct weir_runtime *rt)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    for (int i = 0; i < DISCARD_WAIT_MS; i++) {
        if (weir_runtime_tick(rt, rte_rdtsc()))
            return true;
        nanosleep(&millisecond, NULL);
    }
    return false;
}

static void abandon(struct weir_runtime *rt)
{
    pthread_mutex_lock(&rt->life);
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        const struct weir_worker *w = rt->workers[i];
        if (weir_worker_ended(w))
            continue;
        rt->seen[i].stuck = true;
        weir_log(WEIR_LOG_ERROR, "worker %u of %s (cpu %u) is stuck and is left behind", w->index,
            rt->pools[w->pool].config->name, w->cpu);
    }
    weir_ports_release(rt); /* nobody will finish */
    rt->end_tsc = rte_rdtsc();
    rt->abandoned = true;
    pthread_mutex_unlock(&rt->life);
}

bool weir_runtime_discard(struct weir_runtime *rt, const char *why)
{
    pthread_mutex_lock(&rt->life);
    if (why != NULL)
        rt->why_stopped = why;
    else
        rt->deadline_passed = true;
    pthread_mutex_unlock(&rt->life);
    command(rt, WEIR_COMMAND_DISCARD);
    if (await_ended(rt))
        return true;
    /* Somebody does not come back. Who waits for an end of stream from there would wait for ever. */
    command(rt, WEIR_COMMAND_QUIT);
    if (await_ended(rt))
        return true;
    abandon(rt);
    return false;
}

/* ---- stop ---- */

/* What is not in the pool once every worker and port has ended has leaked, but for what drivers are known to keep:
 * no more than they took before the first packet and what their transmit rings hold. */
static void count_packets_home(struct weir_runtime *rt)
{
    uint64_t missing = rt->plan->n_mbufs - rte_mempool_avail_count(rt->mempool);
    uint64_t may_keep = 0;
    for (uint32_t i = 0; i < rt->n_ports; i++)
        may_keep += rt->ports[i].keeps_mbufs ? rt->ports[i].taken + rt->ports[i].tx_rings : 0;
    rt->kept = missing < may_keep ? missing : may_keep;
    rt->leaked = (int64_t)(missing - rt->kept);
}

/* A slow worker may come back after its consumer was told to end without it; what it pushed since then lies there. */
static void empty_rings(struct weir_runtime *rt)
{
    for (uint32_t i = 0; i < rt->n_rings; i++) {
        struct weir_worker *w = rt->workers[rt->rings[i].to];
        struct weir_desc desc;
        while (weir_ring_pop(&rt->rings[i].ring->consumer, &desc, 1) == 1) {
            weir_release(&w->trash, &desc);
            weir_counter_add(&w->discarded, 1);
        }
        weir_trash_flush(&w->trash);
    }
}

void weir_runtime_finish(struct weir_runtime *rt)
{
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        rte_eal_wait_lcore(rt->workers[i]->lcore);
        weir_unseen_acquire(rt->workers[i]);
    }
    pthread_mutex_lock(&rt->life);
    empty_rings(rt);
    weir_runtime_end_stages(rt);
    weir_ports_release(rt);
    weir_runtime_close_ports(rt);
    count_packets_home(rt);
    rt->final = true;
    pthread_mutex_unlock(&rt->life);
}
