/* SPDX-License-Identifier: BSD-3-Clause */
/* weir run FILE: build the pipeline, run it, drain it, certify it. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "cli/cli.h"
#include "config/key_table.h"
#include "dataplane/wall.h"
#include "monitor/certificate.h"
#include "monitor/events.h"
#include "monitor/http.h"
#include "monitor/profile.h"
#include "monitor/progress.h"
#include "monitor/telemetry.h"
#include "workers/eal.h"
#include "workers/log.h"
#include "workers/memif.h"
#include "workers/runtime.h"

#define DEFAULT_LISTEN "127.0.0.1:9476"
#define ANY_PORT_LISTEN "127.0.0.1:0"
#define TICK_MS 20
#define HURRY_TICK_MS 1
#define LOOK_MS 100
#define ORDER_TIMEOUT_MS 10000

/* ---- options ---- */

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 2]; /* and the one of generate */
    const char *eal[WEIR_ARGUMENTS_MAX + 1];
    const char *progress;
    bool json;
};

const struct weir_option weir_run_options[] = {
    {"set", "KEY=VALUE", "override a key of the file, as in --set pools.work.workers=4",
        offsetof(struct options, sets), true},
    {"json", NULL, "print the certificate as JSON", offsetof(struct options, json), false},
    {"progress", "SECS", "seconds between progress lines, 0 = none (1 on a terminal, 5 elsewhere)",
        offsetof(struct options, progress), false},
    {"eal", "ARG", "hand one more argument to DPDK's EAL, as in --eal -d --eal driver.so",
        offsetof(struct options, eal), true},
    {.name = NULL},
};
static const char usage[] = "usage: weir run [OPTION]… FILE        (FILE `-` reads standard input)\n";
static const char generate_usage[] = "usage: weir generate [OPTION]… FILE   (one port is a generator, "
                                     "another gets what it makes; no pools needed)\n";
static const char notes[] = "SIGTERM, SIGINT or SIGHUP drains; a second one drops what is still held. The "
                            "certificate goes to standard\n"
                            "output, everything else to standard error.\n"
                            "exit: 0 fine, 64 usage, 65 bad data, 69 port unavailable, 70 lost, leaked or "
                            "out of order, 71 system or disk,\n"
                            "      75 drain deadline passed, 77 no permission, 78 configuration\n";

static bool parse_seconds(const char *text, int *ms)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds == 0 || (seconds >= LOOK_MS / 1000.0 && seconds < 86400)))
        return false;
    *ms = (int)(seconds * 1000);
    return true;
}

/* ---- what is shown while it runs ---- */

struct display {
    int every_ms;
    bool terminal;
    bool failure_told;
    uint64_t next_look_tsc, next_line_tsc;
    struct weir_snapshot *seen, *shown; /* at the last look; in the last line */
    struct weir_events *events;
};

static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

/* Ten times a second: the running check of the books, and the progress line when it is due. */
static void observe(struct display *d, struct weir_runtime *rt, uint64_t now_tsc)
{
    static struct weir_log_limit limit;
    if (now_tsc < d->next_look_tsc)
        return;
    d->next_look_tsc = now_tsc + rt->tsc_hz * LOOK_MS / 1000;
    struct weir_snapshot *now = weir_snapshot_take(rt);
    if (now == NULL)
        return;
    if (now->contradiction != NULL)
        weir_log_limited(&limit, WEIR_LOG_ERROR, "the books do not balance: %s", now->contradiction);
    if (now->failure != NULL && !d->failure_told)
        weir_log(WEIR_LOG_ERROR, "%s", now->failure);
    d->failure_told = d->failure_told || now->failure != NULL;
    struct weir_snapshot *seen = d->seen, *shown = d->shown;
    if (seen != NULL)
        weir_events_watch(d->events, seen, now, weir_clock_ns(CLOCK_REALTIME));
    d->seen = now;
    if (d->every_ms != 0 && now_tsc >= d->next_line_tsc) {
        char line[1024], text[1040];
        d->next_line_tsc = now_tsc + (uint64_t)d->every_ms * rt->tsc_hz / 1000;
        weir_progress_line(shown, now, line, sizeof line, d->terminal ? columns() : 0);
        snprintf(text, sizeof text, d->terminal ? "\r\033[K%s" : "%s\n", line);
        weir_log_show(text);
        d->shown = now;
    }
    if (shown != d->shown && shown != seen)
        weir_snapshot_free(shown);
    if (seen != d->shown)
        weir_snapshot_free(seen);
}

