/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that replays a capture file. The file is read whole before the workers start: a polling core never reads a disk.
 *
 * Without a schedule, as fast as the pipeline takes it. With one it behaves like a NIC: what is due has arrived, and what
 * does not fit the queue any more, the oldest first, is `missed`, exactly. Each record stands at a point of an axis (its
 * time, its number, or the bytes before it), on which the schedule moves on at a constant speed. */
#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <pcap/pcap.h>

#include "dataplane/mbuf.h"
#include "dataplane/pcapng.h"
#include "dataplane/rewrite.h"

#define SEGMENTS_MAX 160
#define LENGTH_MAX 0xffffffu
#define NS_A_S UINT64_C(1000000000)

typedef __int128 wide; /* no product of a schedule overflows it */

struct file_params {
    const char *path;
    uint64_t speed; /* thousandths; 0 = gaps are not kept */
    struct weir_rate rate;
    uint64_t loop; /* passes; 0 = for ever */
    uint64_t multiply;
    uint64_t queue;
};

static const struct weir_param params[] = {
    {.key = "path",
        .type = WEIR_PARAM_STRING,
        .offset = offsetof(struct file_params, path),
        .help = "a capture file (pcap or pcapng); `file: PATH` is short for `file: {path: PATH}`"},
    {.key = "speed",
        .type = WEIR_PARAM_RATIO,
        .offset = offsetof(struct file_params, speed),
        .unset = "0",
        .max = 1000000,
        .help = "times as fast as it was captured, in its own rhythm: 1 keeps the gaps between packets, 0 "
                "does not"},
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct file_params, rate),
        .unset = "max",
        .only_with = {"speed", "0"},
        .help = "packets or layer-2 bits a second, at even distances, or max: as fast as the pipeline takes "
                "them"},
    {.key = "loop",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct file_params, loop),
        .unset = "1",
        .max = UINT32_MAX,
        .help = "passes through the capture, a mean gap between them; 0 = for ever"},
    {.key = "multiply",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct file_params, multiply),
        .unset = "1",
        .min = 1,
        .max = WEIR_REWRITE_COPIES_MAX,
        .help = "of each packet so many copies, each with IP addresses of its own: so many times the flows, "
                "with both directions and right checksums; `rate` counts all of them, `speed` spreads them "
                "over the gap"},
    {.key = "queue",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct file_params, queue),
        .unset = "4096",
        .min = WEIR_BATCH,
        .max = 1u << 20,
        .help = "packets the schedule may run ahead of the pipeline before they count as missed"},
    {.key = NULL},
};

struct record {
    size_t offset;
    uint32_t captured;
    uint32_t length;
    uint64_t point; /* on the axis */
    struct weir_rewrite rewrite;
};

struct capture {
    struct file_params p;
    struct record *records; /* and one more, which is where the next pass begins */
    uint8_t *bytes;
    size_t n_records, n_bytes;
    size_t room_records, room_bytes;
    uint64_t missed;       /* frames of the file that are not among them */
    uint64_t total;        /* packets, all copies and passes */
    uint64_t points_per_s; /* of the axis, each of them as many as there are copies; 0 = no schedule */
    uint64_t start_tsc;
    /* The worker's: the next packet, and where in the capture that is. */
    uint64_t next, pass;
    size_t record;
    uint32_t copy;
};

/* ---- the schedule ---- */

/* Of the pass: copies are spread evenly up to the next record. */
static inline wide point_of(const struct capture *c, size_t record, uint64_t copy)
{
    const struct record *r = &c->records[record];
    return (wide)r->point * c->p.multiply + (wide)(r[1].point - r->point) * copy;
}

static inline wide pass_points(const struct capture *c)
{
    return (wide)c->records[c->n_records].point * c->p.multiply;
}

/* Of any packet, from the start of the first pass. */
static wide point_from_start(const struct capture *c, uint64_t packet)
{
    uint64_t of_pass = c->n_records * c->p.multiply, here = packet % of_pass;
    return packet / of_pass * pass_points(c) + point_of(c, here / c->p.multiply, here % c->p.multiply);
}

static void go_to(struct capture *c, uint64_t packet)
{
    uint64_t of_pass = packet % (c->n_records * c->p.multiply);
    c->next = packet;
    c->pass = packet / (c->n_records * c->p.multiply);
    c->record = of_pass / c->p.multiply;
    c->copy = (uint32_t)(of_pass % c->p.multiply);
}

