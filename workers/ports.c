/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/ports.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "workers/log.h"
#include "workers/runtime.h"

#define LOOKS_A_S 10
#define RETRY_LOG2_MAX 7 /* seconds between tries: 1, 2, 4, … 64 */
/* For a link that was held down to come up, before it counts as down: cards negotiate for seconds. */
#define GRACE_S 10

static double seconds(const struct weir_runtime *rt, uint64_t from_tsc, uint64_t to_tsc)
{
    return (double)(to_tsc - from_tsc) / (double)rt->tsc_hz;
}

/* ---- what the workers know ---- */

/* Who has not been told yet is told; who is stuck, when its command ring has room. True when all have answered. */
static bool workers_know(struct weir_runtime *rt)
{
    const struct weir_command order = {.kind = WEIR_COMMAND_PORTS,
        .epoch = rt->ports_epoch,
        .closed = rt->closed_ports,
        .mute = rt->mute_ports};
    bool all = true;
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        struct weir_worker *w = rt->workers[i];
        if (weir_worker_ended(w) || weir_word_read(&w->ports_seen) == rt->ports_epoch)
            continue;
        all = false;
        /* Never the last slots: to stop must be possible. */
        bool room = weir_ring_room(&w->command_ring->producer, WEIR_COMMANDS / 2) >= WEIR_COMMANDS / 2;
        if (rt->ports_told[i] != rt->ports_epoch && room && weir_worker_command(w, &order))
            rt->ports_told[i] = rt->ports_epoch;
    }
    return all;
}

/* What changed. The kernel's drivers take frames without a carrier and throw them away: none is handed to them. */
static void tell(struct weir_runtime *rt)
{
    uint64_t closed = 0, mute = 0;
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        closed |= (uint64_t)(rt->ports[p].closed || rt->watches[p].closing) << p;
        mute |= (uint64_t)(rt->ports[p].condition != WEIR_PORT_UP) << p;
    }
    if (closed == rt->closed_ports && mute == rt->mute_ports)
        return;
    rt->closed_ports = closed;
    rt->mute_ports = mute;
    rt->ports_epoch++;
    workers_know(rt);
}

/* ---- one port ---- */

static const char *device_of(const struct weir_port *port)
{
    return port->device[0] != '\0' ? port->device : "its peer";
}

static void note(
    struct weir_runtime *rt, struct weir_port *port, enum weir_port_condition now, uint64_t now_tsc)
{
    struct weir_port_watch *watch = &rt->watches[port->index];
    double past = seconds(rt, watch->since_tsc, now_tsc);
    if (now == port->condition)
        return;
    if (now == WEIR_PORT_GONE)
        weir_log(WEIR_LOG_WARNING, "port %s: %s is gone; weir goes on without it and waits for it",
            port->name, device_of(port));
    else if (now == WEIR_PORT_DOWN && !watch->held)
        weir_log(WEIR_LOG_WARNING, "port %s: link down", port->name);
    else if (now == WEIR_PORT_UP)
        weir_log(WEIR_LOG_NOTICE, "port %s: link up after %.1f s", port->name, past);
    port->condition = now;
    watch->since_tsc = now_tsc;
    watch->grace_tsc = now == WEIR_PORT_UP ? 0 : watch->grace_tsc;
}

static void close_port(struct weir_runtime *rt, struct weir_port *port)
{
    port->def->stop(port);
    port->closed = true;
    port->def->close(port);
    rt->watches[port->index].closing = false;
    rt->watches[port->index].held = false;
}

static void try_to_open(struct weir_runtime *rt, struct weir_port *port, uint64_t now_tsc)
{
    struct weir_port_watch *watch = &rt->watches[port->index];
    char before[sizeof port->error];
    if (now_tsc < watch->next_open_tsc)
        return;
    memcpy(before, port->error, sizeof before);
    int result = port->def->open(port, rt->port_params[port->index]);
    if (result == 0) {
        result = port->def->start(port, now_tsc);
        if (result != 0)
            port->def->close(port);
    }
    if (result != -ENXIO) /* a driver that keeps them keeps them again, also if it fails */
        port->taken += watch->takes;
    if (port->warning[0] != '\0')
        weir_log(WEIR_LOG_WARNING, "port %s: %s", port->name, port->warning);
    port->warning[0] = '\0';
    if (result != 0) {
        if (result != -ENXIO && strcmp(before, port->error) != 0)
            weir_log(WEIR_LOG_ERROR, "port %s: %s; weir tries again, less and less often", port->name,
                port->error);
        watch->tries = result == -ENXIO ? 0 : watch->tries + 1;
        uint32_t more = watch->tries < RETRY_LOG2_MAX ? watch->tries : RETRY_LOG2_MAX;
        uint64_t wait_s = watch->tries == 0 ? 0 : UINT64_C(1) << (more - 1);
        watch->next_open_tsc = now_tsc + wait_s * rt->tsc_hz;
        return;
    }
    watch->tries = 0;
    port->error[0] = '\0';
    port->closed = false;
    port->reopened++;
    weir_log(WEIR_LOG_NOTICE, "port %s: %s is there again after %.1f s", port->name, device_of(port),
        seconds(rt, watch->since_tsc, now_tsc));
    note(rt, port, port->def->condition(port), now_tsc);
}

