/* SPDX-License-Identifier: BSD-3-Clause */
/* weir bench FILE: the highest rate without loss, latency below it, and the longest burst; after RFC 2544.
 *
 * Each trial is a weir of its own, `run` with overrides, and its certificate read back: nothing of one is left in the next. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/search.h"
#include "config/key_table.h"
#include "workers/runtime.h"

#define EXIT_BROKEN 70
#define EXIT_HELD 75
#define ROUNDS 3
#define IDLE_PPS 1000
#define QUEUE_S 0.1 /* of packets the generator's schedule may run ahead: a stall as long is no loss, */
#define QUEUE_MIN 4096
#define QUEUE_MAX 1048576
#define BACKLOG 0.01 /* but what still waits at the end may be no more than this share of the load */
#define MOST_PPS 1e11
#define RESOLUTION 0.02
#define PROBES 2000        /* a trial, at least */
#define BURST_PPS 14880952 /* 64-byte frames back to back at 10 Gbit/s */
#define BURST_TIMES 1000   /* of the load around it */
#define BURST_AT_MS 200
#define BURST_RESOLUTION 0.1
#define BURST_LEAST 256 /* 10 us, below which no spike is, are 149 packets */

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 1];
    const char *loss, *seconds, *svg;
    bool json;
};

const struct weir_option weir_bench_options[] = {
    {"set", "KEY=VALUE", "override a key of the file, as in --set pools.work.workers=4",
        offsetof(struct options, sets), true},
    {"loss", "PERCENT", "of the packets that a trial may lose (0)", offsetof(struct options, loss), false},
    {"seconds", "SECS", "how long a trial is (2)", offsetof(struct options, seconds), false},
    {"json", NULL, "print the result as JSON", offsetof(struct options, json), false},
    {"svg", "FILE", "draw latency by load", offsetof(struct options, svg), false},
    {.name = NULL},
};
static const char usage[] =
    "usage: weir bench [OPTION]… FILE       (a configuration with one port of kind generator)\n";
static const char notes[] =
    "The highest rate is the median of three searches, each confirmed; a rate fails by two trials of three. "
    "Lost is what was offered\nand not delivered: missed by the port, or dropped anywhere.\n"
    "exit: 0 fine, 64 usage, 70 no rate passes, 71 system, 78 configuration, or that "
    "of a trial that failed\n";

struct trial {
    double rate;  /* 0 = as fast as the pipeline takes it */
    double burst; /* packets back to back in the middle of it, 0 = none */
};

struct bench {
    const char *file, *port;
    const struct weir_config *config;
    const struct options *o;
    double loss, seconds;
    uint32_t port_index, trials;
    int code; /* of a trial that could not be; 0 = fine */
};

/* ---- one trial ---- */

static double number(const json_t *from, const char *key)
{
    return json_number_value(json_object_get(from, key));
}

static double shown(double rate)
{
    return rate >= 1e6 ? rate / 1e6 : rate / 1e3;
}

static const char *unit(double rate)
{
    return rate >= 1e6 ? "Mpps" : "kpps";
}

static void run_child(const struct bench *b, struct trial t, int out)
{
    double rate = t.rate;
    const char *argv[2 * WEIR_ARGUMENTS_MAX + 2 * WEIR_POOLS_LIMIT + 24] = {"weir", "run", "--json",
        "--progress", "0", "--set", "listen=off", "--set", "control=off", "--set", "log=error"};
    int n = 11;
    for (const char *const *set = b->o->sets; *set != NULL; set++)
        argv[n++] = "--set", argv[n++] = *set;
#define SET(...)                                                                                             \
    do {                                                                                                     \
        if (asprintf((char **)&argv[n + 1], __VA_ARGS__) < 0)                                                \
            _exit(WEIR_FAILED_OS);                                                                           \
        argv[n] = "--set";                                                                                   \
        n += 2;                                                                                              \
    } while (0)
    if (rate == 0)
        SET("ports.%s.generator.rate=max", b->port);
    else
        SET("ports.%s.generator.rate=%.0fpps", b->port, rate);
    SET("ports.%s.generator.queue=%.0f", b->port, fmin(fmax(rate * QUEUE_S, QUEUE_MIN), QUEUE_MAX));
    SET("ports.%s.generator.count=0", b->port);
    if (t.burst != 0)
        SET("ports.%s.generator.spike={at: %dms, for: %.0fns, times: %d}", b->port, BURST_AT_MS,
            t.burst / BURST_PPS * 1e9, BURST_TIMES);
    for (uint32_t i = 0; i < b->config->n_pools; i++)
        if (b->config->pools[i].fed_by_ports && rate != 0 && rate * b->seconds < 1000 * PROBES)
            SET("pools.%s.probe-every=%.0f", b->config->pools[i].name, fmax(rate * b->seconds / PROBES, 1));
    SET("stop-after=%.0fms", t.burst != 0 ? 2 * BURST_AT_MS + t.burst / BURST_PPS * 1e3 : b->seconds * 1000);
    argv[n] = b->file;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (dup2(out, STDOUT_FILENO) >= 0)
        execv("/proc/self/exe", (char **)argv);
    _exit(WEIR_FAILED_OS);
}