static inline void step(struct capture *c)
{
    c->next++;
    if (++c->copy < c->p.multiply)
        return;
    c->copy = 0;
    if (++c->record == c->n_records) {
        c->record = 0;
        c->pass++;
    }
}

/* Packets that have arrived when the axis has come to `now`. */
static uint64_t arrived(const struct capture *c, wide now)
{
    wide passes = now / pass_points(c), here = now % pass_points(c);
    size_t low = 0, high = c->n_records; /* the last record that is not behind it */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (point_of(c, middle, 0) <= here)
            low = middle;
        else
            high = middle;
    }
    uint64_t gap = c->records[low + 1].point - c->records[low].point;
    wide copies = gap != 0 ? (here - point_of(c, low, 0)) / gap + 1 : c->p.multiply;
    wide all = passes * c->n_records * c->p.multiply + low * c->p.multiply + copies;
    return all < c->total ? (uint64_t)all : c->total;
}

/* More has arrived than the queue holds: the oldest are lost. */
static void miss_slow(struct capture *c, wide now, struct weir_port_counters *count)
{
    uint64_t missed = arrived(c, now) - c->p.queue - c->next;
    weir_counter_add(&count->missed, missed);
    go_to(c, c->next + missed);
}

/* Where the axis is, from the start of the pass of the next packet. */
static wide advance(struct capture *c, uint64_t now_tsc, uint64_t tsc_hz, struct weir_port_counters *count)
{
    uint64_t elapsed = now_tsc > c->start_tsc ? now_tsc - c->start_tsc : 0;
    wide now = (wide)elapsed * c->points_per_s / tsc_hz;
    uint64_t beyond = c->next + c->p.queue; /* would be one too many */
    if (beyond < c->total && point_from_start(c, beyond) <= now)
        miss_slow(c, now, count);
    return now - c->pass * pass_points(c); /* below 0: the next pass has not begun */
}

/* ---- receive ---- */