static void clear(const struct display *d)
{
    if (d->terminal && d->shown != NULL)
        weir_log_show("\r\033[K");
    if (d->seen != d->shown)
        weir_snapshot_free(d->seen);
    weir_snapshot_free(d->shown);
}

static struct weir_snapshot *take(void *rt)
{
    return weir_snapshot_take(rt);
}

static void write_config(void *rt, FILE *to)
{
    weir_config_print(((const struct weir_runtime *)rt)->config, to);
}

static struct weir_http *serve(struct weir_runtime *rt, struct weir_events *events, enum weir_failure *failed)
{
    const struct weir_http_source source = {
        take, weir_snapshot_free, write_config, NULL, NULL, rt, rt, events};
    const struct weir_value *asked = &rt->config->values[WEIR_TOP_LISTEN];
    const char *listen = asked->set ? asked->text : DEFAULT_LISTEN;
    char error[512];
    if (strcmp(listen, "off") == 0)
        return NULL;
    struct weir_http *http = weir_http_start(listen, &source, error, sizeof error);
    if (http == NULL && errno == EADDRINUSE && !asked->set)
        http = weir_http_start(ANY_PORT_LISTEN, &source, error, sizeof error);
    if (http == NULL) {
        *failed = errno == EACCES || errno == EPERM ? WEIR_FAILED_PERMISSION : WEIR_FAILED_OS;
        weir_log(WEIR_LOG_ERROR, "%s", error);
        return NULL;
    }
    weir_log(WEIR_LOG_NOTICE, "metrics at http://%.*s:%u/metrics", (int)(strrchr(listen, ':') - listen),
        listen, weir_http_port(http));
    return http;
}

/* ---- orders ---- */

static bool order(void *rt, struct weir_order *o)
{
    return weir_manager_order(rt, o, ORDER_TIMEOUT_MS);
}

static void drain(void *rt)
{
    weir_manager_drain(rt);
}

/* Nobody asked for the default socket: that it cannot be is no reason not to run. */
static struct weir_http *serve_orders(
    struct weir_runtime *rt, struct weir_events *events, enum weir_failure *failed)
{
    const struct weir_http_source source = {
        take, weir_snapshot_free, write_config, order, drain, rt, rt, events};
    const struct weir_value *asked = &rt->config->values[WEIR_TOP_CONTROL];
    const char *name = rt->config->name;
    char path[PATH_MAX], error[512];
    if (asked->set && strcmp(asked->text, "off") == 0)
        return NULL;
    weir_telemetry_start(&source);
    snprintf(path, sizeof path, WEIR_CONTROL_FOLDER "/%s.sock", name);
    if (!asked->set)
        mkdir(WEIR_CONTROL_FOLDER, 0755);
    struct weir_http *http = weir_http_start(asked->set ? asked->text : path, &source, error, sizeof error);
    if (http == NULL && errno == EADDRINUSE && !asked->set) {
        snprintf(path, sizeof path, WEIR_CONTROL_FOLDER "/%s-%d.sock", name, (int)getpid());
        http = weir_http_start(path, &source, error, sizeof error);
    }
    if (http == NULL && asked->set)
        *failed = errno == EACCES || errno == EPERM ? WEIR_FAILED_PERMISSION : WEIR_FAILED_OS;
    if (http == NULL)
        weir_log(asked->set ? WEIR_LOG_ERROR : WEIR_LOG_NOTICE, "control: %s%s", error,
            asked->set ? "" : "; `weir ctl` will not reach this weir");
    return http;
}

/* From here on nobody else looks at the runtime. */
static void stop_serving(struct weir_http *http, struct weir_http *control)
{
    weir_telemetry_stop();
    weir_http_stop(control);
    weir_http_stop(http);
}

/* ---- the loop of the control thread ---- */

/* SIGQUIT: what each worker does and where its code is, to the log. SIGUSR1: the books, to standard error. Nobody is stopped
 * for it; and who reads that may be slow: each line waits for nobody. */
