/* SPDX-License-Identifier: BSD-3-Clause */
/* validate: parse every frame, write its key and hash, drop what lies about itself. */
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/parse.h"
#include "dataplane/stages/list.h"

enum { NON_IP_PASS, NON_IP_DROP };
static const char *const non_ip_words[] = {"pass", "drop", NULL};
enum { DROP, PASS };
static const char *const policy_words[] = {"drop", "pass", NULL};
enum { OUTER, INNER };
static const char *const key_words[] = {"outer", "inner", NULL};
enum { CARD, VERIFY };
static const char *const checksums_words[] = {"card", "verify", NULL};

struct validate_params {
    uint64_t non_ip, key, checksums;
    uint64_t policy[WEIR_PARSE_REASONS_END];
};

/* clang-format off */
#define WORD(name, member, usual, list, text)                                                                          \
    {.key = name, .type = WEIR_PARAM_WORD, .offset = offsetof(struct validate_params, member), .unset = usual,         \
        .words = list, .help = text}
#define POLICY(NAME, text, usual, meaning) WORD(text, policy[WEIR_PARSE_##NAME], usual, policy_words, meaning),
/* clang-format on */

static const struct weir_param validate_param_table[] = {
    WORD("non-ip", non_ip, "pass", non_ip_words,
        "Frames that carry neither IPv4 nor IPv6 (ARP, LLDP, …): pass or drop them."),
    WORD("key", key, "outer", key_words,
        "The flow of a packet in a tunnel (GRE, VXLAN, GENEVE, GTP-U, IP in IP). outer: that of the tunnel. "
        "inner: that inside of it, one tunnel deep, where it is valid IP."),
    WORD("checksums", checksums, "card", checksums_words,
        "Who finds bad checksums. card: the network card, if it does. verify: they are verified here, too, "
        "which reads all of every packet."),
    WEIR_PARSE_REASONS(POLICY)
    /* the end */
    {0},
};

/* Drop reason = parse reason - 1, and after the last one: */
#define REASON_NON_IP (WEIR_PARSE_REASONS_END - 1)
static const char *const validate_reasons[] = {
#define NAME(reason, text, ...) text,
    WEIR_PARSE_REASONS(NAME)
#undef NAME
        "non_ip",
    NULL,
};

/* Passed although invalid: PASSED + parse reason - 1. */
enum { IP_PACKETS, IP_BYTES, PASSED };
static const char *const validate_counters[] = {"ip_packets", "IPv4 and IPv6 packets, invalid ones included.",
    "ip_bytes", "Layer-2 bytes of those packets, as long as they were on the wire.",
#define COUNTER(reason, text, unset, help) "passed_" text, "Passed although invalid. " help,
    WEIR_PARSE_REASONS(COUNTER)
#undef COUNTER
        NULL};

#define CARD_SAYS_BAD (RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD)

static enum weir_parse_reason card_says(uint64_t flags)
{
    return (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD   ? WEIR_PARSE_IP_CHECKSUM_BAD
           : (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD ? WEIR_PARSE_L4_CHECKSUM_BAD
                                                                                 : WEIR_PARSE_OK;
}

/* Of a part of a packet. rte_raw_cksum_mbuf() of DPDK 22.11 drops carries behind a segment of odd length. */
static uint32_t sum_of(const struct rte_mbuf *m, uint32_t offset, uint32_t length)
{
    uint32_t sum = 0;
    for (bool odd = false; length != 0; m = m->next) {
        if (offset >= m->data_len) {
            offset -= m->data_len;
            continue;
        }
        uint32_t part = m->data_len - offset < length ? m->data_len - offset : length;
        uint16_t raw = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, offset), part);
        sum += odd ? rte_bswap16(raw) : raw;
        odd ^= part & 1;
        length -= part;
        offset = 0;
    }
    return sum;
}

/* The Internet checksum over the pseudo header and all of layer 4. What cannot be verified is not bad: a cut capture, UDP
 * without a checksum, SCTP. */
