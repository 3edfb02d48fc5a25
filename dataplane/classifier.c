/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/classifier.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

/* ---- simple expressions: alternatives, each one look-up ---- */

#define ALTERNATIVES_MAX 64

enum { SOURCE = 1, TARGET = 2 };

/* What one alternative is true of: any of what is set. */
struct alternative {
    bool ether, v4, v6;  /* `value` is the EtherType; the protocol of IPv4, of IPv6 */
    unsigned transports; /* a bit each; `value` is the port */
    unsigned ends;       /* SOURCE, TARGET */
    uint16_t value;
};

static const struct {
    const char *word;
    struct alternative is;
} words[] = {
    {"arp", {.ether = true, .value = 0x0806}},
    {"ip", {.ether = true, .value = 0x0800}},
    {"ip6", {.ether = true, .value = 0x86dd}},
    {"icmp", {.v4 = true, .value = 1}},
    {"igmp", {.v4 = true, .value = 2}},
    {"icmp6", {.v6 = true, .value = 58}},
    {"tcp", {.v4 = true, .v6 = true, .value = WEIR_PROTOCOL_TCP}},
    {"udp", {.v4 = true, .v6 = true, .value = WEIR_PROTOCOL_UDP}},
    {"sctp", {.v4 = true, .v6 = true, .value = WEIR_PROTOCOL_SCTP}},
};
static const struct {
    const char *word;
    uint8_t protocol;
} transports[] = {
    {NULL, 0}, {"tcp", WEIR_PROTOCOL_TCP}, {"udp", WEIR_PROTOCOL_UDP}, {"sctp", WEIR_PROTOCOL_SCTP}};
#define TRANSPORTS (sizeof transports / sizeof transports[0])

static bool number(const char *text, uint32_t least, uint32_t most, uint16_t *to)
{
    char *end;
    unsigned long value = *text >= '0' && *text <= '9' ? strtoul(text, &end, 0) : ULONG_MAX;
    if (value < least || value > most || *end != '\0')
        return false;
    *to = (uint16_t)value;
    return true;
}

/* AppleTalk and its ARP: for libpcap these are not only EtherTypes. */
static bool is_plain_ether_type(uint16_t type)
{
    return type != 0x809b && type != 0x80f3;
}

static bool recognise(char *const *word, unsigned n, struct alternative *a)
{
    *a = (struct alternative){0};
    for (size_t i = 0; n == 1 && i < sizeof words / sizeof words[0]; i++) {
        *a = words[i].is;
        if (strcmp(word[0], words[i].word) == 0)
            return true;
    }
    if (n == 3 && strcmp(word[1], "proto") == 0) {
        a->ether = strcmp(word[0], "ether") == 0;
        a->v4 = strcmp(word[0], "ip") == 0;
        a->v6 = strcmp(word[0], "ip6") == 0;
        return a->ether ? number(word[2], 0x600, UINT16_MAX, &a->value) && is_plain_ether_type(a->value)
                        : (a->v4 || a->v6) && number(word[2], 0, 255, &a->value);
    }
    *a = (struct alternative){.transports = (1u << TRANSPORTS) - 2, .ends = SOURCE | TARGET};
    for (unsigned t = 1; n > 0 && t < TRANSPORTS; t++)
        if (strcmp(word[0], transports[t].word) == 0)
            a->transports = 1u << t;
    unsigned more = a->transports != (1u << TRANSPORTS) - 2;
    word += more, n -= more;
    more = n > 0 && (strcmp(word[0], "src") == 0 || strcmp(word[0], "dst") == 0);
    if (more)
        a->ends = *word[0] == 's' ? SOURCE : TARGET;
    word += more, n -= more;
    return n == 2 && strcmp(word[0], "port") == 0 && number(word[1], 0, UINT16_MAX, &a->value);
}

/* How many alternatives, 0 = it is none of the simple ones. */
static unsigned recognise_all(const char *text, struct alternative *to)
{
    char *copy = strdup(text), *rest = copy, *word[5];
    unsigned n = 0, words_here = 0;
    bool fine = copy != NULL;
    while (fine) {
        char *next = strtok_r(rest, " \t", &rest);
        bool ends = next == NULL || strcmp(next, "or") == 0 || strcmp(next, "||") == 0;
        if (!ends) {
            fine = words_here < 5;
            if (fine)
                word[words_here++] = next;
            continue;
        }
        fine = n < ALTERNATIVES_MAX && recognise(word, words_here, &to[n]);
        n++;
        words_here = 0;
        if (next == NULL)
            break;
    }
    free(copy);
    return fine ? n : 0;
}