static void show(struct weir_runtime *rt, struct weir_events *events, bool books)
{
    struct weir_snapshot *s = weir_snapshot_take(rt);
    char *text = NULL, *end, line[1024];
    size_t size;
    FILE *to = s != NULL ? open_memstream(&text, &size) : NULL;
    if (to != NULL && books)
        weir_certificate_text(s, to);
    else if (to != NULL)
        weir_profile_write_workers(rt, s, events, TICK_MS, to); /* orders and signals wait */
    if (to != NULL && fclose(to) == 0)
        for (char *next = text; (end = strchr(next, '\n')) != NULL; next = end + 1) {
            snprintf(line, sizeof line, "%.*s\n", (int)(end - next), next);
            if (books)
                weir_log_show(line);
            else if (end != next)
                weir_log(WEIR_LOG_NOTICE, "%.*s", (int)(end - next), next);
        }
    free(text);
    weir_snapshot_free(s);
}

/* How many of the signals came that drain: the first does, each more says hurry. An order only ends the wait. */
static unsigned signals_taken(struct weir_runtime *rt, struct weir_events *events, int fd, int wait_ms)
{
    int orders = weir_manager_fd(rt->manager);
    unsigned drains = 0;
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = orders, .events = POLLIN}};
    struct signalfd_siginfo signals[8];
    eventfd_t order;
    if (poll(p, 2, wait_ms) <= 0)
        return 0;
    if (p[1].revents != 0)
        eventfd_read(orders, &order);
    ssize_t n = read(fd, signals, sizeof signals);
    for (size_t i = 0; n > 0 && i < (size_t)n / sizeof signals[0]; i++) {
        if (signals[i].ssi_signo == SIGQUIT || signals[i].ssi_signo == SIGUSR1)
            show(rt, events, signals[i].ssi_signo == SIGUSR1);
        else
            drains++;
    }
    return drains;
}

/* True when every worker has ended, false when a stuck one was left behind. */
static bool run(struct weir_runtime *rt, int signals, struct display *display)
{
    const struct weir_config *config = rt->config;
    uint64_t stop_tsc =
        config->stop_after_ns == 0
            ? UINT64_MAX
            : rt->start_tsc + (uint64_t)((double)config->stop_after_ns * 1e-9 * (double)rt->tsc_hz);
    uint64_t drain_tsc = (uint64_t)((double)config->drain_timeout_ns * 1e-9 * (double)rt->tsc_hz);
    unsigned came = 0;
    for (;;) {
        bool hurry = rt->signal_tsc != 0 || weir_manager_busy(rt);
        came += signals_taken(rt, display->events, signals, hurry ? HURRY_TICK_MS : TICK_MS);
        uint64_t now = rte_rdtsc();
        if (weir_runtime_tick(rt, now))
            return true;
        if (came > 0)
            weir_runtime_drain(rt, now, "signal");
        else if (weir_manager_drains(rt))
            weir_runtime_drain(rt, now, "ctl drain");
        else if (now >= stop_tsc)
            weir_runtime_drain(rt, now, "stop-after");
        if (came > 1)
            return weir_runtime_discard(rt, "second signal");
        if (rt->signal_tsc != 0 && now - rt->signal_tsc > drain_tsc)
            return weir_runtime_discard(rt, NULL);
        observe(display, rt, now);
    }
}

static int certify(struct weir_runtime *rt, bool json)
{
    struct weir_snapshot *s = weir_snapshot_take(rt);
    if (s == NULL) {
        weir_log(WEIR_LOG_ERROR, "no memory for the certificate");
        return WEIR_FAILED_OS;
    }
    int code = weir_certificate_exit_code(s);
    errno = 0;
    if (!json)
        weir_certificate_text(s, stdout);
    else if (weir_certificate_json(s, stdout) == -ENOMEM)
        errno = ENOMEM;
    if (fflush(stdout) != 0 || ferror(stdout) || errno == ENOMEM) {
        weir_log(WEIR_LOG_ERROR, "the certificate could not be written: %s", strerror(errno));
        code = code != 0 ? code : WEIR_FAILED_OS;
    }
    weir_snapshot_free(s);
    return code;
}

static void tell_plan(const struct weir_runtime *rt)
{
    uint32_t sharing = 0;
    for (uint32_t i = 0; i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        sharing += w->yields;
        weir_log(WEIR_LOG_INFO, "worker %u of %s on cpu %u%s", w->index, rt->pools[w->pool].config->name,
            w->cpu, w->yields ? ", shared" : "");
    }
    if (sharing != 0)
        weir_log(WEIR_LOG_NOTICE,
            "%u workers share CPUs with each other (more workers than CPUs): they take turns", sharing);
}

