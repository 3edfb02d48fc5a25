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
/* A descriptor: then a name may be anything, and is no word of the configuration. */
#define CAPTURE "/proc/self/fd/3"
#define BYTES_A_PACKET 50 /* of a file, at least: what pcap puts around it, Ethernet, IP */

#define LIST "/proc/self/fd/4"

struct options {
    const char *jobs;
    bool list, csv, json;
};

const struct weir_option weir_flows_options[] = {
    {"jobs", "N", "captures at once (as many as there are CPUs)", offsetof(struct options, jobs), false},
    {"list", NULL,
        "print the flows, too: of each its key, and packets and bytes each way, the first sender first",
        offsetof(struct options, list), false},
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

/* A row is an object: `file`, these, `reasons` (of drops: packets), `error` (null = none). */
static const char *const columns[] = {"packets", "ip_packets", "wire_bytes", "flows", "skipped", "dropped"};
#define N_COLUMNS (sizeof columns / sizeof columns[0])

struct job {
    const char *file;
    json_t *row;
    pid_t pid; /* 0 = does not run */
    FILE *out, *err, *list;
    int code; /* exit code that it asks for */
    bool done;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* JSON is UTF-8; a name may be any bytes. */
static json_t *new_row(const char *file)
{
    json_t *name = json_string(file);
    json_t *row = json_pack("{s:o}", "file", name != NULL ? name : json_string("(a name that is not UTF-8)"));
    for (size_t i = 0; i < N_COLUMNS; i++)
        json_object_set_new(row, columns[i], json_integer(0));
    json_object_set_new(row, "reasons", json_object());
    json_object_set_new(row, "error", json_null());
    return row;
}

static void add(json_t *row, const char *column, const json_t *from, const char *key)
{
    json_int_t more = json_integer_value(json_object_get(from, key));
    json_object_set_new(row, column, json_integer(json_integer_value(json_object_get(row, column)) + more));
}

static void fail(struct job *j, int code, const char *why)
{
    json_object_set_new(j->row, "error", json_sprintf("%s", why));
    j->code = code;
    j->done = true;
}

/* ---- one capture ---- */

static void begin(struct job *j, int cpu, bool list)
{
    struct stat about;
    int capture = open(j->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *config = tmpfile();
    j->out = tmpfile();
    j->err = tmpfile();
    j->list = tmpfile();
    if (capture < 0 || fstat(capture, &about) != 0) {
        fail(j, WEIR_FAILED_BAD_DATA, strerror(errno));
    } else if (config == NULL || j->out == NULL || j->err == NULL || j->list == NULL) {
        fail(j, WEIR_FAILED_OS, strerror(errno));
    } else {
        fprintf(config,
            "version: 1\nlisten: \"off\"\ncontrol: \"off\"\nlog: warning\nmemory: normal\ncpus: %d\n"
            "ports: {capture: {file: " CAPTURE "}}\n"
            "drain-timeout: 24h\n%s"
            "pools: {all: {from: [capture], stages: [validate, {meter: {max-flows: %ld, idle: 24h, "
            "active: 24h, tcp-end: 24h%s}}, sink]}}\n",
            cpu, list ? "exports: {list: {file: " LIST "}}\n" : "",
            (long)about.st_size / BYTES_A_PACKET * 5 / 4 + 1024, list ? ", records: list" : "");
        rewind(config);
        j->pid = fork();
        if (j->pid == 0) {
            if (dup2(fileno(config), 0) == 0 && dup2(fileno(j->out), 1) == 1 &&
                dup2(fileno(j->err), 2) == 2 && dup2(fcntl(capture, F_DUPFD_CLOEXEC, 10), 3) == 3 &&
                dup2(fcntl(fileno(j->list), F_DUPFD_CLOEXEC, 10), 4) == 4)
                execl("/proc/self/exe", "weir", "run", "--json", "--progress", "0", "-", (char *)NULL);
            _exit(WEIR_FAILED_OS);
        }
        if (j->pid < 0)
            fail(j, WEIR_FAILED_OS, strerror(errno));
    }
    if (capture >= 0)
        close(capture);
    if (config != NULL)
        fclose(config);
}

/* The flows that it wrote, an object each. */
static void read_list(struct job *j)
{
    json_t *flows = json_array(), *flow;
    rewind(j->list);
    while ((flow = json_loadf(j->list, JSON_DISABLE_EOF_CHECK, NULL)) != NULL)
        json_array_append_new(flows, flow);
    json_object_set_new(j->row, "list", flows);
}

/* What it said last, without what the row says, too. */
static const char *last_words(struct job *j, char *line, int size)
{
    static const char *const leads[] = {"error: ", "port capture: ", CAPTURE " ", CAPTURE ": "};
    const char *from = line, *found;
    rewind(j->err);
    while (fgets(line, size, j->err) != NULL)
        line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
        from = (found = strstr(from, leads[i])) != NULL ? found + strlen(leads[i]) : from;
    return from;
}

static void finish(struct job *j, int status, bool list)
{
    int said = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BROKEN;
    char line[1024] = "it ended without a word";
    const char *reason;
    json_t *count, *stage;
    size_t i;
    rewind(j->out);
    json_t *certificate = json_loadf(j->out, 0, NULL);
    json_array_foreach(json_object_get(certificate, "stages"), i, stage)
    {
        json_t *counters = json_object_get(stage, "counters");
        add(j->row, "ip_packets", counters, "ip_packets");
        add(j->row, "wire_bytes", counters, "ip_bytes");
        add(j->row, "flows", counters, "flows");
    }
    add(j->row, "packets", certificate, "accepted");
    add(j->row, "dropped", certificate, "dropped");
    add(j->row, "skipped", json_array_get(json_object_get(certificate, "ports"), 0), "missed");
    json_object_foreach(json_object_get(certificate, "drops"), reason, count)
    {
        if (json_integer_value(count) != 0)
            json_object_set(json_object_get(j->row, "reasons"), reason, count);
    }
    if (interrupted)
        fail(j, EXIT_INTERRUPTED, "interrupted");
    else if (WIFSIGNALED(status))
        fail(j, EXIT_BROKEN, strsignal(WTERMSIG(status)));
    else if (said != 0 || certificate == NULL)
        fail(j, said == WEIR_FAILED_BAD_DATA || said == WEIR_FAILED_OS ? said : EXIT_BROKEN,
            last_words(j, line, sizeof line));
    json_decref(certificate);
    if (list)
        read_list(j);
    fclose(j->out);
    fclose(j->err);
    fclose(j->list);
    j->pid = 0;
    j->done = true;
}

/* ---- what is shown ---- */

static void print_quoted(const char *text)
{
    for (putchar('"'); text != NULL && *text != '\0'; text++)
        printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

static void print_flow(const json_t *flow)
{
    const char *from, *to;
    int vlan, protocol, ports[2];
    json_int_t packets[2], bytes[2];
    if (json_unpack((json_t *)flow, "{s:i,s:i,s:[s,s],s:[i,i],s:[I,I],s:[I,I]}", "vlan", &vlan, "protocol",
            &protocol, "address", &from, &to, "port", &ports[0], &ports[1], "packets", &packets[0],
            &packets[1], "bytes", &bytes[0], &bytes[1]) == 0)
        printf("    vlan %d protocol %d  %s %d > %s %d  packets %lld back %lld  bytes %lld back %lld\n", vlan,
            protocol, from, ports[0], to, ports[1], packets[0], packets[1], bytes[0], bytes[1]);
}

static void print_row(const json_t *row, const struct options *o)
{
    const char *file = json_string_value(json_object_get(row, "file")), *reason, *between = "";
    const char *error = json_string_value(json_object_get(row, "error"));
    json_t *count;
    if (o->json) {
        json_dumpf(row, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    if (o->csv)
        print_quoted(file);
    for (size_t i = 0; i < N_COLUMNS; i++)
        printf(o->csv ? ",%" JSON_INTEGER_FORMAT : "%12" JSON_INTEGER_FORMAT,
            json_integer_value(json_object_get(row, columns[i])));
    printf(o->csv ? "," : "  %s  ", file);
    json_object_foreach(json_object_get(row, "reasons"), reason, count)
    {
        printf("%s%s=%" JSON_INTEGER_FORMAT, between, reason, json_integer_value(count));
        between = " ";
    }
    if (o->csv) {
        putchar(',');
        print_quoted(error);
    } else if (error != NULL) {
        printf("error: %s", error);
    }
    putchar('\n');
    json_t *flow;
    size_t i;
    json_array_foreach(json_object_get(row, "list"), i, flow)
    {
        print_flow(flow);
    }
}

/* On a terminal; of nothing, to take it away. */
static void show_progress(size_t done, size_t all)
{
    char bar[BAR_CELLS + 1] = "";
    if (!isatty(STDERR_FILENO))
        return;
    memset(bar, '#', all == 0 ? 0 : done * BAR_CELLS / all);
    fprintf(stderr, done < all ? "[%-*s] %zu of %zu" : "\r\033[K", BAR_CELLS, bar, done, all);
}

/* ---- all of them ---- */

static int nth_cpu(const cpu_set_t *set, size_t n)
{
    int cpu = -1;
    for (size_t skip = n % (size_t)CPU_COUNT(set) + 1; skip != 0;)
        skip -= CPU_ISSET((size_t)++cpu, set) != 0;
    return cpu;
}

/* Each row is printed as soon as all before it are. */
static int run_all(struct job *jobs, size_t n, size_t at_once, const struct options *o, const cpu_set_t *cpus)
{
    struct job *slots[JOBS_MAX] = {NULL};
    size_t next = 0, shown = 0;
    int code = 0, status;
    json_t *sum = new_row("all");
    while (shown < n) {
        bool running = false;
        for (size_t i = 0; i < at_once; i++) {
            while (next < n && !interrupted && (slots[i] == NULL || slots[i]->done))
                begin(slots[i] = &jobs[next++], nth_cpu(cpus, i), o->list);
            running |= slots[i] != NULL && slots[i]->pid > 0;
        }
        show_progress(shown, n);
        pid_t pid = running ? waitpid(-1, &status, 0) : 0;
        show_progress(0, 0);
        for (; next < n && interrupted; next++)
            fail(&jobs[next], EXIT_INTERRUPTED, "interrupted");
        for (size_t i = 0; i < at_once && running; i++)
            if (slots[i] != NULL && slots[i]->pid > 0 && slots[i]->pid == pid)
                finish(slots[i], status, o->list);
            else if (slots[i] != NULL && slots[i]->pid > 0 && interrupted)
                kill(slots[i]->pid, SIGTERM);
        for (; shown < n && jobs[shown].done; shown++) {
            print_row(jobs[shown].row, o);
            code = jobs[shown].code > code ? jobs[shown].code : code;
            for (size_t i = 0; i < N_COLUMNS; i++)
                add(sum, columns[i], jobs[shown].row, columns[i]);
            json_decref(jobs[shown].row);
        }
        fflush(stdout);
    }
    if (!o->csv && !o->json && n > 1)
        print_row(sum, o);
    json_decref(sum);
    return code;
}

int weir_verb_flows(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = weir_read_options(argc, argv, usage, weir_flows_options, notes, &o);
    if (code >= 0)
        return code;
    struct sigaction action = {.sa_handler = interrupt};
    cpu_set_t cpus;
    char *end = "";
    size_t n = (size_t)(argc - optind);
    sched_getaffinity(0, sizeof cpus, &cpus);
    unsigned long at_once = o.jobs != NULL ? strtoul(o.jobs, &end, 10) : (unsigned long)CPU_COUNT(&cpus);
    if (at_once == 0 || at_once > JOBS_MAX || *end != '\0')
        return weir_wrong_usage(argv[0], "--jobs takes a number from 1 to 256");
    if (n == 0)
        return weir_wrong_usage(argv[0], "which captures? give a CAPTURE");
    if (o.csv && (o.json || o.list))
        return weir_wrong_usage(argv[0], "--csv goes with neither --json nor --list");

    struct job *jobs = calloc(n, sizeof *jobs);
    for (size_t i = 0; jobs != NULL && i < n; i++)
        jobs[i] = (struct job){.file = argv[optind + (int)i], .row = new_row(argv[optind + (int)i])};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (o.csv)
        puts("file,packets,ip_packets,wire_bytes,flows,skipped,dropped,reasons,error");
    else if (!o.json)
        puts("     packets  ip packets  wire bytes       flows     skipped     dropped  file");
    code = jobs != NULL ? run_all(jobs, n, at_once, &o, &cpus) : WEIR_FAILED_OS;
    free(jobs);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "weir flows: standard output cannot be written\n");
        return WEIR_FAILED_OS;
    }
    return code;
}
