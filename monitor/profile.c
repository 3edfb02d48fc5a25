/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/profile.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "monitor/events.h"
#include "monitor/pages.h"
#include "rings/word.h"
#include "workers/sample.h"

#define SECONDS_UNLESS_SET 30

/* ---- names: from the program's own file, which has static functions, too, unless it was stripped ---- */

static const ElfW(Sym) * symbols, *symbols_end;
static const char *strings;
static uintptr_t base; /* what the addresses of the file are relative to */

static void open_program(void)
{
    FILE *program = fopen("/proc/self/exe", "re");
    const uint8_t *file = MAP_FAILED;
    if (program != NULL && fseek(program, 0, SEEK_END) == 0)
        file = mmap(NULL, (size_t)ftell(program), PROT_READ, MAP_PRIVATE, fileno(program), 0);
    if (program != NULL)
        fclose(program);
    if (file == MAP_FAILED)
        return;
    const ElfW(Ehdr) *about = (const void *)file;
    const ElfW(Shdr) *sections = (const void *)(file + about->e_shoff);
    for (const ElfW(Shdr) *s = sections; s < sections + about->e_shnum; s++) {
        if (s->sh_type != SHT_SYMTAB)
            continue;
        symbols = (const void *)(file + s->sh_offset);
        symbols_end = symbols + s->sh_size / sizeof *symbols;
        strings = (const char *)file + sections[s->sh_link].sh_offset;
    }
    Dl_info own;
    if (about->e_type == ET_DYN && dladdr(&base, &own) != 0)
        base = (uintptr_t)own.dli_fbase;
}

/* `burn_process`; `librte_ring.so.23+0x1a2b` where only the file is known. */
static void write_name(uintptr_t address, FILE *to)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    Dl_info about;
    pthread_once(&once, open_program);
    const ElfW(Sym) *s = symbols;
    while (s < symbols_end &&
           (ELF64_ST_TYPE(s->st_info) != STT_FUNC || address - base - s->st_value >= s->st_size))
        s++;
    if (s < symbols_end)
        fprintf(to, "%s\n", strings + s->st_name);
    else if (dladdr((void *)address, &about) == 0)
        fprintf(to, "0x%lx\n", (unsigned long)address);
    else if (about.dli_sname != NULL)
        fprintf(to, "%s\n", about.dli_sname);
    else
        fprintf(to, "%s+0x%lx\n", basename(about.dli_fname),
            (unsigned long)(address - (uintptr_t)about.dli_fbase));
}

/* ---- parts of pages ---- */

static const char *argument(struct MHD_Connection *c, const char *key)
{
    return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, key);
}

static struct weir_snapshot *take(const struct weir_http *h)
{
    return weir_http_source_of(h)->take(weir_http_source_of(h)->argument);
}

static void copy_file(const char *path, FILE *to)
{
    char part[4096];
    FILE *from = fopen(path, "re");
    for (size_t n; from != NULL && (n = fread(part, 1, sizeof part, from)) != 0;)
        fwrite(part, 1, n, to);
    if (from != NULL)
        fclose(from);
}

/* ---- CPU: as gperftools writes it, which both programs read ---- */

static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
static struct weir_word closed;

void weir_profile_close(void)
{
    weir_word_publish(&closed, 1);
}

static void write_samples(const struct weir_sampling *s, FILE *to)
{
    static const uintptr_t head[] = {0, 3, 0, WEIR_SAMPLE_NS / 1000, 0}, tail[] = {0, 1, 0};
    fwrite(head, sizeof head, 1, to);
    for (uint32_t i = 0; i < s->n; i++)
        fwrite(s->of[i]->words, sizeof s->of[i]->words[0], weir_word_read(&s->of[i]->used), to);
    fwrite(tail, sizeof tail, 1, to);
    copy_file("/proc/self/maps", to);
}

static unsigned refuse(unsigned status, const char *why, FILE *to)
{
    fprintf(to, "no profile: %s\n", why);
    return status;
}

