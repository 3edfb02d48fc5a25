/* SPDX-License-Identifier: BSD-3-Clause */
/* weir flows CAPTURE…: count packets, bytes and flows of many captures at once.
 *
 * Each file has a weir of its own, `run` with a configuration made here and the certificate read back: the numbers are
 * those of the pipeline, and what one file breaks is one file's result. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h> /* optind */
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "workers/runtime.h"

#define JOBS_MAX 256
#define EXIT_BROKEN 70
#define EXIT_INTERRUPTED 130
#define BAR_CELLS 30
#define CAPTURE "/proc/self/fd/3" /* any name, and no word of it in the configuration */
/* Of a capture, at least: what frames a packet in pcap, Ethernet, IP. */
#define BYTES_A_PACKET 50

struct options {
    const char *jobs;
    bool csv, json;
};

const struct weir_option weir_flows_options[] = {
    {"jobs", "N", "captures at once (as many as there are CPUs)", offsetof(struct options, jobs), false},
    {"csv", NULL, "print lines of comma-separated values", offsetof(struct options, csv), false},
    {"json", NULL, "print an object a line", offsetof(struct options, json), false},
    {.name = NULL},
};
static const char usage[] = "usage: weir flows [OPTION]… CAPTURE…     (pcap or pcapng, Ethernet)\n";
static const char notes[] =
    "A flow has two directions; its key is the innermost VLAN, the outer addresses, the protocol, and the "
    "ports of TCP,\n"
    "UDP and SCTP. No time-out ends it. Invalid IP packets are IP packets too, and dropped with a reason.\n"
    "skipped: frames that are not Ethernet, and a damaged tail.\n"
    "exit: 0 fine, 64 usage, 65 a capture could not be read, 70 weir failed on one, 71 system, 130 "
    "interrupted\n";

/* Of a row; before them its `file`, after them `reasons` (of drops: packets) and `error` (null = none). */
static const char *const columns[] = {
    "packets", "ip_packets", "wire_bytes", "flows", "skipped", "dropped", NULL};

struct result {
    const char *file;
    bool done;
    int code; /* exit code that it asks for */
    json_t *row;
};

struct job {
    pid_t pid; /* 0 = free */
    struct result *result;
    FILE *out, *err;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- one capture ---- */

static FILE *written(const char *text)
{
    FILE *file = tmpfile();
    if (file != NULL) {
        fputs(text, file);
        rewind(file);
    }
    return file;
}

/* In the child: does not come back. */
static void become_weir(int capture, FILE *config, const struct job *job, int cpu)
{
    static const int drains[] = {SIGINT, SIGTERM};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    sched_setaffinity(0, sizeof one, &one); /* else each would take the same best one */
    for (size_t i = 0; i < sizeof drains / sizeof drains[0]; i++)
        signal(drains[i], SIG_DFL);
    int high = fcntl(capture, F_DUPFD_CLOEXEC, 10);
    if (dup2(fileno(config), 0) < 0 || dup2(fileno(job->out), 1) < 0 || dup2(fileno(job->err), 2) < 0 ||
        dup2(high, 3) < 0)
        _exit(WEIR_FAILED_OS);
    execl("/proc/self/exe", "weir", "run", "--json", "--progress", "0", "-", (char *)NULL);
    _exit(WEIR_FAILED_OS);
}

/* JSON is UTF-8; a name may be any bytes. */
static json_t *text_of(const char *text)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c != '\0'; c++)
        *c = *c < 0 ? '?' : *c;
    json_t *whole = json_string(text);
    return whole != NULL ? whole : json_string(copy);
}

static void fail(struct result *r, int code, const char *why)
{
    json_object_set_new(r->row, "error", text_of(why));
    r->code = code;
    r->done = true;
}

static void add(json_t *row, const char *column, json_t *more)
{
    json_int_t sum = json_integer_value(json_object_get(row, column)) + json_integer_value(more);
    json_object_set_new(row, column, json_integer(sum));
}

