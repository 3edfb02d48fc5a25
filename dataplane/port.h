/* SPDX-License-Identifier: BSD-3-Clause */
/* A port: where packets enter and leave. Kinds: port_generator.c, port_file.c, port_device.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/batch.h"
#include "dataplane/stage.h"
#include "rings/counter.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mempool;

#define WEIR_VLAN_BYTES 4       /* a frame with a tag may be this much longer than `max_frame` */
#define WEIR_UNKNOWN UINT64_MAX /* a count that the driver cannot give; never shown as 0 */

/* What a port has seen. `received`, `received_bytes` and `missed` are written by the worker that polls the queue,
 * the rest by the control thread that reads the driver. */
struct weir_port_stats {
    uint64_t received, received_bytes; /* handed to the pipeline */
    uint64_t accepted;                 /* frames the driver took for transmit */
    uint64_t accepted_bytes;
    uint64_t tx_errors; /* of those, what the driver reports as not sent */
    uint64_t missed;    /* before receive; WEIR_UNKNOWN where the driver cannot say */
    uint64_t offered;   /* a generator's schedule; WEIR_UNKNOWN elsewhere */
    uint64_t late_p50_ns, late_p99_ns,
        late_max_ns; /* received after it was due; WEIR_UNKNOWN without a schedule */
};

#define WEIR_NOT_LATE .late_p50_ns = WEIR_UNKNOWN, .late_p99_ns = WEIR_UNKNOWN, .late_max_ns = WEIR_UNKNOWN
#define WEIR_NO_SCHEDULE .offered = WEIR_UNKNOWN, WEIR_NOT_LATE

enum weir_port_condition {
    WEIR_PORT_UP,
    WEIR_PORT_DOWN, /* no carrier, or taken down */
    WEIR_PORT_GONE, /* there is no device, or another than the one that was opened */
    WEIR_PORT_CONDITIONS
};

struct weir_port_def;

struct weir_port {
    const struct weir_port_def *def;
    const char *name;
    uint16_t index;
    uint16_t rx_queues, tx_queues; /* set before open */
    uint16_t queues;               /* of receive, as written; 0 = not */
    bool shared;                   /* each of them has another worker: a flow must keep to one */
    struct rte_mempool *mempool;   /* packets come from here */
    uint32_t mtu;                  /* written in the configuration, or of the interface; 0 = unknown */
    uint32_t mbuf_room;            /* bytes of one segment of the mempool */
    int socket;
    uint64_t tsc_hz;
    uint64_t seed;
    uint32_t max_frame;                 /* layer-2 bytes without FCS that may be transmitted; open sets it */
    uint32_t stamped_flows;             /* what the kind says of its parameters, as the next */
    char device[64];                    /* of the machine: PCI address or network interface; empty = none */
    void *state;                        /* of the kind */
    char error[512];                    /* why open or start failed: cause and remedy */
    char warning[512];                  /* open went well, but; empty = nothing to say */
    char note[512];                     /* likewise, and what the certificate must say, too */
    enum weir_port_condition condition; /* control thread, as the next three */
    bool closed;       /* its device is gone, or was not there yet: only open and stats may be called */
    uint32_t reopened; /* times */
    uint64_t past_errors, past_missed, sent_shown; /* what devices before the present one have told */
    bool keeps_mbufs;           /* the driver is known to keep its rings' mbufs even after close */
    uint32_t taken;             /* mbufs the driver took in open and start, each time */
    uint32_t tx_rings;          /* mbufs that may wait in its transmit and completion rings */
    struct weir_port_counters { /* one a queue; who receives and who transmits may be two workers */
        struct weir_counter rx_packets WEIR_CACHE_ALIGNED, rx_bytes, missed, offered, oversize, unsummed;
        struct weir_counter tx_packets WEIR_CACHE_ALIGNED, tx_bytes;
    } queue[WEIR_PORTS_MAX];
};

struct weir_port_def {
    const char *kind;
    const char *help;
    const struct weir_param *params; /* where the port's value is a map; NULL = the value is one string */
    size_t params_size;
    const char *shorthand; /* the key that a string stands for, where the value may also be one; else NULL */
    bool can_transmit;
    bool rss;            /* may have symmetric RSS, which open asks for where there are several `queues` */
    const char *instead; /* of transmitting, where it cannot: said to who tries; NULL = nothing comes near */

    /* Of a string, what needs no machine to be seen. False with cause and remedy written; open says the same. Any
     * thread. NULL = any string may be right. */
    bool (*check)(const char *text, FILE *complaint);

    /* Control thread. `params` is the plain struct, or the string. 0 or -errno with port->error filled: -EBADMSG for
     * bad data, -EPERM or -EACCES for permission, -EINVAL for an illegal parameter, -ENXIO if the device may still
     * come, else unavailable.
     * open may lower nothing: it uses rx_queues and tx_queues as given, and may raise rx_queues to what the device
     * spreads its frames over. */
    int (*open)(struct weir_port *, const void *params);
    int (*start)(struct weir_port *, uint64_t now_tsc);
    void (*stop)(struct weir_port *);  /* after the last worker has ended; NULL = there is nothing to stop */
    void (*close)(struct weir_port *); /* all packets are home after this, but for what the driver keeps */
    /* What has become of the device; NULL = it is always there. Control thread, between open and close. */
    enum weir_port_condition (*condition)(struct weir_port *);
    /* Take the link down, or up: who is at its other end sees it. 0 or -errno. NULL = there is no link. */
    int (*set_link)(struct weir_port *, bool up);
    /* Any time, by any thread that is no worker, one call at a time. */
    void (*stats)(struct weir_port *, struct weir_port_stats *);

    /* Owner of the queue. Fills desc.mbuf, length, class 0, flags; returns the number of packets. */
    uint32_t (*receive)(struct weir_port *, uint16_t queue, struct weir_batch *);
    /* Right after that: when packet `i` of the batch was due, by the schedule of the port. NULL = it has none, and a packet
     * arrives when it is received. */
    uint64_t (*due)(const struct weir_port *, uint16_t queue, const struct weir_batch *, uint32_t i);
    /* Any worker that polls it: nothing more will ever come (end of a file, count reached). */
    bool (*ended)(const struct weir_port *, uint16_t queue);
    /* Owner of the queue. Takes the first k frames and returns k; the caller keeps the rest. */
    uint32_t (*transmit)(struct weir_port *, uint16_t queue, struct rte_mbuf **, uint32_t n);
    /* mbufs that the driver holds while it runs (rx and tx descriptors), with so many queues as are written; part of
     * the plan. NULL = none. */
    uint32_t (*mbufs)(const void *params, uint32_t queues);
    /* Transmit queues that it has, whose packets may be `mbuf_room` bytes; 0, or NULL = it can be told only by open. */
    uint32_t (*tx_queues)(const void *params, uint32_t mbuf_room);
    /* The device of the machine behind it: where its packets come to memory. NULL = there is none. */
    void (*device)(const void *params, char *name, size_t size);
    /* Of the device as it is now; 0 = unknown. NULL = it cannot be told before it is opened. */
    uint32_t (*mtu)(const void *params);
    /* Flows that its stamps number; NULL if it writes none. */
    uint32_t (*stamped_flows)(const void *params);
};

/* For open and start: fills port->error; returns `result`. */
int weir_port_refuse(struct weir_port *, int result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

extern const struct weir_port_def weir_port_generator, weir_port_file, weir_port_vdev, weir_port_pci,
    weir_port_interface;
extern const struct weir_port_def *const weir_port_list[]; /* every kind; ends with NULL */

#ifdef __cplusplus
}
#endif