/* The first class that says so stays. */
static void mark(uint8_t *cell, uint32_t class)
{
    if (*cell > class)
        *cell = (uint8_t) class;
}

static void enter(struct weir_classifier *c, const struct alternative *a, uint32_t class)
{
    if (a->ether)
        mark(&c->ether_type[a->value], class);
    if (a->v4)
        mark(&c->protocol[0][a->value], class);
    if (a->v6)
        mark(&c->protocol[1][a->value], class);
    if (a->transports != 0)
        c->ports[a->value / 64] |= UINT64_C(1) << a->value % 64;
    for (unsigned t = 1; t < TRANSPORTS; t++)
        for (unsigned end = 0; a->transports >> t & 1 && end < 2; end++)
            if (a->ends >> end & 1)
                mark(&c->port[t][end][a->value], class);
}

/* ---- all others: libpcap's programs, one behind the other ---- */

#define FOUND_NONE UINT32_C(256) /* class_id is below; 0 = gave up */
#define ABSOLUTE_LEAST                                                                                       \
    0xfffff000u /* from here on an offset is no place in a frame, but what Linux knows beside it */

/* -EINVAL with the reason in `error`. */
static int compile(const char *text, struct bpf_program *to, char error[PCAP_ERRBUF_SIZE])
{
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 1 << 18);
    if (pcap == NULL)
        return -ENOMEM;
    int result = pcap_compile(pcap, to, text, 1, PCAP_NETMASK_UNKNOWN);
    snprintf(error, PCAP_ERRBUF_SIZE, "%s", result != 0 ? pcap_geterr(pcap) : "");
    pcap_close(pcap);
    for (uint32_t i = 0; result == 0 && i < to->bf_len; i++) {
        const struct bpf_insn *in = &to->bf_insns[i];
        if (BPF_CLASS(in->code) != BPF_LD || BPF_MODE(in->code) != BPF_ABS || in->k < ABSOLUTE_LEAST)
            continue;
        snprintf(error, PCAP_ERRBUF_SIZE, "asks for what only a live capture knows");
        pcap_freecode(to);
        result = -1;
    }
    return result != 0 ? -EINVAL : 0;
}

struct bpf_program *weir_match_compile(const char *what, const char *text, FILE *complaint)
{
    char error[PCAP_ERRBUF_SIZE] = "no memory";
    struct bpf_program *program = malloc(sizeof *program);
    if (program != NULL && compile(text, program, error) == 0)
        return program;
    free(program);
    fprintf(complaint,
        "%s `%.60s`: %s; allowed: an expression of pcap-filter(7) on what is in the frame, as in `udp "
        "port 53`",
        what, text, error);
    return NULL;
}

void weir_match_free(struct bpf_program *program)
{
    if (program != NULL)
        pcap_freecode(program);
    free(program);
}

bool weir_match_check(const char *text, FILE *complaint)
{
    struct bpf_program *program = weir_match_compile("match", text, complaint);
    weir_match_free(program);
    return program != NULL;
}

/* ---- set-up ---- */

/* The program of a class goes behind those of the classes before it: its yes returns the class_id, its no goes on. */
static uint32_t append(struct bpf_insn *joined, uint32_t n, const struct bpf_program *from, uint32_t class)
{
    for (uint32_t i = 0; i < from->bf_len; i++) {
        struct bpf_insn in = from->bf_insns[i];
        if (BPF_CLASS(in.code) == BPF_RET && in.k == 0)
            in = (struct bpf_insn)BPF_STMT(BPF_JMP | BPF_JA, from->bf_len - i - 1);
        else if (BPF_CLASS(in.code) == BPF_RET)
            in.k = class + 1;
        joined[n++] = in;
    }
    return n;
}

static int join(struct weir_classifier *c, const bool *simple)
{
    uint32_t n = 1;
    for (uint32_t k = 0; k < c->n_classes; k++)
        n += simple[k] ? 0 : c->programs[k].bf_len;
    c->joined = malloc(n * sizeof *c->joined);
    if (c->joined == NULL)
        return -ENOMEM;
    n = 0;
    for (uint32_t k = 0; k < c->n_classes; k++) {
        if (simple[k])
            continue;
        c->first_joined = n == 0 ? k : c->first_joined;
        c->any_raw |= c->raw[k];
        n = append(c->joined, n, &c->programs[k], k);
    }
    c->joined[n] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, FOUND_NONE);
    return 0;
}