/* False: there is a result already. */
static bool begin(struct job *job, struct result *r, int cpu)
{
    char config[512];
    struct stat about;
    int capture = open(r->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (capture < 0 || fstat(capture, &about) != 0) {
        fail(r, WEIR_FAILED_BAD_DATA, strerror(errno));
        return false;
    }
    snprintf(config, sizeof config,
        "version: 1\nlisten: \"off\"\nlog: warning\nmemory: normal\nports: {capture: {file: " CAPTURE "}}\n"
        "pools: {all: {from: [capture], stages: [validate, {meter: {max-flows: %ld, idle: 24h, active: 24h, "
        "tcp-end: 24h}}, sink]}}\n",
        (long)about.st_size / BYTES_A_PACKET * 5 / 4 + 1024);
    FILE *text = written(config);
    *job = (struct job){.result = r, .out = written(""), .err = written("")};
    bool fine = text != NULL && job->out != NULL && job->err != NULL && (job->pid = fork()) >= 0;
    if (fine && job->pid == 0)
        become_weir(capture, text, job, cpu);
    if (!fine) {
        fail(r, WEIR_FAILED_OS, strerror(errno));
        job->pid = 0;
    }
    close(capture);
    if (text != NULL)
        fclose(text);
    return fine;
}

/* What it said last that is an error, without what the file's own row says. */
static void take_error(struct job *job, int code)
{
    static const char *const leads[] = {"error: ", "port capture: ", CAPTURE " ", CAPTURE ": "};
    char line[1024], last[1024] = "it ended without a word";
    rewind(job->err);
    while (fgets(line, sizeof line, job->err) != NULL)
        if (strstr(line, leads[0]) != NULL || strstr(line, "ERROR: ") != NULL ||
            strstr(line, "runtime error") != NULL)
            memcpy(last, line, sizeof last);
    const char *from = last;
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        const char *found = strstr(from, leads[i]);
        from = found != NULL ? found + strlen(leads[i]) : from;
    }
    last[strcspn(last, "\n")] = '\0';
    fail(job->result, code, from);
}

static void take_certificate(json_t *row, json_t *certificate)
{
    const char *reason;
    json_t *stage, *count;
    size_t i;
    add(row, "packets", json_object_get(certificate, "accepted"));
    add(row, "dropped", json_object_get(certificate, "dropped"));
    add(row, "skipped", json_object_get(json_array_get(json_object_get(certificate, "ports"), 0), "missed"));
    json_array_foreach(json_object_get(certificate, "stages"), i, stage)
    {
        json_t *counters = json_object_get(stage, "counters");
        add(row, "ip_packets", json_object_get(counters, "ip_packets"));
        add(row, "wire_bytes", json_object_get(counters, "ip_bytes"));
        add(row, "flows", json_object_get(counters, "flows"));
    }
    json_object_foreach(json_object_get(certificate, "drops"), reason, count)
    {
        if (json_integer_value(count) != 0)
            json_object_set(json_object_get(row, "reasons"), reason, count);
    }
}

/* The child of this job has ended. */
static void finish(struct job *job, int status)
{
    struct result *r = job->result;
    int said = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BROKEN;
    rewind(job->out);
    json_t *certificate = json_loadf(job->out, 0, NULL);
    if (certificate != NULL)
        take_certificate(r->row, certificate);
    if (interrupted)
        fail(r, EXIT_INTERRUPTED, "interrupted");
    else if (WIFSIGNALED(status))
        fail(r, EXIT_BROKEN, strsignal(WTERMSIG(status)));
    else if (said != 0 || certificate == NULL)
        take_error(job, said == WEIR_FAILED_BAD_DATA || said == WEIR_FAILED_OS ? said : EXIT_BROKEN);
    json_decref(certificate);
    fclose(job->out);
    fclose(job->err);
    job->pid = 0;
    r->done = true;
}

/* ---- what is shown ---- */

static void print_json(const json_t *row)
{
    json_dumpf(row, stdout, JSON_COMPACT);
    putchar('\n');
}