/* One frame into one mbuf or a chain; false if the pool has too few. */
static bool load_frame(
    struct rte_mempool *pool, const uint8_t *from, uint32_t captured, struct rte_mbuf **head)
{
    struct rte_mbuf *segments[SEGMENTS_MAX];
    uint32_t n = captured == 0 ? 1 : (captured + WEIR_MBUF_ROOM - 1) / WEIR_MBUF_ROOM;
    if (!weir_mbuf_take(pool, segments, n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i * WEIR_MBUF_ROOM;
        uint16_t part = (uint16_t)(captured - at < WEIR_MBUF_ROOM ? captured - at : WEIR_MBUF_ROOM);
        if (part != 0) /* a capture may have kept nothing of a frame */
            memcpy(rte_pktmbuf_mtod(segments[i], void *), from + at, part);
        segments[i]->data_len = part;
        segments[i]->next = i + 1 < n ? segments[i + 1] : NULL;
    }
    segments[0]->nb_segs = (uint16_t)n;
    segments[0]->pkt_len = captured;
    *head = segments[0];
    return true;
}

static uint32_t receive(struct weir_port *port, uint16_t queue, struct weir_batch *batch)
{
    struct capture *c = port->state;
    struct weir_port_counters *count = &port->queue[queue];
    uint64_t bytes = 0;
    uint32_t n = 0;
    if (unlikely(c->next == c->total))
        return 0; /* its schedule has ended, too */
    wide now = c->points_per_s != 0 ? advance(c, batch->now_tsc, port->tsc_hz, count) : 0;
    uint64_t pass = c->pass;
    while (n < WEIR_BATCH && c->next < c->total) {
        const struct record *r = &c->records[c->record];
        struct rte_mbuf *m;
        if (c->points_per_s != 0 && (c->pass - pass) * pass_points(c) + point_of(c, c->record, c->copy) > now)
            break;
        if (!load_frame(port->mempool, c->bytes + r->offset, r->captured, &m))
            break; /* a file waits: packets come home and the next step goes on */
        if (c->copy != 0)
            weir_rewrite_apply(rte_pktmbuf_mtod(m, uint8_t *), &r->rewrite, c->copy);
        m->port = port->index;
        batch->desc[n] = (struct weir_desc){
            .mbuf = m, .length = r->length & LENGTH_MAX, .key.flags = m->nb_segs == 1 ? WEIR_DESC_PLAIN : 0};
        bytes += r->length;
        step(c);
        n++;
    }
    weir_counter_add(&count->rx_packets, n);
    weir_counter_add(&count->rx_bytes, bytes);
    return n;
}

static uint64_t due(const struct weir_port *port, uint16_t, const struct weir_batch *batch, uint32_t i)
{
    const struct capture *c = port->state;
    if (c->points_per_s == 0)
        return batch->now_tsc;
    wide at = point_from_start(c, c->next - (batch->n - i));
    return c->start_tsc + (uint64_t)(at * port->tsc_hz / c->points_per_s);
}

static bool ended(const struct weir_port *port, uint16_t)
{
    const struct capture *c = port->state;
    return c->next == c->total;
}

/* ---- set-up ---- */

static bool grow(void **array, size_t *room, size_t need, size_t item)
{
    if (need <= *room)
        return true;
    size_t more = *room * 2 > need ? *room * 2 : need + 4096;
    void *moved = realloc(*array, more * item);
    if (moved == NULL)
        return false;
    *array = moved;
    *room = more;
    return true;
}

static bool keep(struct capture *c, const struct pcap_pkthdr *header, const uint8_t *frame)
{
    if (!grow((void **)&c->records, &c->room_records, c->n_records + 2, sizeof *c->records) ||
        !grow((void **)&c->bytes, &c->room_bytes, c->n_bytes + header->caplen + 1,
            1)) /* never none: not even of empty frames */
        return false;
    if (header->caplen != 0)
        memcpy(c->bytes + c->n_bytes, frame, header->caplen);
    c->records[c->n_records++] = (struct record){.offset = c->n_bytes,
        .captured = header->caplen,
        .length = header->len < header->caplen ? header->caplen : header->len,
        .point = (uint64_t)header->ts.tv_sec * NS_A_S + (uint64_t)header->ts.tv_usec}; /* asked for in ns */
    c->n_bytes += header->caplen;
    return true;
}

/* All records are there: where they stand on the axis, and where their addresses are. */
static void set_up(struct capture *c)
{
    bool in_bytes = c->p.speed == 0 && !c->p.rate.packets;
    uint64_t begin = c->n_records != 0 ? c->records[0].point : 0, point = 0;
    for (size_t i = 0; i < c->n_records; i++) {
        struct record *r = &c->records[i];
        if (c->p.speed == 0)
            r->point = point;
        else if (r->point >= begin && r->point - begin > point)
            r->point = point = r->point - begin;
        else
            r->point = point; /* clocks step back */
        point += c->p.speed != 0 ? 0 : in_bytes ? r->length : 1;
        if (c->p.multiply > 1)
            r->rewrite = weir_rewrite_find(c->bytes + r->offset, r->captured, r->length);
    }
    if (c->p.speed != 0) /* behind the last, a mean gap */
        point += c->n_records > 1 && point >= c->n_records ? point / (c->n_records - 1) : 1;
    if (c->n_records != 0)
        c->records[c->n_records].point = point != 0 ? point : 1;
    c->points_per_s = c->p.speed != 0 ? c->p.speed * (NS_A_S / 1000) * c->p.multiply : c->p.rate.per_s;
    uint64_t of_pass = c->n_records * c->p.multiply;
    if (__builtin_mul_overflow(c->p.loop, of_pass, &c->total) || (c->p.loop == 0 && of_pass != 0))
        c->total = UINT64_MAX;
}

static void close_file(struct weir_port *port)
{
    struct capture *c = port->state;
    if (c != NULL) {
        free(c->records);
        free(c->bytes);
    }
    free(c);
    port->state = NULL;
}

/* Of a pcapng file with interfaces of several kinds, what libpcap reads of it: takes `file`, returns it or another.
 * `*bytes`: to be freed after the close. With no Ethernet at all libpcap gets the whole file: it knows what it is instead. */
static FILE *only_ethernet(FILE *file, size_t size, uint8_t **bytes, uint64_t *skipped)
{
    static const uint8_t magic[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    uint8_t begin[sizeof magic] = {0};
    struct weir_pcapng_kept kept;
    FILE *memory = NULL;
    bool is_pcapng = fread(begin, sizeof begin, 1, file) == 1 && memcmp(begin, magic, sizeof magic) == 0;
    rewind(file);
    *bytes = is_pcapng ? malloc(size) : NULL;
    if (*bytes != NULL && fread(*bytes, size, 1, file) == 1 &&
        weir_pcapng_keep_ethernet(*bytes, size, &kept) && kept.interfaces != 0)
        memory = fmemopen(*bytes, kept.bytes, "rb");
    if (memory == NULL) {
        rewind(file);
        return file;
    }
    *skipped = kept.skipped;
    fclose(file);
    return memory;
}

static int no_memory(struct weir_port *port, const char *path)
{
    return weir_port_refuse(port, -ENOMEM, "no memory to read %s", path);
}

static int read_file(struct weir_port *port, const char *path, pcap_t *p, uint64_t skipped)
{
    struct capture *c = port->state;
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    int got, length = 0;
    if (pcap_datalink(p) != DLT_EN10MB) {
        const char *name = pcap_datalink_val_to_name(pcap_datalink(p));
        return weir_port_refuse(port, -EBADMSG,
            "%s holds frames of link type %s; only Ethernet can be replayed", path,
            name != NULL ? name : "unknown");
    }
    while ((got = pcap_next_ex(p, &header, &frame)) == 1) {
        if (header->len > LENGTH_MAX || header->caplen > SEGMENTS_MAX * WEIR_MBUF_ROOM)
            return weir_port_refuse(port, -EBADMSG, "%s: frame %zu claims %u bytes; the most is %u", path,
                c->n_records + 1, header->len, SEGMENTS_MAX * WEIR_MBUF_ROOM);
        if (!keep(c, header, frame))
            return no_memory(port, path);
    }
    set_up(c);
    c->missed = skipped + (got == PCAP_ERROR);
    if (skipped != 0)
        length = snprintf(port->note, sizeof port->note,
            "%.200s: skipped %lu frames of link types other than Ethernet", path, (unsigned long)skipped);
    if (got == PCAP_ERROR)
        snprintf(port->note + length, sizeof port->note - (size_t)length,
            "%s%.200s: damaged after frame %zu, which is the last: %s", skipped != 0 ? "; " : "", path,
            c->n_records, pcap_geterr(p));
    return 0;
}

static int open_file(struct weir_port *port, const void *given)
{
    const struct file_params *asked = given;
    const char *path = asked->path;
    char why[PCAP_ERRBUF_SIZE];
    struct stat about = {0};
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return weir_port_refuse(
            port, -EBADMSG, "%s is not a regular file; a capture is read whole at start", path);
    errno = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        int error = errno != 0 ? errno : EIO;
        return weir_port_refuse(port, -error, "cannot open the capture %s: %s", path, strerror(error));
    }
    uint8_t *bytes;
    uint64_t skipped = 0;
    file = only_ethernet(file, (size_t)about.st_size, &bytes, &skipped);
    pcap_t *p = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
    if (p == NULL) {
        fclose(file);
        free(bytes);
        return weir_port_refuse(port, -EBADMSG, "%s is not a capture (pcap or pcapng): %s", path, why);
    }
    struct capture *c = calloc(1, sizeof *c);
    port->state = c;
    if (c != NULL)
        c->p = *asked;
    int result = c != NULL ? read_file(port, path, p, skipped) : no_memory(port, path);
    pcap_close(p); /* closes the file, too */
    free(bytes);
    if (result != 0)
        close_file(port);
    return result;
}

static int start(struct weir_port *port, uint64_t now_tsc)
{
    struct capture *c = port->state;
    c->start_tsc = now_tsc;
    return 0;
}

static void stats(struct weir_port *port, struct weir_port_stats *s)
{
    const struct weir_port_counters *count = &port->queue[0];
    const struct capture *c = port->state;
    uint64_t received = weir_counter_read(&count->rx_packets), missed = weir_counter_read(&count->missed);
    *s = (struct weir_port_stats){.received = received,
        .received_bytes = weir_counter_read(&count->rx_bytes),
        .missed = c->missed + missed,
        .offered = c->points_per_s != 0 ? received + missed : WEIR_UNKNOWN,
        WEIR_NOT_LATE};
}

/* A chain of the longest frame must fit the pool beside everything else, or the port would wait for ever. */
static uint32_t mbufs_held(const void *, uint32_t)
{
    return SEGMENTS_MAX;
}

const struct weir_port_def weir_port_file = {
    .kind = "file",
    .help =
        "replays a capture file (pcap or pcapng, Ethernet), once and as fast as the pipeline takes it, or as "
        "these say; frames of other link types and a damaged tail are left out, and counted as missed",
    .params = params,
    .params_size = sizeof(struct file_params),
    .shorthand = "path",
    .instead = "the stage `write` writes captures",
    .open = open_file,
    .start = start,
    .close = close_file,
    .stats = stats,
    .receive = receive,
    .due = due,
    .ended = ended,
    .mbufs = mbufs_held,
};