/* Its certificate, or NULL with b->code set; why is said. */
static json_t *run_trial(struct bench *b, struct trial t)
{
    int out[2] = {-1, -1}, status = -1;
    pid_t pid = pipe2(out, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0)
        run_child(b, t, out[1]);
    if (pid < 0)
        fprintf(stderr, "weir bench: a trial cannot be started: %s\n", strerror(errno));
    close(out[1]);
    json_t *certificate = json_loadfd(out[0], 0, NULL);
    close(out[0]);
    b->trials++;
    b->code = WEIR_FAILED_OS;
    if (pid > 0 && waitpid(pid, &status, 0) == pid)
        b->code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BROKEN;
    if (certificate != NULL && b->code == EXIT_HELD)
        b->code = 0; /* what it held then is dropped, and counted */
    if (certificate == NULL && b->code == 0)
        b->code = EXIT_BROKEN;
    if (b->code == 0)
        return certificate;
    json_decref(certificate);
    return NULL;
}

/* Is what a trial was asked to carry carried? */
static bool passes(const struct bench *b, struct trial t, const json_t *certificate)
{
    const json_t *port = json_array_get(json_object_get(certificate, "ports"), b->port_index);
    double offered = number(port, "offered"), missed = number(port, "missed");
    double lost = missed + number(certificate, "dropped") + number(certificate, "abandoned") +
                  number(certificate, "lost");
    bool kept_up = t.burst != 0 || offered >= t.rate * b->seconds * (1 - BACKLOG) - 1;
    return offered > 0 && lost <= offered * b->loss && kept_up;
}

/* Run the search, of rates or, with `rate` given, of bursts; 0 = nothing passes, or b->code is set. */
static double search(struct bench *b, struct weir_search *s, double rate)
{
    for (bool more = true; more;) {
        struct trial t = {rate == 0 ? s->next : rate, rate == 0 ? 0 : s->next};
        json_t *certificate = run_trial(b, t);
        if (certificate == NULL)
            return 0;
        bool passed = passes(b, t, certificate);
        json_decref(certificate);
        more = weir_search_tell(s, passed);
        if (isatty(STDERR_FILENO) && rate == 0)
            fprintf(stderr, "\r\033[Ktrial %u: %.4g %s%s: %s", b->trials, shown(t.rate), unit(t.rate),
                s->confirms ? ", confirming" : "", passed ? "passed" : "failed");
        else if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[Ktrial %u: %.0f packets back to back: %s", b->trials, t.burst,
                passed ? "passed" : "failed");
    }
    return s->low;
}

/* ---- the whole ---- */

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* The pool in which most packets end; null if nobody knows. */
static json_t *latency_at(struct bench *b, double rate, const char *load)
{
    json_t *certificate = run_trial(b, (struct trial){.rate = rate}), *row, *most = NULL;
    size_t i;
    json_array_foreach(json_object_get(certificate, "latency"), i, row)
    {
        if (most == NULL || number(row, "count") > number(most, "count"))
            most = row;
    }
    json_t *to = json_pack("{s:s, s:f, s:O?}", "load", load, "rate_pps", rate, "latency", most);
    json_decref(certificate);
    return to;
}