static void print_quoted(const char *text)
{
    putchar('"');
    for (; text != NULL && *text != '\0'; text++)
        printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

static void print_numbers(const json_t *row, const char *format)
{
    for (const char *const *c = columns; *c != NULL; c++)
        printf(format, json_integer_value(json_object_get(row, *c)));
}

static void print_reasons(const json_t *row, const char *format)
{
    const char *reason, *between = "";
    json_t *count;
    json_object_foreach(json_object_get(row, "reasons"), reason, count)
    {
        printf(format, between, reason, json_integer_value(count));
        between = " ";
    }
}

static void print_csv(const json_t *row)
{
    print_quoted(json_string_value(json_object_get(row, "file")));
    print_numbers(row, ",%" JSON_INTEGER_FORMAT);
    printf(",\"");
    print_reasons(row, "%s%s=%" JSON_INTEGER_FORMAT);
    printf("\",");
    print_quoted(json_string_value(json_object_get(row, "error")));
    putchar('\n');
}

static void print_table(const json_t *row)
{
    const char *error = json_string_value(json_object_get(row, "error"));
    print_numbers(row, "%12" JSON_INTEGER_FORMAT);
    printf("  %s%s%s", json_string_value(json_object_get(row, "file")), error != NULL ? "  error: " : "",
        error != NULL ? error : "");
    print_reasons(row, "  %s%s %" JSON_INTEGER_FORMAT);
    putchar('\n');
}

static void show_progress(size_t done, size_t all)
{
    char bar[BAR_CELLS + 1] = "";
    memset(bar, '#', done * BAR_CELLS / all);
    if (isatty(STDERR_FILENO) && done < all)
        fprintf(stderr, "[%-*s] %zu of %zu", BAR_CELLS, bar, done, all);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ---- all of them ---- */

static struct job *job_of(struct job *jobs, size_t n, pid_t pid)
{
    while (n > 0 && jobs[n - 1].pid != pid)
        n--;
    return n == 0 ? NULL : &jobs[n - 1];
}

static int nth_cpu(const cpu_set_t *set, size_t n)
{
    int cpu = -1;
    for (size_t skip = n % (size_t)CPU_COUNT(set) + 1; skip != 0;)
        skip -= CPU_ISSET((size_t)++cpu, set) != 0;
    return cpu;
}

/* Each result is printed as soon as all before it are. */
static int run_all(struct result *results, size_t n, struct job *jobs, size_t n_jobs, const cpu_set_t *cpus,
    void (*print)(const json_t *))
{
    size_t next = 0, shown = 0, done = 0;
    int code = 0;
    json_t *sum = json_pack("{s:o}", "file", json_sprintf("%zu captures", n));
    while (shown < n) {
        struct job *free_job = job_of(jobs, n_jobs, 0), *ended;
        if (interrupted) { /* what has not begun does not */
            for (size_t i = 0; i < n_jobs; i++)
                if (jobs[i].pid != 0)
                    kill(jobs[i].pid, SIGTERM);
            for (; next < n; next++, done++)
                fail(&results[next], EXIT_INTERRUPTED, "interrupted");
        }
        if (next < n && free_job != NULL) {
            done += !begin(free_job, &results[next++], nth_cpu(cpus, (size_t)(free_job - jobs)));
        } else if (done < n) {
            int status;
            pid_t pid = waitpid(-1, &status, 0);
            if (pid > 0 && (ended = job_of(jobs, n_jobs, pid)) != NULL) {
                finish(ended, status);
                done++;
            }
        }
        clear_progress();
        for (; shown < n && results[shown].done; shown++) {
            const struct result *r = &results[shown];
            print(r->row);
            code = r->code > code ? r->code : code;
            for (const char *const *column = columns; *column != NULL; column++)
                add(sum, *column, json_object_get(r->row, *column));
            json_decref(r->row);
        }
        fflush(stdout);
        show_progress(done, n);
    }
    if (print == print_table && n > 1)
        print(sum);
    json_decref(sum);
    return code;
}

int weir_verb_flows(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = weir_read_options(argc, argv, usage, weir_flows_options, notes, &o);
    if (code >= 0)
        return code;
    cpu_set_t cpus;
    char *end = NULL;
    size_t n = (size_t)(argc - optind);
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) {
        CPU_ZERO(&cpus);
        CPU_SET(0, &cpus);
    }
    unsigned long jobs = o.jobs != NULL ? strtoul(o.jobs, &end, 10) : (unsigned long)CPU_COUNT(&cpus);
    if (jobs == 0 || (end != NULL && *end != '\0') || (o.jobs != NULL && jobs > JOBS_MAX))
        return weir_wrong_usage(argv[0], "--jobs takes a number from 1 to 256");
    if (n == 0)
        return weir_wrong_usage(argv[0], "which captures? give a CAPTURE");
    if (o.csv && o.json)
        return weir_wrong_usage(argv[0], "--csv or --json, not both");

    struct result *results = calloc(n, sizeof *results);
    struct job *slots = calloc(JOBS_MAX, sizeof *slots);
    if (results == NULL || slots == NULL) {
        fprintf(stderr, "weir flows: no memory\n");
        return WEIR_FAILED_OS;
    }
    for (size_t i = 0; i < n; i++) {
        const char *file = argv[optind + (int)i];
        results[i] = (struct result){.file = file,
            .row = json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:{}, s:n}", "file", text_of(file),
                columns[0], 0, columns[1], 0, columns[2], 0, columns[3], 0, columns[4], 0, columns[5], 0,
                "reasons", "error")};
    }
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (o.csv)
        puts("file,packets,ip_packets,wire_bytes,flows,skipped,dropped,reasons,error");
    else if (!o.json)
        puts("     packets  ip packets  wire bytes       flows     skipped     dropped  file");
    code = run_all(results, n, slots, jobs < JOBS_MAX ? jobs : JOBS_MAX, &cpus,
        o.csv    ? print_csv
        : o.json ? print_json
                 : print_table);
    free(results);
    free(slots);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "weir flows: standard output cannot be written\n");
        return WEIR_FAILED_OS;
    }
    return code;
}