static unsigned take_profile(const struct weir_runtime *rt, const char *pool, unsigned seconds, FILE *to)
{
    const struct timespec tenth = {.tv_nsec = 100000000};
    struct weir_sampling *s = weir_sampling_start(rt, pool, seconds);
    if (s == NULL && errno == ENOENT)
        return refuse(MHD_HTTP_NOT_FOUND, "no such worker runs", to);
    if (s == NULL)
        return refuse(MHD_HTTP_SERVICE_UNAVAILABLE,
            errno == EAGAIN ? "the limit of pending signals is too low (ulimit -i)" : strerror(errno), to);
    for (unsigned i = 0; i < 10 * seconds && weir_word_read(&closed) == 0; i++)
        nanosleep(&tenth, NULL);
    weir_sampling_end(s, WEIR_SAMPLE_WAIT_MS);
    write_samples(s, to);
    weir_sampling_free(s);
    return MHD_HTTP_OK;
}

unsigned weir_profile_cpu(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    const struct weir_runtime *rt = weir_http_source_of(h)->runtime;
    const char *text = argument(c, "seconds");
    char *end = "";
    unsigned long seconds = text != NULL ? strtoul(text, &end, 10) : SECONDS_UNLESS_SET;
    if (*end != '\0' || seconds == 0 || seconds > WEIR_SAMPLE_SECONDS_MAX)
        return refuse(MHD_HTTP_BAD_REQUEST, "seconds is a number from 1 to 300", to);
    if (rt == NULL)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    if (pthread_mutex_trylock(&taking) != 0)
        return refuse(MHD_HTTP_CONFLICT, "another is being taken; ask again when it has ended", to);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)seconds + SECONDS_UNLESS_SET);
    unsigned status = take_profile(rt, argument(c, "pool"), (unsigned)seconds, to);
    pthread_mutex_unlock(&taking);
    return status;
}

unsigned weir_profile_cmdline(const struct weir_http *, struct MHD_Connection *, FILE *to)
{
    copy_file("/proc/self/cmdline", to);
    return MHD_HTTP_OK;
}

/* How both programs ask: addresses in hexadecimal, with a + between them. */
unsigned weir_profile_symbol(const struct weir_http *, struct MHD_Connection *c, FILE *to)
{
    const char *at = MHD_lookup_connection_value(c, MHD_POSTDATA_KIND, WEIR_PAGE_BODY);
    char *end;
    fputs("num_symbols: 1\n", to);
    for (; at != NULL; at = *end == '+' ? end + 1 : NULL) {
        uintptr_t address = strtoul(at, &end, 16);
        fprintf(to, "0x%lx\t", (unsigned long)address);
        write_name(address, to);
    }
    return MHD_HTTP_OK;
}

/* ---- what is counted anyway ---- */

static void name_inboxes(const struct weir_runtime *rt, const struct weir_pool *of, FILE *to)
{
    const char *before = "full inbox of";
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        if (!weir_pool_set_has(of->feeds, p))
            continue;
        fprintf(to, " %s %s", before, rt->pools[p].config->name);
        before = "or"; /* they divide the classes, and any of them may be the full one */
    }
}

/* As text with ?debug=1; else as the older of the forms that both programs read, where the stage that comes before the inbox
 * stands for the pool: its address, and that of the worker's own function. They take one from an address. */
