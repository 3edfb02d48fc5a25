/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/traffic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "dataplane/stamp.h"

enum { UDP, TCP, ICMP };
enum { VALID, ANY, FIRST_LIE };

const char *const weir_size_words[] = {"imix", NULL};
const char *const weir_version_words[] = {"ipv4", "ipv6", NULL};
const char *const weir_protocol_words[] = {"udp", "tcp", "icmp", NULL};
const char *const weir_vlan_words[] = {"none", NULL};
const char *const weir_port_words[] = {"any", NULL};

static const uint8_t layer4_bytes[] = {[UDP] = 8, [TCP] = 20, [ICMP] = 8};

/* ---- what is wrong with a malformed frame: what is written over one of UDP ---- */

struct lie {
    const char *reason; /* of the parser */
    bool v6;
    uint8_t length;
    struct patch {
        uint8_t at, times, n;
        const char *bytes;
    } patches[3];
    uint8_t spoilt; /* a checksum that is made wrong; 0 = none */
};

#define P(at, bytes) R(at, 1, bytes)
#define R(at, times, bytes)                                                                                  \
    {                                                                                                        \
        at, times, sizeof(bytes) - 1, bytes                                                                  \
    }
/* clang-format off */
#define LIES(row)                                                                                                      \
    row("frame_short", false, 13)                                                                                      \
    row("vlan_header_short", false, 16, {P(12, "\x81\x00")})                                                           \
    row("vlan_too_deep", false, 60, {R(12, 5, "\x81\x00\x00\x01")})                                                    \
    row("mpls_header_short", false, 16, {P(12, "\x88\x47")})                                                           \
    row("mpls_too_deep", false, 60, {P(12, "\x88\x47"), R(14, 9, "\x00\x01\x00\x40")})                                 \
    row("pppoe_header_short", false, 18, {P(12, "\x88\x64\x11\x00\x00\x01")})                                          \
    row("pppoe_version", false, 60, {P(12, "\x88\x64\x21\x00\x00\x01\x00\x16")})                                       \
    row("pppoe_length_short", false, 60, {P(12, "\x88\x64\x11\x00\x00\x01\x00\x01")})                                  \
    row("pppoe_length_beyond_frame", false, 60, {P(12, "\x88\x64\x11\x00\x00\x01\xff\xff\x00\x21")})                   \
    row("arp_header_short", false, 20, {P(12, "\x08\x06\x00\x01\x08\x00\x06\x04")})                                    \
    row("arp_address_length", false, 60, {P(12, "\x08\x06\x00\x01\x08\x00\x05\x04\x00\x01")})                          \
    row("arp_addresses_beyond_frame", false, 30, {P(12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01")})                  \
    row("ip_version", false, 60, {P(14, "\x55")})                                                                      \
    row("ipv4_header_short", false, 30)                                                                                \
    row("ihl_short", false, 60, {P(14, "\x44")})                                                                       \
    row("ihl_beyond_frame", false, 60, {P(14, "\x4f")})                                                                \
    row("total_length_short", false, 60, {P(16, "\x00\x0a")})                                                          \
    row("total_length_beyond_frame", false, 60, {P(16, "\xff\xff")})                                                   \
    row("ipv4_options_lie", false, 60, {P(14, "\x46"), P(34, "\x07\x28\x04\x00")})                                     \
    row("ipv6_header_short", true, 40)                                                                                 \
    row("payload_length_beyond_frame", true, 78, {P(18, "\xff\xff")})                                                  \
    row("ext_header_short", true, 78, {P(20, "\x3c"), P(54, "\x11\xff\x01\x04\x00\x00\x00\x00")})                      \
    row("ext_chain_too_long", true, 134, {P(20, "\x3c"), R(54, 9, "\x3c\x00\x01\x04\x00\x00\x00\x00")})                \
    row("ext_hop_by_hop_late", true, 78, {P(20, "\x3c"), P(54, "\x00\x00\x01\x04\x00\x00\x00\x00"),                    \
        P(62, "\x11\x00\x01\x04\x00\x00\x00\x00")})                                                                    \
    row("ext_options_lie", true, 78, {P(20, "\x3c"), P(54, "\x11\x00\x01\xc8\x00\x00\x00\x00")})                       \
    row("fragment_empty", false, 60, {P(16, "\x00\x14"), P(20, "\x20\x00")})                                           \
    row("fragment_unaligned", false, 60, {P(16, "\x00\x21"), P(20, "\x20\x00")})                                       \
    row("fragment_beyond_64k", false, 60, {P(20, "\x1f\xff")})                                                         \
    row("ah_header_short", false, 60, {P(16, "\x00\x1c"), P(23, "\x33")})                                              \
    row("ah_length_lies", false, 60, {P(23, "\x33"), P(34, "\x11\x00")})                                               \
    row("esp_header_short", false, 60, {P(16, "\x00\x18"), P(23, "\x32")})                                             \
    row("tcp_header_short", false, 60, {P(16, "\x00\x1e"), P(23, "\x06")})                                             \
    row("doff_lies", false, 60, {P(23, "\x06"), P(46, "\x40\x10")})                                                    \
    row("udp_header_short", false, 60, {P(16, "\x00\x18")})                                                            \
    row("udp_length_short", false, 60, {P(38, "\x00\x04")})                                                            \
    row("udp_length_beyond_packet", false, 60, {P(38, "\xff\xff")})                                                    \
    row("sctp_header_short", false, 60, {P(16, "\x00\x1c"), P(23, "\x84")})                                            \
    row("icmp_header_short", false, 60, {P(16, "\x00\x18"), P(23, "\x01"), P(34, "\x08\x00\x00\x00")})                 \
    row("icmp6_header_short", true, 78, {P(18, "\x00\x02"), P(20, "\x3a"), P(54, "\x80\x00\x00\x00")})                 \
    row("igmp_header_short", false, 60, {P(16, "\x00\x18"), P(23, "\x02"), P(34, "\x11\x00\x00\x00")})                 \
    row("gre_header_short", false, 60, {P(16, "\x00\x16"), P(23, "\x2f"), P(34, "\x00\x00\x08\x00")})                  \
    row("ip_checksum_bad", false, 60, .spoilt = 24)                                                                    \
    row("l4_checksum_bad", false, 60, .spoilt = 40)
/* clang-format on */

#define LIE(name, six, bytes, ...) {.reason = name, .v6 = six, .length = bytes, __VA_ARGS__},
static const struct lie lies[] = {LIES(LIE)};
#undef LIE
#define WORD(reason, ...) reason,
const char *const weir_malformed_words[] = {"valid", "any", LIES(WORD) NULL};
#undef WORD
#define N_LIES (sizeof lies / sizeof lies[0])

/* ---- draws ---- */

/* The next from `i` on that has less than its slot holds, or not. */
static uint32_t next(const double *weights, uint32_t i, uint32_t n, bool less)
{
    while (i < n && (weights[i] < 1) != less)
        i++;
    return i;
}

void weir_pick_init(struct weir_pick *p, struct weir_pick_slot *slots, double *weights, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        weights[i] *= n / sum;
        slots[i] = (struct weir_pick_slot){UINT32_MAX, i};
    }
    *p = (struct weir_pick){n, slots};
    /* Who has less than a slot is filled up by one who has more. A giver that falls below takes at once if the scan for
     * takers has passed it, else when it comes there. */
    uint32_t scan = next(weights, 0, n, true), giver = next(weights, 0, n, false), taker = scan;
    while (taker < n && giver < n) {
        slots[taker] = (struct weir_pick_slot){(uint32_t)(fmax(weights[taker], 0) * 0x1p32), giver};
        weights[giver] -= 1 - weights[taker];
        uint32_t fell = weights[giver] < 1 ? giver : n;
        if (fell != n)
            giver = next(weights, giver + 1, n, false);
        if (fell >= scan)
            scan = next(weights, scan + 1, n, true);
        taker = fell < scan && fell != n ? fell : scan;
    }
}

static void choose_of(struct weir_choice *c, const struct weir_weight *of, uint32_t n)
{
    double weights[WEIR_CHOICES_MAX];
    for (uint32_t i = 0; i < n; i++) {
        c->low[i] = (uint16_t)(of[i].high != 0 ? of[i].low : of[i].word);
        c->more[i] = (uint16_t)(of[i].high - of[i].low);
        weights[i] = (double)of[i].weight;
    }
    weir_pick_init(&c->pick, c->slots, weights, n);
}

/* Returns the mean. imix: 64, 594 and 1518 bytes on the wire with FCS, 7:4:1. */
static double choose_size(struct weir_choice *c, const struct weir_weights *w)
{
    static const struct weir_weight imix[] = {{60, 60, 0, 7}, {590, 590, 0, 4}, {1514, 1514, 0, 1}};
    struct weir_weight of[WEIR_CHOICES_MAX];
    double sum = 0, weights = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        bool word = w->of[i].high == 0;
        for (uint32_t k = 0; k < (word ? 3 : 1); k++, n++) {
            of[n] = word ? imix[k] : w->of[i];
            of[n].weight = w->of[i].weight * (word ? imix[k].weight : 12);
            sum += (double)(of[n].low + of[n].high) / 2 * (double)of[n].weight;
            weights += (double)of[n].weight;
        }
    }
    choose_of(c, of, n);
    return sum / weights;
}

static bool is_first_word(const struct weir_weights *w)
{
    return w->n == 1 && w->of[0].high == 0 && w->of[0].word == 0;
}

/* ---- one frame ---- */

static uint32_t headers(const struct weir_frame *frame)
{
    uint32_t tags = (frame->tag[0] != 0) + (uint32_t)(frame->tag[1] != 0);
    return 14 + 4 * tags + (frame->v6 ? 40 : 20) + layer4_bytes[frame->protocol];
}

uint32_t weir_frame_payload(const struct weir_frame *frame)
{
    return frame->length - headers(frame);
}

void weir_frame_draw_slow(const struct weir_frames *f, uint64_t k, struct weir_frame *to)
{
    uint64_t random = weir_frame_random(f, k), more = weir_mix(random);
    uint64_t born = (uint64_t)((unsigned __int128)k * f->churn >> 64);
    uint32_t flow = f->sequential              ? (uint32_t)(k % f->flows)
                    : f->popular.slots != NULL ? weir_pick(&f->popular, random)
                                               : (uint32_t)((random >> 32) * f->flows >> 32);
    /* They end in turn, and another takes the number. */
    to->flow = flow | (born / f->flows + (flow < born % f->flows)) << 32;
    to->length = weir_choose(&f->size, more);
    to->lie = 0;
    if (f->lies) {
        to->lie = weir_choose(&f->malformed, weir_mix(~more));
        if (to->lie == ANY)
            to->lie = FIRST_LIE + (uint32_t)((weir_mix(more) >> 32) * N_LIES >> 32);
    }
    uint64_t kind = weir_mix(~weir_mix(to->flow ^ f->seed));
    to->v6 = weir_choose(&f->version, kind) != 0;
    to->protocol = (uint8_t)weir_choose(&f->protocol, kind = weir_mix(kind));
    to->tag[0] = (uint16_t)weir_choose(&f->service_vlan, kind = weir_mix(kind));
    to->tag[1] = (uint16_t)weir_choose(&f->vlan, weir_mix(kind));
    if (to->lie != VALID) {
        to->length = lies[to->lie - FIRST_LIE].length;
        return;
    }
    uint32_t tags = 4u * ((to->tag[0] != 0) + (uint32_t)(to->tag[1] != 0));
    uint32_t least = headers(to) + (uint32_t)sizeof(struct weir_stamp);
    least = least > WEIR_FRAME_MIN + tags ? least : WEIR_FRAME_MIN + tags;
    to->length = to->length > least ? to->length : least;
}

static inline void put_stamp(const struct weir_frames *f, uint64_t flow, uint64_t sequence, uint8_t *to)
{
    uint32_t number =
        (uint32_t)flow + (flow >> 32 & 1 ? f->flows : 0); /* what ends and what follows are two */
    const struct weir_stamp stamp = {WEIR_STAMP_MAGIC, f->port, number, sequence};
    memcpy(to, &stamp, sizeof stamp);
}

/* Of payload only the stamp is not zero. */
static uint32_t sum_layer4(const uint8_t *layer4, uint32_t header, uint32_t bytes)
{
    uint32_t stamp = rte_raw_cksum(layer4 + bytes - sizeof(struct weir_stamp), sizeof(struct weir_stamp));
    bool odd = (bytes - sizeof(struct weir_stamp)) % 2 != 0;
    return rte_raw_cksum(layer4, header) + (odd ? rte_bswap16((uint16_t)stamp) : stamp);
}

static void put_checksum(uint8_t *to, uint32_t sum)
{
    uint16_t folded = (uint16_t)~weir_fold(sum);
    memcpy(to, &folded, sizeof folded);
}

static void write_ip(
    const struct weir_frame *frame, const struct weir_flow_names *n, uint8_t *ip, uint32_t payload)
{
    static const uint8_t ids[2][3] = {{17, 6, 1}, {17, 6, 58}};
    uint8_t id = ids[frame->v6][frame->protocol];
    if (frame->v6) {
        static const uint8_t network[2][8] = {{0xfd, 0, 0, 0, 0, 0, 0, 1}, {0xfd, 0, 0, 0, 0, 0, 0, 2}};
        memset(ip, 0, 40);
        ip[0] = 0x60;
        weir_put16(ip + 4, payload);
        ip[6] = id;
        ip[7] = 64;
        memcpy(ip + 8, network[0], 8);
        weir_put32(ip + 20, n->source);
        memcpy(ip + 24, network[1], 8);
        weir_put32(ip + 36, n->target);
        return;
    }
    memset(ip, 0, 12);
    ip[0] = 0x45;
    weir_put16(ip + 2, 20 + payload);
    ip[8] = 64;
    ip[9] = id;
    weir_put32(ip + 12, n->source);
    weir_put32(ip + 16, n->target);
    put_checksum(ip + 10, rte_raw_cksum(ip, 20));
}

static void write_layer4(const struct weir_frame *frame, const struct weir_flow_names *n, uint64_t sequence,
    uint32_t sent, uint8_t *p, uint32_t bytes, uint32_t pseudo)
{
    uint32_t header = layer4_bytes[frame->protocol];
    uint8_t *checksum = p + (frame->protocol == UDP ? 6 : frame->protocol == TCP ? 16 : 2);
    memset(p, 0, header);
    if (frame->protocol == ICMP) {
        p[0] = frame->v6 ? 128 : 8; /* echo request */
        weir_put16(p + 4, n->source_port);
        weir_put16(p + 6, (uint16_t)sequence);
        pseudo = frame->v6 ? pseudo : 0;
    } else {
        weir_put16(p, n->source_port);
        weir_put16(p + 2, n->target_port);
    }
    if (frame->protocol == UDP) {
        weir_put16(p + 4, bytes);
    } else if (frame->protocol == TCP) {
        weir_put32(p + 4, n->target + sent); /* it begins somewhere */
        weir_put32(p + 8, 1);
        memcpy(p + 12, (const uint8_t[]){0x50, 0x10, 0xff, 0xff}, 4); /* ACK, a full window */
    }
    put_checksum(checksum, pseudo + sum_layer4(p, header, bytes));
    if (frame->protocol == UDP && (checksum[0] | checksum[1]) == 0)
        memset(checksum, 0xff, 2); /* 0 would say that there is none */
}

static void write_true(const struct weir_frames *f, const struct weir_frame *frame, uint64_t sequence,
    uint32_t sent, uint8_t *to)
{
    struct weir_flow_names n = weir_flow_names_of(f, frame->flow);
    uint8_t *p = to + 12;
    uint32_t port = weir_choose(&f->to_port, weir_mix(~weir_mix(~(frame->flow ^ f->seed))));
    n.target_port = port != 0 ? (uint16_t)port : n.target_port;
    memcpy(to, f->header, 12);
    for (uint32_t i = 0; i < 2; i++) {
        if (frame->tag[i] == 0)
            continue;
        weir_put16(p, i == 0 ? 0x88a8 : 0x8100);
        weir_put16(p + 2, frame->tag[i]);
        p += 4;
    }
    weir_put16(p, frame->v6 ? 0x86dd : 0x0800);
    p += 2;
    uint32_t bytes = frame->length - (uint32_t)(p - to) - (frame->v6 ? 40 : 20);
    write_ip(frame, &n, p, bytes);
    uint32_t pseudo = frame->v6 ? rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)p, 0)
                                : rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)p, 0);
    p += frame->v6 ? 40 : 20;
    uint32_t header = layer4_bytes[frame->protocol];
    memset(p + header, 0, bytes - header - sizeof(struct weir_stamp));
    if (frame->lie == VALID)
        put_stamp(f, frame->flow, sequence, to + frame->length - sizeof(struct weir_stamp));
    else
        memset(to + frame->length - sizeof(struct weir_stamp), 0, sizeof(struct weir_stamp));
    write_layer4(frame, &n, sequence, sent, p, bytes, pseudo);
}

