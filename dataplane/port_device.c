/* SPDX-License-Identifier: BSD-3-Clause */
/* A port on a DPDK device: any device string (net_af_packet0,iface=eth1 · net_ring0 · net_memif0,…), a PCI address, or an
 * interface of the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <rte_log.h>

#include "dataplane/device.h"
#include "dataplane/mbuf.h"

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define LOOKS_WITHOUT 10 /* for two to agree, before the caller calls again */
#define RSS_KEY_BYTES 40 /* where the driver does not say */
#define MBUFS_MAX (RX_DESCRIPTORS + TX_DESCRIPTORS)

struct device {
    const struct weir_driver *driver;
    uint16_t id;
    struct rte_eth_stats before;
    char interface[IFNAMSIZ]; /* of the kernel, empty = none */
    unsigned index;           /* its index: a new one of the same name has another */
    bool was_promiscuous;     /* before we came */
    bool calls;
    uint32_t looks_without;      /* a peer, in a row */
    struct rte_eth_rss_conf rss; /* as it must be, if the card spreads frames over several queues */
    uint8_t key[UINT8_MAX];      /* of that */
};

/* ---- receive and transmit ---- */

/* The kernel hands a VLAN tag over beside the frame; on the wire it belongs into it. There is room: the packet has one
 * owner and all of its headroom. */
static bool restore_vlan_slow(struct rte_mbuf **m)
{
    return rte_vlan_insert(m) == 0;
}

static inline bool is_plain(const struct weir_port *port, const struct rte_mbuf *m)
{
    return m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) && m->pool == port->mempool;
}

/* The sum of the pseudo-header stands where that of the whole should: Linux leaves the rest to a card. */
static bool is_unsummed_slow(const struct rte_mbuf *m)
{
    const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
    const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
    const uint8_t *l4 = (const uint8_t *)(ip + 1);
    rte_be16_t sum;
    if (m->data_len < sizeof *ether + sizeof *ip + sizeof(struct rte_tcp_hdr) ||
        ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
        (ip->fragment_offset & ~RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) != 0 ||
        (ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_UDP))
        return false;
    memcpy(&sum,
        l4 + (ip->next_proto_id == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
                                               : offsetof(struct rte_udp_hdr, dgram_cksum)),
        sizeof sum);
    return sum == rte_ipv4_phdr_cksum(ip, 0) &&
           sizeof *ether + rte_be_to_cpu_16(ip->total_length) <= m->data_len &&
           rte_ipv4_udptcp_cksum_verify(ip, l4) != 0;
}

static uint32_t receive(struct weir_port *port, uint16_t queue, struct weir_batch *batch)
{
    const struct device *d = port->state;
    struct weir_port_counters *count = &port->queue[queue];
    struct rte_mbuf *mbufs[WEIR_BATCH];
    uint32_t n = rte_eth_rx_burst(d->id, queue, mbufs, WEIR_BATCH);
    if (n == 0)
        return 0;
    weir_unseen_acquire(port->mempool);
    uint64_t bytes = 0;
    uint32_t oversize = 0;
    for (uint32_t i = 0; i < n; i++)
        rte_prefetch0(mbufs[i]);
    for (uint32_t i = 0; i < n; i++) {
        struct rte_mbuf *m = mbufs[i];
        if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && restore_vlan_slow(&m))
            m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
        m->port = port->index;
        batch->desc[i] = (struct weir_desc){
            .mbuf = m, .length = m->pkt_len & 0xffffff, .key.flags = is_plain(port, m) ? WEIR_DESC_PLAIN : 0};
        bytes += m->pkt_len;
        oversize += m->pkt_len > port->max_frame + WEIR_VLAN_BYTES;
    }
    if (d->driver->rides && is_unsummed_slow(mbufs[0])) /* one of each batch stands for all */
        weir_counter_add(&count->unsummed, 1);
    if (unlikely(oversize != 0))
        weir_counter_add(&count->oversize, oversize);
    weir_counter_add(&count->rx_packets, n);
    weir_counter_add(&count->rx_bytes, bytes);
    return n;
}

static bool ended(const struct weir_port *, uint16_t)
{
    return false;
}