unsigned weir_profile_block(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    const struct weir_runtime *rt = weir_http_source_of(h)->runtime;
    bool plain = argument(c, "debug") != NULL;
    if (rt == NULL)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    if (!plain)
        fputs("--- contention:\ncycles/second = 1000000000\nsampling period = 1\n", to);
    for (uint32_t i = 0; i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        const struct weir_pool *pool = &rt->pools[w->pool];
        /* None: its `transmit` went to an egress. */
        const struct weir_stage_def *last = pool->n_stages != 0 ? pool->stages[pool->n_stages - 1].def : NULL;
        double ns = (double)weir_counter_read(&w->cycles[WEIR_STEP_BLOCKED]) * 1e9 / (double)rt->tsc_hz;
        if (plain) {
            fprintf(to, "%12.6f s  worker %u of %s, behind %s:", ns * 1e-9, w->index, pool->config->name,
                last != NULL ? last->name : "its receive");
            name_inboxes(rt, pool, to);
            fputc('\n', to);
        } else if (ns >= 1) {
            fprintf(to, "%.0f 1 @ 0x%lx 0x%lx\n", ns, (uintptr_t)(last != NULL ? last->process : NULL) + 1,
                (uintptr_t)weir_worker_entry(w->lcore) + 1);
        }
    }
    if (!plain) {
        fputs("--- Memory map: ---\n", to);
        copy_file("/proc/self/maps", to);
    }
    return MHD_HTTP_OK;
}

unsigned weir_profile_mempool(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = take(h);
    if (s == NULL)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    uint64_t seen = s->mempool_available;
    fprintf(to, "%10lu  in all\n%10lu  free\n", (unsigned long)s->mempool_size, (unsigned long)seen);
    for (const struct weir_snapshot_ring *r = s->rings; r < s->rings + s->n_rings; seen += r++->depth)
        fprintf(to, "%10u  in the ring from %s.%u to %s.%u\n", r->depth, r->from, r->from_worker, r->to,
            r->to_worker);
    for (const struct weir_snapshot_worker *w = s->workers; w < s->workers + s->n_workers; seen += w++->held)
        fprintf(
            to, "%10lu  in hand, remainders and stash of %s.%u\n", (unsigned long)w->held, w->pool, w->index);
    /* Not counted by anybody, and the others were not all read in one moment. */
    fprintf(to, "%10lu  the rest: ports and writers\n",
        (unsigned long)(s->mempool_size > seen ? s->mempool_size - seen : 0));
    weir_http_source_of(h)->release(s);
    return MHD_HTTP_OK;
}

/* ---- stacks for people ---- */

static void write_stack(const struct weir_samples *s, FILE *to)
{
    bool answered = weir_word_read(&s->done) != 0;
    if (!answered)
        fputs("    no answer: it does not get a CPU\n", to);
    for (uintptr_t i = 0; answered && i < s->words[1]; i++) {
        fputs("    ", to);
        write_name(s->words[2 + i] - (i != 0), to); /* a call returns to behind it */
    }
}

void weir_profile_write_workers(const struct weir_runtime *rt, const struct weir_snapshot *s,
    struct weir_events *events, int stacks_ms, FILE *to)
{
    struct weir_sampling *look = stacks_ms > 0 ? weir_sampling_start(rt, NULL, 0) : NULL;
    if (look != NULL)
        weir_sampling_end(look, stacks_ms);
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const struct weir_snapshot_worker *w = &s->workers[i];
        char doing[128] = "";
        double seconds = events != NULL ? weir_events_doing(events, i, doing, sizeof doing) : 0;
        fprintf(to,
            "worker %u of %s (cpu %u, lcore %u): %s, %u shards, holds %lu packets, received %lu, %lu steps",
            w->index, w->pool, w->cpu, w->lcore, weir_worker_shows(w), w->shards, (unsigned long)w->held,
            (unsigned long)w->received, (unsigned long)w->steps);
        if (doing[0] != '\0')
            fprintf(to, "; for %.1f s it %s", seconds, doing);
        fputc('\n', to);
        for (uint32_t k = 0; look != NULL && k < look->n; k++)
            if (look->of[k]->worker == rt->workers[i])
                write_stack(look->of[k], to);
    }
    weir_sampling_free(look);
}

unsigned weir_profile_workers(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    const struct weir_runtime *rt = weir_http_source_of(h)->runtime;
    struct weir_snapshot *s = take(h);
    if (s == NULL)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    weir_profile_write_workers(rt, s, weir_http_source_of(h)->events,
        rt != NULL && argument(c, "stack") != NULL ? WEIR_SAMPLE_WAIT_MS : 0, to);
    weir_http_source_of(h)->release(s);
    return MHD_HTTP_OK;
}