static void write_lie(const struct weir_frames *f, const struct weir_frame *frame, uint8_t *to)
{
    const struct lie *lie = &lies[frame->lie - FIRST_LIE];
    struct weir_frame base = {.flow = frame->flow, .v6 = lie->v6, .lie = frame->lie};
    uint8_t whole[256];
    uint32_t least = lie->v6 ? 78 : WEIR_FRAME_MIN;
    base.length = lie->length > least ? lie->length : least;
    write_true(f, &base, 0, 0, whole);
    for (const struct patch *p = lie->patches; p < lie->patches + 3; p++)
        for (uint32_t i = 0; i < p->times; i++)
            memcpy(whole + p->at + i * p->n, p->bytes, p->n);
    if (!lie->v6 && whole[12] == 0x08 && whole[13] == 0) { /* no other lie than the one it is made for */
        memset(whole + 24, 0, 2);
        put_checksum(whole + 24, rte_raw_cksum(whole + 14, whole[14] == 0x46 ? 24 : 20));
    }
    uint8_t *spoilt = whole + lie->spoilt;
    if (lie->spoilt != 0) {
        spoilt[0] ^= 0x55;
        spoilt[1] |= (spoilt[0] | spoilt[1]) == 0; /* 0 would say that there is none */
    }
    memcpy(to, whole, lie->length);
}

