/* SPDX-License-Identifier: BSD-3-Clause */
/* validate: parse every frame, write its key and hash, drop what lies about itself. */
#include <rte_mbuf.h>

#include "dataplane/parse.h"
#include "dataplane/stages/list.h"

/* Where the headers of a chained packet are gathered. */
#define HEADERS_MAX 512

enum { NON_IP_PASS, NON_IP_DROP };
static const char *const non_ip_words[] = {"pass", "drop", NULL};

struct validate_params {
    uint64_t non_ip;
};

static const struct weir_param validate_param_table[] = {
    {.key = "non-ip",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct validate_params, non_ip),
        .unset = "pass",
        .words = non_ip_words,
        .help = "Frames that carry neither IPv4 nor IPv6 (ARP, LLDP, …): pass or drop them."},
    {0},
};

/* Drop reason = parse reason - 1, and after the last one: */
#define REASON_NON_IP (WEIR_PARSE_REASONS_END - 1)
static const char *const validate_reasons[] = {
#define NAME(reason, text) text,
    WEIR_PARSE_REASONS(NAME)
#undef NAME
        "non_ip",
    NULL,
};

enum { IP_PACKETS, IP_BYTES };
static const char *const validate_counters[] = {"ip_packets", "IPv4 and IPv6 packets, invalid ones included.",
    "ip_bytes", "Layer-2 bytes of those packets, as long as they were on the wire.", NULL};

/* The general parser, over as many segments as the headers need. */
static enum weir_parse_reason parse_slow(const uint64_t hash_key[4], struct weir_desc *d)
{
    const struct rte_mbuf *m = d->mbuf;
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    enum weir_parse_reason reason = weir_parse_slow(frame, m->data_len, d->length, hash_key, d);
    bool cut = reason == WEIR_PARSE_HEADER_BEYOND_CAPTURE || reason == WEIR_PARSE_LINK_BEYOND_CAPTURE;
    if (!cut || m->pkt_len <= m->data_len)
        return reason;
    uint8_t headers[HEADERS_MAX];
    uint32_t captured = m->pkt_len < HEADERS_MAX ? m->pkt_len : HEADERS_MAX;
    frame = rte_pktmbuf_read(m, 0, captured, headers);
    return weir_parse_slow(frame, captured, d->length, hash_key, d);
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
            enum weir_parse_reason reason = parse_slow(s->env->hash_key, d);
            bool ip = weir_parse_is_ip(reason, &d->key);
            weir_counter_add(&s->counts[IP_PACKETS], ip);
            weir_counter_add(&s->counts[IP_BYTES], ip ? d->length : 0);
            if (reason != WEIR_PARSE_OK) {
                weir_stage_drop(s, d, reason - 1);
                continue;
            }
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
    const uint64_t *hash_key = s->env->hash_key;
    uint32_t n = batch->n, odd = 0;
    uint64_t quick_bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(rte_pktmbuf_mtod(batch->desc[i].mbuf, const void *));
    for (uint32_t i = 0; i < n; i++) {
        struct weir_desc *d = &batch->desc[i];
        const struct rte_mbuf *m = d->mbuf;
        uint32_t length = d->length;
        if (__builtin_expect(
                weir_parse_quick(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, length, hash_key, d), 1))
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