static bool layer4_checksum_bad(const struct rte_mbuf *m, const struct weir_parse_layer4 *l)
{
    uint8_t buffer[32];
    uint32_t length = l->end - l->offset, sum = 0;
    if (l->offset == 0 || m->pkt_len < l->end)
        return false;
    if (l->protocol == WEIR_PROTOCOL_UDP) {
        const uint8_t *udp = rte_pktmbuf_read(m, l->offset, 8, buffer);
        if (weir_parse_u16(udp + 6) == 0)
            return false;
        length = weir_parse_be16(udp + 4) != 0 ? weir_parse_be16(udp + 4) : length;
    }
    switch (l->protocol) {
    case WEIR_PROTOCOL_TCP:
    case WEIR_PROTOCOL_UDP:
    case WEIR_PROTOCOL_ICMP6:
        if (l->address_bytes == 0)
            return false;
        sum = rte_raw_cksum(
            rte_pktmbuf_read(m, l->addresses, 2u * l->address_bytes, buffer), 2u * l->address_bytes);
        sum += (uint32_t)rte_cpu_to_be_16(l->protocol) + rte_cpu_to_be_16((uint16_t)(length >> 16)) +
               rte_cpu_to_be_16((uint16_t)length);
        break;
    case WEIR_PROTOCOL_ICMP:
        break;
    default:
        return false;
    }
    sum += sum_of(m, l->offset, length);
    return (sum & 0xffff) + (sum >> 16) != 0xffff;
}

/* The general parser, over as many segments as the headers need, and checksums. */
static enum weir_parse_reason parse_slow(const struct weir_stage *s, struct weir_desc *d)
{
    const struct validate_params *params = s->params;
    const struct rte_mbuf *m = d->mbuf;
    bool verify = params->checksums == VERIFY;
    struct weir_parse_layer4 layer4;
    uint8_t headers[WEIR_PARSE_HEADERS_MAX];
    uint32_t captured = m->pkt_len < sizeof headers ? m->pkt_len : (uint32_t)sizeof headers;
    enum weir_parse_reason reason = weir_parse_slow(rte_pktmbuf_read(m, 0, captured, headers), captured,
        d->length, s->env->hash_key, params->key == INNER, verify ? &layer4 : NULL, d);
    if (reason == WEIR_PARSE_OK)
        reason = card_says(m->ol_flags);
    if (reason == WEIR_PARSE_OK && verify)
        reason = layer4.ip_checksum_bad            ? WEIR_PARSE_IP_CHECKSUM_BAD
                 : layer4_checksum_bad(m, &layer4) ? WEIR_PARSE_L4_CHECKSUM_BAD
                                                   : WEIR_PARSE_OK;
    return reason;
}

/* Some packets of the batch, the bits of `odd`, were not for the quick parser: parse those, drop the bad
 * ones, close the gaps. */
static void validate_odd_slow(struct weir_stage *s, struct weir_batch *batch, uint32_t odd)
{
    const struct validate_params *params = s->params;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        if (odd >> i & 1) {
            enum weir_parse_reason reason = parse_slow(s, d);
            bool ip = weir_parse_is_ip(reason, &d->key);
            weir_counter_add(&s->counts[IP_PACKETS], ip);
            weir_counter_add(&s->counts[IP_BYTES], ip ? d->length : 0);
            if (reason != WEIR_PARSE_OK && params->policy[reason] == DROP) {
                weir_stage_drop(s, d, reason - 1);
                continue;
            }
            if (reason != WEIR_PARSE_OK)
                weir_counter_add(&s->counts[PASSED + reason - 1], 1);
            if (!ip && params->non_ip == NON_IP_DROP) {
                weir_stage_drop(s, d, REASON_NON_IP);
                continue;
            }
        }
        batch->desc[kept++] = *d;
    }
    batch->n = kept;
}

static void validate_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct validate_params *params = s->params;
    const uint64_t *hash_key = s->env->hash_key;
    uint64_t more = params->key | params->checksums; /* what only the general parser does */
    uint32_t n = batch->n, odd = 0;
    uint64_t quick_bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(rte_pktmbuf_mtod(batch->desc[i].mbuf, const void *));
    for (uint32_t i = 0; i < n; i++) {
        struct weir_desc *d = &batch->desc[i];
        const struct rte_mbuf *m = d->mbuf;
        uint32_t length = d->length;
        if (__builtin_expect(
                ((m->ol_flags & CARD_SAYS_BAD) | more) == 0 &&
                    weir_parse_quick(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, length, hash_key, d),
                1))
            quick_bytes += length;
        else
            odd |= 1u << i;
    }
    weir_counter_add(&s->counts[IP_PACKETS], n - (uint32_t)__builtin_popcount(odd));
    weir_counter_add(&s->counts[IP_BYTES], quick_bytes);
    if (__builtin_expect(odd, 0))
        validate_odd_slow(s, batch, odd);
}
static_assert(WEIR_BATCH <= 32, "a bit a packet");

const struct weir_stage_def weir_stage_validate = {
    .name = "validate",
    .help = "Parse each frame, find its flow, drop what is malformed.",
    .params = validate_param_table,
    .params_size = sizeof(struct validate_params),
    .reasons = validate_reasons,
    .counters = validate_counters,
    .makes_key = true,
    .process = validate_process,
};