int weir_classifier_init(struct weir_classifier *c, const struct weir_class *classes, uint32_t n)
{
    struct alternative alternatives[ALTERNATIVES_MAX];
    char error[PCAP_ERRBUF_SIZE];
    bool simple[WEIR_CLASSIFY_NONE];
    memset(c->protocol, WEIR_CLASSIFY_NONE, sizeof c->protocol);
    memset(c->ether_type, WEIR_CLASSIFY_NONE, sizeof c->ether_type);
    c->first_joined = WEIR_CLASSIFY_NONE;
    memset(c->port, WEIR_CLASSIFY_NONE, sizeof c->port);
    c->programs = calloc(n, sizeof *c->programs);
    if (c->programs == NULL)
        return -ENOMEM;
    for (; c->n_classes + 1 < n; c->n_classes++) {
        uint32_t class = c->n_classes;
        const struct weir_class *from = &classes[class + 1];
        int result = compile(from->match, &c->programs[class], error);
        if (result != 0)
            return result;
        c->raw[class] = from->raw;
        unsigned found = from->raw ? 0 : recognise_all(from->match, alternatives);
        simple[class] = found != 0;
        for (unsigned i = 0; i < found; i++) {
            enter(c, &alternatives[i], class);
            if (alternatives[i].transports != 0)
                for (unsigned t = 1; t < TRANSPORTS; t++)
                    c->transport[transports[t].protocol] = (uint8_t)t;
        }
    }
    return join(c, simple);
}

void weir_classifier_free(struct weir_classifier *c)
{
    for (; c->n_classes > 0; c->n_classes--)
        pcap_freecode(&c->programs[c->n_classes - 1]);
    free(c->programs);
    free(c->joined);
    c->programs = NULL;
    c->joined = NULL;
}

/* ---- what the table does not know ---- */

uint8_t weir_classify_joined(const struct weir_classifier *c, const struct weir_desc *d, uint32_t found,
    uint32_t tag_bytes, uint8_t *scratch)
{
    const struct rte_mbuf *m = d->mbuf;
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    uint32_t captured = m->data_len - tag_bytes;
    if (__builtin_expect(m->next != NULL || (c->any_raw && tag_bytes != 0), 0))
        return weir_classify_slow(c, d, scratch);
    if (tag_bytes != 0) {
        memcpy(scratch, frame, 12);
        memcpy(scratch + 12, frame + 12 + tag_bytes, captured - 12);
        frame = scratch;
    }
    uint32_t said = bpf_filter(c->joined, frame, d->length - tag_bytes, captured);
    if (__builtin_expect(said == 0, 0)) /* a load beyond the frame ends all classes of the program, not one */
        return weir_classify_slow(c, d, scratch);
    return (uint8_t)(weir_classify_less(found, said == FOUND_NONE ? WEIR_CLASSIFY_NONE : said - 1) + 1);
}

uint8_t weir_classify_slow(const struct weir_classifier *c, const struct weir_desc *d, uint8_t *scratch)
{
    uint8_t head[12 + 4 * WEIR_PARSE_TAGS];
    uint32_t captured = weir_classify_less(d->mbuf->pkt_len, WEIR_CLASSIFY_BYTES), tags = 0;
    const uint8_t *frame = rte_pktmbuf_read(d->mbuf, 0, captured, scratch);
    while (tags < 4 * WEIR_PARSE_TAGS && captured >= 12 + tags + 6 &&
           weir_parse_is_tag(weir_parse_be16(frame + 12 + tags)))
        tags += 4;
    if (tags != 0 && frame != scratch)
        frame = memcpy(scratch, frame, captured);
    memcpy(head, frame, tags != 0 ? 12 + tags : 0);
    for (uint32_t k = 0; k < c->n_classes; k++) {
        uint32_t less = c->raw[k] ? 0 : tags;
        if (tags != 0) { /* the addresses stand before the tags, or on them */
            memcpy(scratch, head, 12 + tags);
            memcpy(scratch + less, head, 12);
        }
        if (bpf_filter(c->programs[k].bf_insns, frame + less, d->length - less, captured - less) != 0)
            return (uint8_t)(k + 1);
    }
    return 0;
}