void weir_frame_write(const struct weir_frames *f, const struct weir_frame *frame, uint64_t sequence,
    uint32_t sent, uint8_t *to)
{
    if (frame->lie != VALID)
        write_lie(f, frame, to);
    else
        write_true(f, frame, sequence, sent, to);
}

/* ---- set-up ---- */

/* Headers, tags and the stamp make frames longer than their size says, and a lie has a length of its own. */
static double mean_drawn(const struct weir_frames *f)
{
    const uint64_t n = 1 << 14;
    double sum = 0;
    for (uint64_t k = 0; k < n; k++) {
        struct weir_frame frame;
        weir_frame_draw(f, k, false, &frame);
        sum += frame.length;
    }
    return sum / (double)n;
}

bool weir_frames_init(struct weir_frames *f, const struct weir_frames_params *p, uint64_t seed, uint16_t port,
    struct weir_pick_slot *popular)
{
    static const uint8_t header[WEIR_SIMPLE_HEADER] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08,
        0, /* locally administered addresses, IPv4 */
        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17};
    *f = (struct weir_frames){.seed = weir_mix(seed ^ weir_mix(port)),
        .port = port,
        .flows = (uint32_t)p->flows,
        .sequential = p->order == WEIR_ORDER_SEQUENTIAL,
        .lies = !is_first_word(&p->malformed)};
    memcpy(f->header, header, sizeof header);
    f->header[4] = f->header[10] = (uint8_t)port;
    f->mean_bytes = choose_size(&f->size, &p->size);
    f->only_size = f->size.pick.n == 1 && f->size.more[0] == 0 ? f->size.low[0] : 0;
    const struct weir_weights *weights[] = {
        &p->versions, &p->protocols, &p->vlans, &p->service_vlans, &p->to_ports, &p->malformed};
    struct weir_choice *choices[] = {
        &f->version, &f->protocol, &f->vlan, &f->service_vlan, &f->to_port, &f->malformed};
    f->simple = !f->sequential && p->skew == 0;
    for (uint32_t i = 0; i < RTE_DIM(choices); i++) {
        choose_of(choices[i], weights[i]->of, (uint32_t)weights[i]->n);
        f->simple &= is_first_word(weights[i]);
    }
    if (p->skew != 0) {
        double *weights_of = malloc(p->flows * sizeof *weights_of);
        if (weights_of == NULL)
            return false;
        for (uint32_t i = 0; i < f->flows; i++)
            weights_of[i] = pow(i + 1.0, -(double)p->skew / 1000);
        weir_pick_init(&f->popular, popular, weights_of, f->flows);
        free(weights_of);
    }
    if (!f->simple)
        f->mean_bytes = mean_drawn(f);
    return true;
}
