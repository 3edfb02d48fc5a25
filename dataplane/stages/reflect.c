/* SPDX-License-Identifier: BSD-3-Clause */
/* reflect: back through the port a packet came from, with source and destination swapped. No checksum changes: they
 * are sums, and do not care for the order. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/leave.h"
#include "dataplane/port.h"
#include "dataplane/stages/list.h"

enum { SWAP_MAC, SWAP_MAC_IP_PORTS };
static const char *const swap_words[] = {"mac", "mac-ip-ports", NULL};

struct reflect_params {
    uint64_t swap;
};

static const struct weir_param reflect_param_table[] = {
    {.key = "swap",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct reflect_params, swap),
        .unset = "mac",
        .words = swap_words,
        .help = "mac: the two MAC addresses. mac-ip-ports: the addresses of IPv4 and IPv6, too, and the "
                "ports of TCP, UDP and SCTP where they follow at once and in the first segment."},
    {0},
};

/* A frame that ends before its second address has nothing to swap. */
enum { TOO_SHORT = WEIR_LEAVE_UNMAPPED };
static const char *const reflect_reasons[] = {WEIR_LEAVE_BACK_REASONS, "too_short", NULL};

static inline void swap(uint8_t *a, size_t n)
{
    uint8_t kept[16];
    memcpy(kept, a, n);
    memcpy(a, a + n, n);
    memcpy(a + n, kept, n);
}

static uint16_t word_at(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void swap_ports(uint8_t *at, const uint8_t *end, uint8_t protocol)
{
    bool has = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
    if (has && end - at >= 4)
        swap(at, 2);
}

/* `end`: of what lies in the first segment. */
static void swap_ip(uint8_t *at, const uint8_t *end)
{
    uint16_t type;
    for (at += 2 * RTE_ETHER_ADDR_LEN;; at += WEIR_VLAN_BYTES) {
        if (end - at < 2)
            return;
        type = word_at(at);
        if (type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ)
            break;
    }
    at += sizeof type;
    if (type == RTE_ETHER_TYPE_IPV4 && end - at >= (long)sizeof(struct rte_ipv4_hdr)) {
        size_t header = (at[0] & 15u) * 4u;
        bool later_fragment = (word_at(at + 6) & RTE_IPV4_HDR_OFFSET_MASK) != 0;
        swap(at + offsetof(struct rte_ipv4_hdr, src_addr), 4);
        if (!later_fragment && header >= sizeof(struct rte_ipv4_hdr) && end - at >= (long)header)
            swap_ports(at + header, end, at[9]);
    } else if (type == RTE_ETHER_TYPE_IPV6 && end - at >= (long)sizeof(struct rte_ipv6_hdr)) {
        swap(at + offsetof(struct rte_ipv6_hdr, src_addr), 16);
        swap_ports(at + sizeof(struct rte_ipv6_hdr), end, at[6]);
    }
}

static void reflect_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct reflect_params *params = s->params;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->n; i++)
        rte_prefetch0(rte_pktmbuf_mtod(batch->desc[i].mbuf, void *));
    for (uint32_t i = 0; i < batch->n; i++) {
        struct rte_mbuf *m = batch->desc[i].mbuf;
        uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
        if (unlikely(m->data_len < 2 * RTE_ETHER_ADDR_LEN)) {
            weir_stage_drop(s, &batch->desc[i], TOO_SHORT);
            continue;
        }
        swap(frame, RTE_ETHER_ADDR_LEN);
        if (params->swap == SWAP_MAC_IP_PORTS)
            swap_ip(frame, frame + m->data_len);
        batch->desc[kept++] = batch->desc[i];
    }
    batch->n = kept;
    weir_leave(s, batch, NULL);
}

const struct weir_stage_def weir_stage_reflect = {
    .name = "reflect",
    .help = "Send each packet back through the port it came from, source and destination swapped.",
    .params = reflect_param_table,
    .params_size = sizeof(struct reflect_params),
    .reasons = reflect_reasons,
    .terminal = true,
    .sends = WEIR_SENDS_BACK,
    .worker_size = weir_leave_size,
    .process = reflect_process,
};