static int run_pipeline(struct weir_runtime *rt, const struct options *o, int progress_ms, int signals)
{
    enum weir_failure failed = weir_eal_start(rt->plan, rt->config, o->eal);
    if (failed != WEIR_FINE)
        return (int)failed;
    failed = weir_runtime_build(rt);
    if (failed != WEIR_FINE)
        return (int)failed;
    tell_plan(rt);
    weir_memif_guard(rt);
    struct weir_events *events = weir_events_new();
    if (events == NULL)
        return WEIR_FAILED_OS;
    struct weir_http *http = serve(rt, events, &failed);
    struct weir_http *control = failed == WEIR_FINE ? serve_orders(rt, events, &failed) : NULL;
    if (failed == WEIR_FINE)
        failed = weir_runtime_start(rt);
    if (failed != WEIR_FINE) {
        weir_manager_close(rt);
        stop_serving(http, control);
        weir_events_free(events);
        if (rt->abandoned)
            _exit((int)failed); /* as below */
        return (int)failed;
    }
    struct display display = {
        .every_ms = progress_ms, .terminal = isatty(STDERR_FILENO) != 0, .events = events};
    bool all = run(rt, signals, &display);
    weir_manager_close(rt);
    clear(&display);
    stop_serving(http, control);
    weir_events_free(events);
    if (all)
        weir_runtime_finish(rt);
    int code = certify(rt, o->json);
    if (!all)
        _exit(code); /* a stuck worker still runs in this memory: nothing may be taken from under it */
    return code;
}

/* A descriptor of the signals that drain or show. Before any thread exists, so that all of them inherit the mask. What whoever
 * started us chose to ignore stays ignored (nohup; the background of a script): blocked, it would come all the same. */
static int open_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&mask, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a capture at the limit of file sizes: the write says so */
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_file(const char *file, const struct options *o, int progress_ms)
{
    struct weir_config *config = weir_config_load(file, o->sets, weir_vocabulary(), stderr);
    if (config == NULL)
        return WEIR_FAILED_CONFIG;
    weir_log_set_level(config->log);

    mallopt(M_ARENA_MAX,
        2); /* each connection has a thread, and an arena keeps what those that had it have freed */
    int signals = open_signals();
    if (signals < 0) {
        weir_log(WEIR_LOG_ERROR, "cannot listen for signals: %s", strerror(errno));
        weir_config_free(config);
        return WEIR_FAILED_OS;
    }

    enum weir_failure failed;
    struct weir_runtime *rt = weir_runtime_new(config, NULL, &failed);
    int code = (int)failed;
    if (failed == WEIR_FINE)
        code = run_pipeline(rt, o, progress_ms, signals);
    weir_memif_guard(NULL);
    weir_runtime_free(rt);
    weir_config_free(config);
    close(signals);
    return code;
}

static int run_or_generate(int argc, char **argv, bool generate)
{
    struct options o = {.json = false};
    int progress_ms = isatty(STDERR_FILENO) ? 1000 : 5000;
    int code = weir_read_options(argc, argv, generate ? generate_usage : usage, weir_run_options, notes, &o);
    if (code >= 0)
        return code;
    if (o.progress != NULL && !parse_seconds(o.progress, &progress_ms)) {
        fprintf(
            stderr, "weir %s: --progress takes 0 or seconds from 0.1 up, not `%s`\n", argv[0], o.progress);
        return weir_wrong_usage(argv[0], NULL);
    }
    if (optind + 1 != argc)
        return weir_wrong_usage(
            argv[0], optind == argc ? "which configuration? give one FILE" : "one FILE, not more");
    bool twice = strcmp(argv[optind], "-") != 0; /* it is read for what it lacks, and then as it is */
    char *pool = generate && twice ? weir_config_compose(argv[optind], o.sets) : NULL;
    const char **last = o.sets;
    while (*last != NULL)
        last++;
    *last = pool;
    code = run_file(argv[optind], &o, progress_ms);
    free(pool);
    return code;
}

int weir_verb_run(int argc, char **argv)
{
    return run_or_generate(argc, argv, false);
}

int weir_verb_generate(int argc, char **argv)
{
    return run_or_generate(argc, argv, true);
}
