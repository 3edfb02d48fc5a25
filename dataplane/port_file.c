/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that replays a capture file once, as fast as the pipeline takes it. The file is read whole before the
 * workers start: a polling core never reads a disk. */
#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <pcap/pcap.h>
#include <rte_malloc.h>

#include "dataplane/mbuf.h"
#include "dataplane/pcapng.h"

#define SEGMENTS_MAX 160
#define LENGTH_MAX 0xffffffu

struct record {
    size_t offset;
    uint32_t captured;
    uint32_t length;
};

struct capture {
    struct record *records;
    uint8_t *bytes;
    size_t n_records, n_bytes;
    size_t room_records, room_bytes;
    uint64_t missed; /* frames of the file that are not among them */
    size_t next;     /* worker's */
};

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
    while (n < WEIR_BATCH && c->next < c->n_records) {
        const struct record *r = &c->records[c->next];
        struct rte_mbuf *m;
        if (!load_frame(port->mempool, c->bytes + r->offset, r->captured, &m))
            break; /* a file waits: packets come home and the next step goes on */
        m->port = port->index;
        batch->desc[n] = (struct weir_desc){
            .mbuf = m, .length = r->length & LENGTH_MAX, .key.flags = m->nb_segs == 1 ? WEIR_DESC_PLAIN : 0};
        bytes += r->length;
        c->next++;
        n++;
    }
    weir_counter_add(&count->rx_packets, n);
    weir_counter_add(&count->rx_bytes, bytes);
    return n;
}

static bool ended(const struct weir_port *port, uint16_t)
{
    const struct capture *c = port->state;
    return c->next == c->n_records;
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

static int keep(struct capture *c, const struct pcap_pkthdr *header, const uint8_t *frame)
{
    if (!grow((void **)&c->records, &c->room_records, c->n_records + 1, sizeof *c->records) ||
        !grow((void **)&c->bytes, &c->room_bytes, c->n_bytes + header->caplen, 1))
        return -ENOMEM;
    if (header->caplen != 0)
        memcpy(c->bytes + c->n_bytes, frame, header->caplen);
    c->records[c->n_records++] = (struct record){
        c->n_bytes, header->caplen, header->len < header->caplen ? header->caplen : header->len};
    c->n_bytes += header->caplen;
    return 0;
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

static int open_file(struct weir_port *port, const void *given)
{
    const char *path = given;
    char why[PCAP_ERRBUF_SIZE];
    struct stat about = {0};
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        snprintf(port->error, sizeof port->error,
            "%s is not a regular file; a capture is read whole at start", path);
        return -EBADMSG;
    }
    errno = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        int error = errno != 0 ? -errno : -EIO;
        snprintf(port->error, sizeof port->error, "cannot open the capture %s: %s", path, strerror(-error));
        return error;
    }
    uint8_t *bytes;
    uint64_t skipped = 0;
    file = only_ethernet(file, (size_t)about.st_size, &bytes, &skipped);
    pcap_t *p = pcap_fopen_offline(file, why);
    if (p == NULL) {
        fclose(file);
        free(bytes);
        snprintf(port->error, sizeof port->error, "%s is not a capture (pcap or pcapng): %s", path, why);
        return -EBADMSG;
    }
    int result = 0, length = 0;
    struct capture *c = calloc(1, sizeof *c);
    port->state = c;
    if (c == NULL)
        goto no_memory;
    if (pcap_datalink(p) != DLT_EN10MB) {
        const char *name = pcap_datalink_val_to_name(pcap_datalink(p));
        snprintf(port->error, sizeof port->error,
            "%s holds frames of link type %s; only Ethernet can be replayed", path,
            name != NULL ? name : "unknown");
        result = -EBADMSG;
        goto done;
    }
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    int got;
    while ((got = pcap_next_ex(p, &header, &frame)) == 1) {
        if (header->len > LENGTH_MAX || header->caplen > SEGMENTS_MAX * WEIR_MBUF_ROOM) {
            snprintf(port->error, sizeof port->error, "%s: frame %zu claims %u bytes; the most is %u", path,
                c->n_records + 1, header->len, SEGMENTS_MAX * WEIR_MBUF_ROOM);
            result = -EBADMSG;
            goto done;
        }
        if (keep(c, header, frame) != 0)
            goto no_memory;
    }
    c->missed = skipped + (got == PCAP_ERROR);
    if (skipped != 0)
        length = snprintf(port->note, sizeof port->note,
            "%.200s: skipped %lu frames of link types other than Ethernet", path, (unsigned long)skipped);
    if (got == PCAP_ERROR)
        snprintf(port->note + length, sizeof port->note - (size_t)length,
            "%s%.200s: damaged after frame %zu, which is the last: %s", skipped != 0 ? "; " : "", path,
            c->n_records, pcap_geterr(p));
    goto done;

no_memory:
    snprintf(port->error, sizeof port->error, "no memory to read %s", path);
    result = -ENOMEM;
done:
    pcap_close(p); /* closes the file, too */
    free(bytes);
    if (result != 0)
        close_file(port);
    return result;
}

static int start(struct weir_port *, uint64_t)
{
    return 0;
}

static void stop(struct weir_port *)
{
}

static void stats(struct weir_port *port, struct weir_port_stats *s)
{
    const struct weir_port_counters *count = &port->queue[0];
    const struct capture *c = port->state;
    *s = (struct weir_port_stats){.received = weir_counter_read(&count->rx_packets),
        .received_bytes = weir_counter_read(&count->rx_bytes),
        .missed = c->missed,
        .offered = WEIR_UNKNOWN};
}

/* A chain of the longest frame must fit the pool beside everything else, or the port would wait for ever. */
static uint32_t mbufs_held(const void *, uint32_t)
{
    return SEGMENTS_MAX;
}

const struct weir_port_def weir_port_file = {
    .kind = "file",
    .help = "replays a capture file (pcap or pcapng, Ethernet) once; frames of other link types and a "
            "damaged tail are left out, and counted as missed",
    .instead = "the stage `write` writes captures",
    .open = open_file,
    .start = start,
    .stop = stop,
    .close = close_file,
    .stats = stats,
    .receive = receive,
    .ended = ended,
    .mbufs = mbufs_held,
};