static uint32_t transmit(struct weir_port *port, uint16_t queue, struct rte_mbuf **mbufs, uint32_t n)
{
    const struct device *d = port->state;
    struct weir_port_counters *count = &port->queue[queue];
    uint64_t bytes[WEIR_BATCH + 1]; /* up to each frame: after the call a frame is not ours to look at */
    bytes[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes[i + 1] = bytes[i] + mbufs[i]->pkt_len;
    weir_unseen_release(port->mempool);
    uint32_t taken = rte_eth_tx_burst(d->id, queue, mbufs, (uint16_t)n);
    weir_counter_add(&count->tx_packets, taken);
    weir_counter_add(&count->tx_bytes, bytes[taken]);
    return taken;
}

/* ---- statistics ---- */

static void stats(struct weir_port *port, struct weir_port_stats *s)
{
    struct device *d = port->state;
    struct rte_eth_stats now = {0};
    *s = (struct weir_port_stats){WEIR_NO_SCHEDULE};
    for (uint16_t q = 0; q < WEIR_PORTS_MAX; q++) {
        s->received += weir_counter_read(&port->queue[q].rx_packets);
        s->received_bytes += weir_counter_read(&port->queue[q].rx_bytes);
        s->accepted += weir_counter_read(&port->queue[q].tx_packets);
        s->accepted_bytes += weir_counter_read(&port->queue[q].tx_bytes);
    }
    s->missed = port->past_missed;
    uint64_t errors = port->past_errors;
    /* The driver after our own counters: it knows all errors among those frames, so that no error is ever told as sent.
     * It may know some of frames that are not among them yet; what was told as sent stays sent. */
    if (d != NULL && rte_eth_stats_get(d->id, &now) == 0) {
        errors += d->driver->errors_refused ? 0 : now.oerrors - d->before.oerrors;
        s->missed += now.imissed + now.rx_nombuf - d->before.imissed - d->before.rx_nombuf;
    }
    if (d != NULL && d->driver->blind)
        s->missed = WEIR_UNKNOWN;
    uint64_t most = s->accepted - port->sent_shown;
    s->tx_errors = errors < most ? errors : most;
    port->sent_shown = s->accepted - s->tx_errors;
}

/* ---- set-up ---- */

/* Attach the device; on failure the driver's own words go into the error. */
static int attach(struct weir_port *port, const char *device)
{
    char name[RTE_DEV_NAME_MAX_LEN];
    size_t name_length = strcspn(device, ",");
    snprintf(name, sizeof name, "%.*s", (int)name_length, device);

    char *words = NULL;
    size_t words_length = 0;
    /* Once workers run, one of their drivers may be writing to the stream that would be taken from under it. */
    FILE *log = port->closed ? NULL : open_memstream(&words, &words_length);
    FILE *before = rte_log_get_stream();
    if (log != NULL)
        rte_openlog_stream(log);
    int result =
        rte_eal_hotplug_add("vdev", name, device[name_length] == ',' ? device + name_length + 1 : "");
    if (log != NULL) {
        rte_openlog_stream(before);
        fclose(log);
    }
    if (words != NULL)
        words[strcspn(words, "\n")] = '\0';
    bool privilege = weir_driver_of(device)->needs_privilege && geteuid() != 0;
    if (result != 0)
        result = weir_port_refuse(port, privilege ? -EPERM : -ENODEV, "device %s cannot be opened: %s%s",
            device, words != NULL && words[0] != '\0' ? words : strerror(result < 0 ? -result : EIO),
            privilege ? "; it needs root, or CAP_NET_RAW and CAP_NET_ADMIN" : "");
    free(words);
    return result;
}

/* Many drivers say -1 for any failure; it means permission only where permission is needed and not there. */
static int refuse(struct weir_port *port, int result, const char *device, const char *what)
{
    if (result == -EPERM && (!weir_driver_of(device)->needs_privilege || geteuid() == 0))
        result = -EIO;
    return weir_port_refuse(port, result, "device %s: %s: %s", device, what, strerror(-result));
}

/* net_af_packet cuts what is longer than its slot, which depends on the interface. */
static int check_frame_room(struct weir_port *port, const char *device)
{
    FILE *complaint = fmemopen(port->error, sizeof port->error, "w");
    bool ours = port->mbuf_room > WEIR_MBUF_ROOM &&
                weir_device_framesz(device) == port->mbuf_room; /* see open_interface() */
    bool fine = complaint != NULL && (ours || weir_device_check(device, complaint));
    if (complaint != NULL)
        fclose(complaint);
    if (!fine)
        return -EINVAL;
    if (!weir_device_is_af_packet(device))
        return 0;
    uint32_t most = weir_device_framesz(device) - WEIR_AF_PACKET_AROUND;
    struct weir_interface i = weir_interface_of(device);
    if (i.mtu <= most)
        return 0;
    return weir_port_refuse(port, -EINVAL,
        "device %s: the MTU of %s is %u, frames above %u would be cut; lower it with `ip link set %s mtu %u`",
        device, i.name, i.mtu, most, i.name, most);
}

/* The longest untagged frame that may be handed to the driver. Of a kernel's interface the kernel knows, the driver says
 * 1500; and those drivers send from one buffer. */
static void limit_frames(struct weir_port *port, const char *device, const struct device *d)
{
    struct weir_interface i = weir_interface_of(device);
    uint16_t mtu = 1500;
    rte_eth_dev_get_mtu(d->id, &mtu);
    port->max_frame = (i.mtu != 0 ? i.mtu : mtu) + WEIR_FRAME_AROUND;
    uint32_t room = UINT32_MAX;
    if (weir_device_is_af_packet(device))
        room = weir_device_framesz(device) - WEIR_AF_PACKET_TX_OVERHEAD;
    else if (i.mtu != 0)
        room = port->mbuf_room;
    if (port->max_frame > room - WEIR_VLAN_BYTES)
        port->max_frame = room - WEIR_VLAN_BYTES;
}

/* Several queues, which the card fills: by a hash that is the same for both directions of a flow. A Toeplitz key of 16
 * bits over and over gives that; only what the driver says it has in effect counts. */
static bool wants_rss(const struct weir_port *port, const struct device *d)
{
    return port->queues > 1 && !d->driver->spreads;
}

/* Set and read back while the device runs: many drivers touch their registers no earlier. */
static int check_rss(struct weir_port *port, struct device *d)
{
    uint8_t key[UINT8_MAX] = {0};
    const uint8_t *end = key + d->rss.rss_key_len - 2;
    struct rte_eth_rss_conf now = {.rss_key = key, .rss_key_len = d->rss.rss_key_len};
    int result = rte_eth_dev_rss_hash_update(d->id, &d->rss);
    if (result == 0)
        result = rte_eth_dev_rss_hash_conf_get(d->id, &now);
    if (result == 0 && now.rss_hf != 0 && now.rss_hf == d->rss.rss_hf &&
        memcmp(key, d->key, d->rss.rss_key_len) == 0)
        return 0;
    return weir_port_refuse(port, -ENOTSUP,
        "%u receive queues need symmetric RSS, packet types %#lx with key 6d5a…6d5a; its driver answers "
        "`%s`, %#lx, %02x%02x…%02x%02x; write `queues: 1`, and more workers in a second pool with `shard-by: "
        "flow`",
        port->queues, (unsigned long)d->rss.rss_hf, strerror(-result), (unsigned long)now.rss_hf, key[0],
        key[1], end[0], end[1]);
}

static int configure(struct weir_port *port, const char *device, struct device *d)
{
    struct rte_eth_dev_info about;
    int result = rte_eth_dev_info_get(d->id, &about);
    if (result != 0)
        return refuse(port, result, device, "cannot be asked");
    if (port->tx_queues > about.max_tx_queues)
        return weir_port_refuse(port, -EINVAL,
            "device %s has %u transmit queue%s, but %u workers transmit through it and a queue has one "
            "writer; transmit from a pool of fewer workers%s",
            device, about.max_tx_queues, about.max_tx_queues == 1 ? "" : "s", port->tx_queues,
            d->driver->spreads ? ", or give the device more with qpairs=" : "");
    /* AF_PACKET polls all queues of an interface through one. */
    uint32_t has =
        port->def == &weir_port_interface ? weir_interface_queues(d->interface) : about.max_rx_queues;
    if (port->queues > has || (d->driver->spreads && port->queues != 0 && port->queues < has))
        return weir_port_refuse(port, -EINVAL,
            "device %s has %u receive queue%s, and not %u; write `queues: %u`", device, has,
            has == 1 ? "" : "s", port->queues, has);
    if (d->driver->spreads && port->shared)
        return weir_port_refuse(port, -EINVAL,
            "device %s: the kernel spreads its frames, and may part the two directions of a flow; write "
            "`workers: 1`, which polls all its queues",
            device);
    if (d->driver->spreads && port->closed && port->rx_queues != about.max_rx_queues)
        return weir_port_refuse(port, -EINVAL,
            "device %s has %u receive queues, and the workers poll %u; `ethtool -L`, or start weir anew",
            device, about.max_rx_queues, port->rx_queues);
    if (d->driver->spreads) {
        port->rx_queues = about.max_rx_queues;
        port->tx_queues = about.max_tx_queues;
    }
    if (d->driver->loops)
        port->rx_queues = port->tx_queues; /* what goes out of a queue comes back through its twin */
    if (port->rx_queues > WEIR_PORTS_MAX || port->tx_queues > WEIR_PORTS_MAX)
        return weir_port_refuse(port, -EINVAL, "device %s has %u queues; the most is %u", device,
            port->rx_queues, WEIR_PORTS_MAX);
    struct rte_eth_conf conf = {0};
    if (d->interface[0] == '\0' && port->mtu != 0)
        conf.rxmode.mtu = port->mtu;
    if (wants_rss(port, d)) {
        d->rss.rss_key_len = about.hash_key_size != 0 ? about.hash_key_size : RSS_KEY_BYTES;
        d->rss.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & about.flow_type_rss_offloads;
        for (int i = 0; i < d->rss.rss_key_len; i++)
            d->key[i] = i % 2 == 0 ? 0x6d : 0x5a;
        d->rss.rss_key = d->key;
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf = d->rss;
    }
    result = rte_eth_dev_configure(d->id, port->rx_queues, port->tx_queues, &conf);
    if (result != 0)
        return refuse(port, result, device, "refuses its queues");
    uint16_t rx = RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
    rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &rx, &tx);
    port->tx_rings = 2u * tx * port->tx_queues;
    for (uint16_t q = 0; q < port->rx_queues; q++) {
        result = rte_eth_rx_queue_setup(d->id, q, rx, (unsigned)port->socket, NULL, port->mempool);
        if (result != 0)
            return refuse(port, result, device, "refuses a receive queue");
    }
    for (uint16_t q = 0; q < port->tx_queues; q++) {
        result = rte_eth_tx_queue_setup(d->id, q, tx, (unsigned)port->socket, NULL);
        if (result != 0)
            return refuse(port, result, device, "refuses a transmit queue");
    }
    limit_frames(port, device, d);
    return 0;
}

