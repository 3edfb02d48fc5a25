/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a device without opening it: the habits of its driver, what its string says, and the kernel's interface
 * behind it. Control thread. */
#pragma once

#include <net/if.h>

#include "dataplane/port.h"

#define WEIR_FRAME_AROUND 14 /* the Ethernet header around an MTU */
/* Of a slot, not for the frame. Received: the kernel puts the frame behind TPACKET2_HDRLEN and 16 bytes, rounded up to
 * 16, less the Ethernet header. Sent: the driver puts it behind the header without its address. */
#define WEIR_AF_PACKET_RX_OVERHEAD 66
#define WEIR_AF_PACKET_TX_OVERHEAD 32
#define WEIR_AF_PACKET_AROUND                                                                                \
    (WEIR_AF_PACKET_RX_OVERHEAD + WEIR_FRAME_AROUND + WEIR_VLAN_BYTES) /* an MTU, in a slot */

/* What does not come from the API of a driver. */
struct weir_driver {
    const char *prefix;
    const char *queues; /* argument that says how many it has; else 1. NULL = it has as many as are wanted */
    bool needs_privilege; /* without root, a failure means that */
    bool blind;           /* cannot tell what it missed before receive */
    bool spreads;         /* the kernel spreads frames over all its queues: poll every one */
    bool keeps_mbufs;     /* even after close */
    bool rides;           /* on an interface that must be there, and may go and come */
    bool calls;           /* a peer that listens, unless it is the server: only at start, and never again */
    bool loops;           /* what was transmitted stays inside and must be fetched at the end */
    bool errors_refused;  /* what it calls output errors are frames that it gave back: `tx_full` has them */
};

/* A device string is `net_af_packet0,iface=eth1`. */
const struct weir_driver *weir_driver_of(const char *device);
/* Value of `key=`, or NULL. */
const char *weir_device_argument(const char *device, const char *key, char *value, size_t size);
bool weir_device_is_af_packet(const char *device);
/* Bytes of a slot of AF_PACKET. */
uint32_t weir_device_framesz(const char *device);
/* memif: the server listens, the client calls it. */
bool weir_device_calls(const char *device);

struct weir_interface {
    char name[IFNAMSIZ]; /* empty = none */
    unsigned index;      /* 0 = not there */
    uint32_t mtu;        /* 0 = unknown */
    short flags;         /* IFF_* */
    bool known;          /* the kernel could be asked */
};
struct weir_interface weir_interface_named(const char *name);
/* Behind a device, as in `iface=eth1`. */
struct weir_interface weir_interface_of(const char *device);
/* Queues that the kernel spreads received frames over; each one that nobody polls is loss. */
uint32_t weir_interface_queues(const char *name);
/* 0 or -errno. */
int weir_interface_set_up(const char *name, bool up);

/* As of struct weir_port_def. */
bool weir_device_check(const char *device, FILE *complaint);
bool weir_interface_check(const char *name, FILE *complaint);
bool weir_address_check(const char *pci, FILE *complaint);