/* NULL after a failure, b->code is set. */
static json_t *measure(struct bench *b)
{
    double at_max[ROUNDS], found[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        json_t *certificate = run_trial(b, (struct trial){0});
        if (certificate == NULL)
            return NULL;
        at_max[i] = number(certificate, "sent_pps");
        json_decref(certificate);
    }
    qsort(at_max, ROUNDS, sizeof at_max[0], by_size);
    struct weir_search s;
    for (int i = 0; i < ROUNDS; i++) {
        weir_search_begin(&s, i == 0 ? at_max[ROUNDS / 2] : found[i - 1], IDLE_PPS, MOST_PPS, RESOLUTION);
        found[i] = search(b, &s, 0);
        if (b->code != 0)
            return NULL;
    }
    qsort(found, ROUNDS, sizeof found[0], by_size);
    double best = found[ROUNDS / 2];
    if (best == 0) {
        fprintf(stderr,
            "weir bench: not even %d packets a second pass; allow some --loss, or see what is dropped: weir "
            "run %s\n",
            IDLE_PPS, b->file);
        b->code = EXIT_BROKEN;
        return NULL;
    }
    json_t *latency = json_array();
    static const struct {
        const char *load;
        double share;
    } loads[] = {{"idle", 0}, {"10 %", 0.1}, {"50 %", 0.5}, {"90 %", 0.9}};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0] && b->code == 0; i++)
        json_array_append_new(latency, latency_at(b, fmax(best * loads[i].share, IDLE_PPS), loads[i].load));
    double burst = 0, around = (double)BURST_PPS / BURST_TIMES;
    if (b->code == 0 && best > 2 * around) {
        weir_search_begin(&s, 2 * QUEUE_MIN, BURST_LEAST, BURST_PPS, BURST_RESOLUTION);
        burst = search(b, &s, around);
    }
    return json_pack("{s:s, s:f, s:f, s:f, s:[f,f,f], s:f, s:o, s:f, s:I}", "file", b->file, "loss_percent",
        b->loss * 100, "seconds", b->seconds, "highest_pps", best, "found_pps", found[0], found[1], found[2],
        "max_pps", at_max[ROUNDS / 2], "latency", latency, "burst_packets", burst, "trials",
        (json_int_t)b->trials);
}

/* ---- showing ---- */

static const struct {
    const char *key, *name, *colour;
} quantiles[] = {{"p50_ns", "p50", "#0a6"}, {"p90_ns", "p90", "#46c"}, {"p99_ns", "p99", "#a4a"},
    {"p99_9_ns", "p99.9", "#c80"}, {"p99_99_ns", "p99.99", "#c40"}, {"max_ns", "max", "#888"}};
#define N_QUANTILES (sizeof quantiles / sizeof quantiles[0])

static void print_text(const json_t *r)
{
    const json_t *found = json_object_get(r, "found_pps"), *row;
    double best = number(r, "highest_pps"), top = number(r, "max_pps");
    size_t i;
    printf("highest rate   %.3g %s, losing up to %g %% (median of", shown(best), unit(best),
        number(r, "loss_percent"));
    json_array_foreach(found, i, row) printf(" %.3g", shown(json_number_value(row)));
    printf(")\nat `rate: max`  %.3g %s delivered\n\n%-5s %10s", shown(top), unit(top), "load", "rate");
    for (i = 0; i < N_QUANTILES; i++)
        printf(" %9s", quantiles[i].name);
    puts("   (us)");
    size_t k;
    json_array_foreach(json_object_get(r, "latency"), k, row)
    {
        double rate = number(row, "rate_pps");
        printf("%-5s %5.3g %s", json_string_value(json_object_get(row, "load")), shown(rate), unit(rate));
        for (i = 0; i < N_QUANTILES; i++)
            printf(" %9.1f", number(json_object_get(row, "latency"), quantiles[i].key) / 1000);
        putchar('\n');
    }
    double burst = number(r, "burst_packets");
    if (burst == 0)
        printf("\nback to back   not even %d packets, or too slow for the load around them\n", BURST_LEAST);
    else
        printf("\nback to back   %s%.0f packets at %.2f Mpps, over a load of %.1f kpps\n",
            burst >= BURST_PPS ? "more than " : "", burst, BURST_PPS / 1e6, BURST_PPS / 1e3 / BURST_TIMES);
}