/* What it counted stays; its name is free for another. */
static void close_device(struct weir_port *port)
{
    struct device *d = port->state;
    struct weir_port_stats last;
    struct rte_eth_dev_info about;
    if (d == NULL ||
        (d->calls &&
            port->closed)) /* until the end stopped is enough, and each memif that is made anew costs memory */
        return;
    stats(port, &last);
    port->past_errors = last.tx_errors;
    port->past_missed = last.missed;
    bool known = rte_eth_dev_info_get(d->id, &about) == 0;
    rte_eth_dev_close(d->id);
    if (known && d->interface[0] != '\0')
        rte_dev_remove(about.device);
    free(d);
    port->state = NULL;
}

static int open_port(struct weir_port *port, const char *device, uint16_t id, struct weir_interface i)
{
    struct device *d = calloc(1, sizeof *d);
    if (d == NULL)
        return refuse(port, -ENOMEM, device, "cannot be kept");
    d->id = id;
    d->driver = weir_driver_of(device);
    d->was_promiscuous = (i.flags & IFF_PROMISC) != 0;
    d->index = i.index;
    d->calls = weir_device_calls(device);
    if (d->driver->rides)
        memcpy(d->interface, i.name, sizeof d->interface);
    port->state = d;
    port->keeps_mbufs |= d->driver->keeps_mbufs;
    int result = configure(port, device, d);
    if (result != 0)
        close_device(port);
    return result;
}

