/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices come and go: a port whose device is gone is closed and opened again when it is back, while everybody else goes
 * on. And `link-follows`: a port's link is down while that of the port it follows is.
 *
 * No worker is inside a driver while its device is closed: the control thread tells every worker over its command ring
 * which ports are closed, and goes on when all have answered. Control thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct weir_port;
struct weir_runtime;

struct weir_port_watch {
    uint64_t since_tsc;     /* of the present condition */
    uint64_t next_open_tsc; /* a try that failed is not repeated at once */
    uint32_t tries;         /* that failed, in a row */
    uint32_t takes;         /* mbufs at each opening, of a driver that keeps them */
    uint64_t grace_tsc;     /* until then its link may be down without anybody following */
    struct weir_port_warned {
        uint64_t n, next_tsc; /* frames that were warned of, and when again */
    } oversize, unsummed;
    bool closing; /* the workers were told, and have not all answered */
    bool held;    /* its link is down by our doing */
};

/* Its device is not there yet. */
void weir_port_await(struct weir_port *);

/* Before the workers start. */
void weir_ports_start(struct weir_runtime *);

/* Call often; it looks ten times a second, and no more once the runtime drains. */
void weir_ports_watch(struct weir_runtime *, uint64_t now_tsc);

/* Give back the links that are held down. */
void weir_ports_release(struct weir_runtime *);