/* Both axes in words: the loads side by side, a line of the grid a tenfold. */
static bool draw(const json_t *r, const char *path)
{
    static const char *const marks[] = {
        "100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s"};
    FILE *to = fopen(path, "we");
    if (to == NULL)
        return false;
    const json_t *rows = json_object_get(r, "latency"), *row;
    size_t k;
    fprintf(to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 560 420\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"560\" height=\"420\" fill=\"white\"/>\n"
        "<text x=\"60\" y=\"24\">latency by load; highest rate %.3g %s</text>\n",
        shown(number(r, "highest_pps")), unit(number(r, "highest_pps")));
    for (int i = 0; i < 8; i++)
        fprintf(to,
            "<text x=\"52\" y=\"%d\" text-anchor=\"end\">%s</text><path d=\"M60 %dH440\" stroke=\"#ddd\"/>\n",
            384 - 48 * i, marks[i], 380 - 48 * i);
    json_array_foreach(rows, k, row)
        fprintf(to, "<text x=\"%zu\" y=\"404\" text-anchor=\"middle\">%s</text>\n", 80 + 110 * k,
            json_string_value(json_object_get(row, "load")));
    for (size_t i = 0; i < N_QUANTILES; i++) {
        fprintf(to,
            "<text x=\"460\" y=\"%zu\" fill=\"%s\">%s</text><polyline fill=\"none\" stroke=\"%s\" points=\"",
            60 + 20 * i, quantiles[i].colour, quantiles[i].name, quantiles[i].colour);
        json_array_foreach(rows, k, row) fprintf(to, "%zu,%.1f ", 80 + 110 * k,
            380 - 48 * log10(fmax(number(json_object_get(row, "latency"), quantiles[i].key), 100) / 100));
        fputs("\"/>\n", to);
    }
    fputs("</svg>\n", to);
    bool fine = !ferror(to);
    return fclose(to) == 0 && fine;
}

/* ---- the verb ---- */

/* What changes the rate with time leaves none to be searched for. False after a complaint. */
static bool has_one_rate(const struct bench *b)
{
    static const char *const profiles[] = {
        "churn", "line", "spike", "ramp", "on-off", "burst", "poisson", "timeline"};
    const struct weir_config_port *port = &b->config->ports[b->port_index];
    for (uint32_t i = 0; port->kind->rows[i].key != NULL; i++)
        for (size_t k = 0; k < sizeof profiles / sizeof profiles[0]; k++)
            if (strcmp(port->kind->rows[i].key, profiles[k]) == 0 && port->values[i].place.line != 0) {
                fprintf(stderr,
                    "%s:%u:%u: `%s` goes with a rate that is written, and bench sets it; leave it out\n",
                    b->file, port->values[i].place.line, port->values[i].place.column, profiles[k]);
                return false;
            }
    return true;
}

/* False after a complaint. */
static bool find_generator(struct bench *b)
{
    int n = 0;
    for (uint32_t i = 0; i < b->config->n_ports; i++)
        if (strcmp(b->config->ports[i].kind->name, "generator") == 0) {
            b->port = b->config->ports[i].name;
            b->port_index = i;
            n++;
        }
    if (n != 1)
        fprintf(stderr,
            "%s: has %d ports of kind generator, whose rate could be searched for; allowed: one, as with "
            "--set 'ports.NAME={generator: {size: 64}}'\n",
            b->file, n);
    return n == 1 && has_one_rate(b);
}

static bool read_number(const char *text, double least, double most, double *to)
{
    char *end;
    if (text == NULL)
        return true;
    *to = strtod(text, &end);
    return end != text && *end == '\0' && *to >= least && *to <= most;
}

int weir_verb_bench(int argc, char **argv)
{
    struct options o = {.json = false};
    struct bench b = {.o = &o, .seconds = 2};
    int code = weir_read_options(argc, argv, usage, weir_bench_options, notes, &o);
    if (code >= 0)
        return code;
    if (optind + 1 != argc || strcmp(argv[optind], "-") == 0)
        return weir_wrong_usage(argv[0], "which configuration? give one FILE, which each trial reads again");
    if (!read_number(o.loss, 0, 99, &b.loss) || !read_number(o.seconds, 0.1, 3600, &b.seconds))
        return weir_wrong_usage(argv[0], "--loss takes a percentage below 100, --seconds 0.1 to 3600");
    b.loss /= 100;
    b.file = argv[optind];
    struct weir_config *config = weir_config_load(b.file, o.sets, weir_vocabulary(), stderr);
    b.config = config;
    if (config == NULL || !find_generator(&b)) {
        weir_config_free(config);
        return WEIR_FAILED_CONFIG;
    }
    json_t *result = measure(&b);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (result != NULL && b.code == 0) {
        if (o.json)
            json_dumpf(result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)), putchar('\n');
        else
            print_text(result);
        if (o.svg != NULL && !draw(result, o.svg)) {
            fprintf(stderr, "weir bench: %s cannot be written: %s\n", o.svg, strerror(errno));
            b.code = WEIR_FAILED_OS;
        }
    }
    json_decref(result);
    weir_config_free(config);
    return b.code;
}