static int open_device(struct weir_port *port, const void *given)
{
    const char *device = given;
    bool known[RTE_MAX_ETHPORTS] = {false};
    for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++)
        known[id] = rte_eth_dev_is_valid_port(id) != 0;
    const struct weir_driver *driver = weir_driver_of(device);
    struct weir_interface i = weir_interface_of(device);
    if (port->state != NULL) /* see close_device() */
        return 0;
    if (driver->rides && i.index == 0) {
        char queues[8];
        if (driver->spreads && weir_device_argument(device, "qpairs", queues, sizeof queues) != NULL)
            port->rx_queues = (uint16_t)strtoul(queues, NULL, 10);
        port->past_missed = driver->blind ? WEIR_UNKNOWN : 0;
        return weir_port_refuse(port, -ENXIO, "there is no interface %s; `ip link` lists them", i.name);
    }
    int result = check_frame_room(port, device);
    if (result == 0)
        result = attach(port, device);
    if (result != 0)
        return result;
    /* A driver may name its port otherwise than the device: take the one that is new. */
    for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++)
        if (!known[id] && rte_eth_dev_is_valid_port(id))
            return open_port(port, device, id, i);
    return refuse(port, -ENODEV, device, "made no port");
}

/* It is there from the start: EAL was told its address (workers/eal.c). */
static int open_pci(struct weir_port *port, const void *given)
{
    const char *address = given;
    uint16_t id;
    if (rte_eth_dev_get_port_by_name(address, &id) == 0)
        return open_port(port, address, id, (struct weir_interface){.name = ""});
    return weir_port_refuse(port, -ENODEV,
        "no driver has the PCI device %s; bind it with `dpdk-devbind.py --bind=vfio-pci %s`, and see with "
        "`log: debug` what DPDK says",
        address, address);
}

