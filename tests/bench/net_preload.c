/* SPDX-License-Identifier: BSD-3-Clause */
/* net_preload: a DPDK vdev driver, as a plugin (EAL: -d net_preload.so), that gives a benchmark real frames.
 *
 *     net_preload0,flows=65536[,frames=65536]
 *
 * makes one single-producer single-consumer ring, a net_ring port that receives from it and transmits into it, and
 * fills it with `frames` UDP frames, frame i of flow i mod `flows`. What is transmitted comes round again, so
 * receive and transmit are net_ring's own functions, nobody generates anything while the clock runs, and whoever is
 * measured (weir, dpdk-testpmd) moves the same mbufs of the same pool.
 *
 * A frame has 60 bytes, 64 on the wire with its FCS. Its checksums are right and stay right when addresses and ports
 * are swapped, as testpmd's 5tswap does: the sums do not depend on order.
 *
 * The port is called net_ring_NAME: rte_eth_from_rings() says so, not this file. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eth_ring.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_kvargs.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_ring.h>
#include <rte_udp.h>
#include <rte_version.h>

/* ---- what DPDK keeps in driver headers, which Debian does not ship ---- */

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0) || RTE_VERSION >= RTE_VERSION_NUM(23, 0, 0, 0)
#error "the two structs below are those of ABI 23 (DPDK 22.11)"
#endif

struct vdev_device {
    RTE_TAILQ_ENTRY(vdev_device) next;
    /* struct rte_device follows */
};

struct vdev_driver {
    RTE_TAILQ_ENTRY(vdev_driver) next;
    struct {
        RTE_TAILQ_ENTRY(rte_driver) next;
        const char *name;
        const char *alias;
    } driver;
    int (*probe)(struct vdev_device *);
    int (*remove)(struct vdev_device *);
    int (*dma_map)(struct vdev_device *, void *, uint64_t, size_t);
    int (*dma_unmap)(struct vdev_device *, void *, uint64_t, size_t);
    uint32_t drv_flags;
};

void rte_vdev_register(struct vdev_driver *);

/* ---- frames ---- */

#define FRAME_BYTES 60
#define POOL_CACHE 512 /* testpmd gets --mbcache=512, weir has 512 */
#define COUNT_MAX (1u << 22)

struct frame {
    struct rte_ether_hdr ether;
    struct rte_ipv4_hdr ip;
    struct rte_udp_hdr udp;
    uint8_t payload[18];
} __rte_packed __rte_aligned(2);
static_assert(sizeof(struct frame) == FRAME_BYTES, "the smallest Ethernet frame, without the FCS");

static void write_frame(struct rte_mbuf *m, uint32_t flow)
{
    struct frame *f = (struct frame *)rte_pktmbuf_append(m, FRAME_BYTES);
    *f = (struct frame){
        .ether.dst_addr.addr_bytes = {0x02, 0, 0, 0, 0, 2},
        .ether.src_addr.addr_bytes = {0x02, 0, 0, 0, 0, 1},
        .ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
        .ip.version_ihl = RTE_IPV4_VHL_DEF,
        .ip.total_length = RTE_BE16(FRAME_BYTES - sizeof f->ether),
        .ip.time_to_live = 64,
        .ip.next_proto_id = IPPROTO_UDP,
        .ip.src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + flow),
        .ip.dst_addr = RTE_BE32(RTE_IPV4(192, 168, 0, 1)),
        .udp.src_port = rte_cpu_to_be_16((uint16_t)(1024 + flow % 60000)),
        .udp.dst_port = RTE_BE16(53),
        .udp.dgram_len = RTE_BE16(sizeof f->udp + sizeof f->payload),
    };
    f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
    f->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&f->ip, &f->udp);
}

static int fill(struct rte_ring *ring, struct rte_mempool *pool, uint32_t frames, uint32_t flows)
{
    for (uint32_t i = 0; i < frames; i++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
        if (m == NULL)
            return -ENOMEM;
        write_frame(m, i % flows);
        if (rte_ring_sp_enqueue(ring, m) != 0)
            return -ENOSPC;
    }
    return 0;
}

/* As rte_pktmbuf_pool_create(), but packed: under normal pages that one starts every packet on a page of its own, where
 * all headers meet in the same few cache sets. No deployment has that, with hugepages neither program has. */
static struct rte_mempool *make_pool(const char *name, uint32_t frames, int node)
{
    struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
    /* The cache of the filling thread may hold half as much again as its size: not lost to the count. */
    struct rte_mempool *pool = rte_mempool_create_empty(name, frames + 2 * POOL_CACHE,
        sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE, POOL_CACHE, sizeof private, node,
        RTE_MEMPOOL_F_NO_IOVA_CONTIG);
    if (pool == NULL)
        return NULL;
    int result = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
    rte_pktmbuf_pool_init(pool, &private);
    if (result != 0 || rte_mempool_populate_default(pool) < 0) {
        rte_mempool_free(pool);
        return NULL;
    }
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

/* ---- the driver ---- */

static int read_count(const char *key, const char *value, void *count)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (n == 0 || n > COUNT_MAX || *end != '\0') {
        fprintf(stderr, "net_preload: %s=%s: write a number from 1 to %u\n", key, value, COUNT_MAX);
        return -EINVAL;
    }
    *(uint32_t *)count = (uint32_t)n;
    return 0;
}

static int read_counts(const struct rte_devargs *given, uint32_t *flows, uint32_t *frames)
{
    static const char *const keys[] = {"flows", "frames", NULL};
    *flows = 65536;
    *frames = 0;
    struct rte_kvargs *list = rte_kvargs_parse(given != NULL && given->args != NULL ? given->args : "", keys);
    int result = list == NULL ? -EINVAL : 0;
    if (result == 0)
        result = rte_kvargs_process(list, "flows", read_count, flows);
    if (result == 0)
        result = rte_kvargs_process(list, "frames", read_count, frames);
    rte_kvargs_free(list);
    if (*frames == 0)
        *frames = *flows;
    return result == 0 ? 0 : -EINVAL;
}

static int probe(struct vdev_device *vdev)
{
    const struct rte_device *device = (const struct rte_device *)(vdev + 1);
    const char *name = rte_dev_name(device);
    uint32_t flows, frames;
    if (read_counts(rte_dev_devargs(device), &flows, &frames) != 0)
        return -EINVAL;

    int node = (int)rte_socket_id();
    if (node < 0)
        node = 0;
    /* Twice the frames: with all of them inside it is half full, so a transmit never fails. */
    struct rte_ring *ring =
        rte_ring_create(name, rte_align32pow2(2 * frames), node, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == NULL)
        return -ENOMEM;
    struct rte_mempool *pool = make_pool(name, frames, node);
    int result = pool == NULL ? -ENOMEM : fill(ring, pool, frames, flows);
    if (result == 0 && rte_eth_from_rings(name, &ring, 1, &ring, 1, (unsigned)node) < 0)
        result = -ENODEV;
    if (result != 0) {
        fprintf(stderr, "net_preload: %u frames: %s; is `-m` large enough?\n", frames, strerror(-result));
        rte_mempool_free(pool);
        rte_ring_free(ring);
    }
    return result;
}

/* The port lives until the process ends, and may be closed after this device: what it polls stays. */
static int forget(struct vdev_device *vdev)
{
    (void)vdev;
    return 0;
}

static struct vdev_driver driver = {.driver.name = "net_preload", .probe = probe, .remove = forget};

RTE_INIT(register_net_preload)
{
    rte_vdev_register(&driver);
}