/* Offloads that a cable has no use for. Said once a minute while it goes on. */
static void warn(struct weir_runtime *rt, const struct weir_port *port, struct weir_port_warned *warned,
    uint64_t n, const char *what, uint64_t now_tsc)
{
    if (n == warned->n || now_tsc < warned->next_tsc)
        return;
    weir_log(WEIR_LOG_WARNING, "port %s: %lu %s", port->name, (unsigned long)(n - warned->n), what);
    warned->n = n;
    warned->next_tsc = now_tsc + 60 * rt->tsc_hz;
}

static void warn_of_offloads(struct weir_runtime *rt, const struct weir_port *port, uint64_t now_tsc)
{
    struct weir_port_watch *watch = &rt->watches[port->index];
    uint64_t oversize = 0, unsummed = 0;
    for (uint16_t q = 0; q < port->rx_queues; q++) {
        oversize += weir_counter_read(&port->queue[q].oversize);
        unsummed += weir_counter_read(&port->queue[q].unsummed);
    }
    warn(rt, port, &watch->oversize, oversize,
        "frames above its MTU came in, which no cable would carry: their sender leaves the cutting to a card "
        "that is not there, or the interface joins them; `ethtool -K INTERFACE tso off gso off gro off lro "
        "off` on both ends",
        now_tsc);
    warn(rt, port, &watch->unsummed, unsummed,
        "batches came in with a frame that has no checksum yet: its sender leaves that to a card that is not "
        "there, and its receiver will drop it; `ethtool -K INTERFACE tx off` on both ends",
        now_tsc);
}

static void look(struct weir_runtime *rt, struct weir_port *port, bool know, uint64_t now_tsc)
{
    struct weir_port_watch *watch = &rt->watches[port->index];
    if (port->closed) {
        try_to_open(rt, port, now_tsc);
    } else if (watch->closing) {
        if (know)
            close_port(rt, port);
    } else {
        note(rt, port, port->def->condition(port), now_tsc);
        warn_of_offloads(rt, port, now_tsc);
        watch->closing = port->condition == WEIR_PORT_GONE;
    }
}

/* ---- link-follows ---- */

/* A link that we hold down ourselves says nothing of the other side, or two that follow each other would stay down. */
static void follow(struct weir_runtime *rt, struct weir_port *port, uint64_t now_tsc)
{
    int32_t leader = rt->config->ports[port->index].follows;
    struct weir_port_watch *watch = &rt->watches[port->index];
    if (leader < 0 || port->closed || watch->closing)
        return;
    const struct weir_port_watch *led_by = &rt->watches[leader];
    bool down = rt->ports[leader].condition != WEIR_PORT_UP && !led_by->held && now_tsc > led_by->grace_tsc;
    if (down == watch->held)
        return;
    watch->grace_tsc = down ? 0 : now_tsc + GRACE_S * rt->tsc_hz;
    int result = port->def->set_link(port, !down);
    if (result != 0)
        weir_log(WEIR_LOG_ERROR, "port %s: the link cannot be taken %s: %s", port->name, down ? "down" : "up",
            strerror(-result));
    else
        weir_log(WEIR_LOG_NOTICE, "port %s: link taken %s, as %s is %s", port->name, down ? "down" : "up",
            rt->ports[leader].name, down ? "down" : "up again");
    watch->held = down; /* also if it failed: said once is enough */
}

void weir_port_await(struct weir_port *port)
{
    port->closed = true;
    port->condition = WEIR_PORT_GONE;
    weir_log(
        WEIR_LOG_WARNING, "port %s: %s; weir goes on without it and waits for it", port->name, port->error);
}

void weir_ports_start(struct weir_runtime *rt)
{
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        struct weir_port *port = &rt->ports[p];
        struct weir_port_watch *watch = &rt->watches[p];
        watch->since_tsc = rt->start_tsc;
        watch->takes = port->closed ? port->def->mbufs(rt->port_params[p], port->queues) : port->taken;
        if (port->def->condition == NULL || port->closed)
            continue;
        port->condition = port->def->condition(port);
        watch->grace_tsc = port->condition == WEIR_PORT_UP ? 0 : rt->start_tsc + GRACE_S * rt->tsc_hz;
        if (port->condition != WEIR_PORT_UP)
            weir_log(WEIR_LOG_WARNING, "port %s: link down", port->name);
    }
    tell(rt);
}

void weir_ports_release(struct weir_runtime *rt)
{
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        struct weir_port *port = &rt->ports[p];
        if (rt->watches[p].held && !port->closed)
            port->def->set_link(port, true);
        rt->watches[p].held = false;
    }
}

/* ---- */

void weir_ports_watch(struct weir_runtime *rt, uint64_t now_tsc)
{
    if (now_tsc < rt->next_watch_tsc || rt->signal_tsc != 0 || rt->end_tsc != 0)
        return;
    rt->next_watch_tsc = now_tsc + rt->tsc_hz / LOOKS_A_S;
    pthread_mutex_lock(&rt->life); /* snapshots look into ports */
    bool know = workers_know(rt);
    for (uint32_t p = 0; p < rt->n_ports; p++)
        if (rt->ports[p].def->condition != NULL)
            look(rt, &rt->ports[p], know, now_tsc);
    for (uint32_t p = 0; p < rt->n_ports; p++)
        if (rt->ports[p].def->condition != NULL)
            follow(rt, &rt->ports[p], now_tsc);
    tell(rt);
    pthread_mutex_unlock(&rt->life);
}