/* AF_XDP where the kernel and the interface have it, else AF_PACKET, which every interface has. */
static int open_interface(struct weir_port *port, const void *name)
{
    static const char *const drivers_in_turn[] = {"net_af_xdp", "net_af_packet", NULL};
    char device[128], why[sizeof port->error] = "";
    int result = -ENXIO;
    bool jumbo = port->mbuf_room > WEIR_MBUF_ROOM;
    const uint16_t rx_queues = port->rx_queues, tx_queues = port->tx_queues;
    struct weir_interface i = weir_interface_named(name);
    if (i.index != 0 &&
        (i.flags & IFF_UP) == 0) { /* AF_XDP would fail for now, and AF_PACKET would be for ever */
        port->past_missed = WEIR_UNKNOWN;
        return weir_port_refuse(port, -ENXIO, "interface %s is down; `ip link set %s up`", i.name, i.name);
    }
    if (jumbo)
        snprintf(why, sizeof why, "packet buffers of %u bytes, for the largest MTU, are more than it takes",
            port->mbuf_room);
    for (const char *const *driver = drivers_in_turn + jumbo; *driver != NULL; driver++) {
        snprintf(device, sizeof device, "%s%u,iface=%s", *driver, port->index, (const char *)name);
        size_t n = strlen(device);
        port->rx_queues = rx_queues; /* a driver that failed may have raised them to what it has */
        port->tx_queues = tx_queues;
        if (jumbo) /* a slot is a buffer; a block of the kernel's is some slots */
            snprintf(
                device + n, sizeof device - n, ",framesz=%u,blocksz=%u", port->mbuf_room, port->mbuf_room);
        else if (driver == drivers_in_turn)
            snprintf(device + n, sizeof device - n, ",queue_count=%u", weir_interface_queues(name));
        result = open_device(port, device);
        if (result == 0 || result == -ENXIO || driver[1] == NULL)
            break;
        snprintf(why, sizeof why, "%s", port->error);
    }
    if (result == 0 && why[0] != '\0') {
        port->keeps_mbufs = !jumbo; /* what AF_XDP took before it failed does not come back */
        snprintf(port->warning, sizeof port->warning, "AF_PACKET instead of AF_XDP: %.400s", why);
    }
    return result;
}

static int start(struct weir_port *port, uint64_t)
{
    struct device *d = port->state;
    d->looks_without = 0;
    int type = rte_log_register("pmd.net.memif"), level = rte_log_get_level((uint32_t)type);
    if (d->calls) /* it would say each time that nobody is there */
        rte_log_set_level((uint32_t)type, RTE_LOG_CRIT);
    int result = rte_eth_dev_start(d->id);
    rte_log_set_level((uint32_t)type, (uint32_t)level);
    if (result != 0 && d->calls)
        return weir_port_refuse(port, -ENXIO, "nobody listens at the socket of %s", d->driver->prefix);
    if (result != 0)
        return refuse(port, result, d->driver->prefix, "cannot start");
    result = wants_rss(port, d) ? check_rss(port, d) : 0;
    if (result != 0) {
        rte_eth_dev_stop(d->id);
        return result;
    }
    if (rte_eth_promiscuous_enable(d->id) != 0)
        snprintf(port->warning, sizeof port->warning,
            "%s: cannot be made promiscuous; frames to others are not seen", port->name);
    rte_eth_stats_get(d->id, &d->before);
    return 0;
}

static void stop(struct weir_port *port)
{
    struct device *d = port->state;
    if (d->driver->loops) { /* while it still runs: fetch what waits inside */
        struct rte_mbuf *mbufs[WEIR_BATCH];
        for (uint16_t q = 0; q < port->rx_queues; q++)
            for (uint16_t n; (n = rte_eth_rx_burst(d->id, q, mbufs, WEIR_BATCH)) != 0;)
                rte_pktmbuf_free_bulk(mbufs, n);
    }
    if (!d->was_promiscuous) /* the flag of a kernel's interface outlives us */
        rte_eth_promiscuous_disable(d->id);
    rte_eth_dev_stop(d->id);
}

static enum weir_port_condition condition(struct weir_port *port)
{
    struct device *d = port->state;
    struct rte_eth_link link = {0};
    if (d->interface[0] == '\0') {
        bool down = rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_status == 0;
        d->looks_without = down ? d->looks_without + 1 : 0;
        return !down                                          ? WEIR_PORT_UP
               : d->calls && d->looks_without > LOOKS_WITHOUT ? WEIR_PORT_GONE
                                                              : WEIR_PORT_DOWN;
    }
    struct weir_interface i = weir_interface_named(d->interface);
    if (!i.known)
        return port->condition;
    if (i.index != d->index)
        return WEIR_PORT_GONE;
    return (i.flags & IFF_UP) != 0 && (i.flags & IFF_RUNNING) != 0 ? WEIR_PORT_UP : WEIR_PORT_DOWN;
}

static int set_link(struct weir_port *port, bool up)
{
    const struct device *d = port->state;
    if (d->interface[0] == '\0')
        return up ? rte_eth_dev_set_link_up(d->id) : rte_eth_dev_set_link_down(d->id);
    return weir_interface_set_up(d->interface, up);
}

static void behind(const void *given, char *name, size_t size)
{
    if (weir_device_argument(given, "iface", name, size) == NULL)
        *name = '\0';
}

static void itself(const void *given, char *name, size_t size)
{
    snprintf(name, size, "%s", (const char *)given);
}

static uint32_t mtu_now(const void *given)
{
    return weir_interface_named(given).mtu;
}

/* Twice: what AF_XDP keeps when the interface goes is not there when it comes back. */
static uint32_t mbufs_of_interface(const void *name, uint32_t queues)
{
    return 2 * MBUFS_MAX *
           RTE_MAX(queues, weir_interface_queues(name)); /* it may come with more than it has now */
}

static uint32_t tx_queues_of_interface(const void *name, uint32_t mbuf_room)
{
    if (weir_interface_named(name).index == 0)
        return 0;
    return mbuf_room > WEIR_MBUF_ROOM ? 1 : weir_interface_queues(name); /* see open_interface() */
}

static uint32_t tx_queues_written(const void *device, uint32_t)
{
    const char *key = weir_driver_of(device)->queues;
    char text[8];
    if (key == NULL)
        return 0;
    unsigned long n =
        weir_device_argument(device, key, text, sizeof text) != NULL ? strtoul(text, NULL, 10) : 1;
    return (uint32_t)(n == 0 ? 1 : n < WEIR_PORTS_MAX ? n : WEIR_PORTS_MAX);
}

static uint32_t mbufs_held(const void *device, uint32_t queues)
{
    queues = RTE_MAX(queues, tx_queues_written(device, 0));
    return MBUFS_MAX * RTE_MAX(queues, 1u);
}

#define ON_A_DEVICE                                                                                          \
    .can_transmit = true, .start = start, .stop = stop, .close = close_device, .stats = stats,               \
    .receive = receive, .ended = ended, .transmit = transmit, .condition = condition, .set_link = set_link

const struct weir_port_def weir_port_vdev = {
    .kind = "vdev",
    .help = "any DPDK device string, such as net_af_packet0,iface=eth1",
    .check = weir_device_check,
    .open = open_device,
    .mbufs = mbufs_held,
    .rss = true,
    .tx_queues = tx_queues_written,
    .device = behind,
    ON_A_DEVICE,
};

const struct weir_port_def weir_port_pci = {
    .kind = "pci",
    .help = "a network card that vfio-pci or uio has, by its address, such as 0000:3b:00.0",
    .check = weir_address_check,
    .open = open_pci,
    .mbufs = mbufs_held,
    .rss = true,
    .device = itself,
    ON_A_DEVICE,
};

const struct weir_port_def weir_port_interface = {
    .kind = "interface",
    .help = "an interface of the kernel, through AF_XDP, else AF_PACKET",
    .check = weir_interface_check,
    .open = open_interface,
    .mbufs = mbufs_of_interface,
    .tx_queues = tx_queues_of_interface,
    .device = itself,
    .mtu = mtu_now,
    ON_A_DEVICE,
};
