/* SPDX-License-Identifier: BSD-3-Clause */
/* weir ctl …: speak to a running weir over its control socket. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h> /* optind */
#include <glob.h>
#include <jansson.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/watch.h"
#include "workers/runtime.h"

struct options {
    const char *socket, *interval;
    bool json;
    const char *write, *at, *snap, *every, *count, *length; /* capture only */
};

#define OF_CAPTURE(name, value, member, help)                                                                \
    {                                                                                                        \
        name, value, "capture: " help, offsetof(struct options, member), false                               \
    }
const struct weir_option weir_ctl_options[] = {
    {"socket", "FILE", "the control socket of the weir that is meant (default: of the only one that runs)",
        offsetof(struct options, socket), false},
    {"json", NULL, "print what it answers as it is (stats, watch, workers and orders: JSON)",
        offsetof(struct options, json), false},
    {"interval", "TIME", "watch: between two looks, 100ms to 5s (default: 1s)",
        offsetof(struct options, interval), false},
    OF_CAPTURE("write", "FILE", write, "into this file, as pcapng; - is standard output (short: -w)"),
    OF_CAPTURE("at", "WHERE", at,
        "what enters the pool of this name; `drop` or `drop:REASON` (default: what comes from ports)"),
    OF_CAPTURE("snap", "BYTES", snap, "keep so much of each packet (default: 2048)"),
    OF_CAPTURE("every", "N", every, "look at one packet of N, worker by worker (default: 1)"),
    OF_CAPTURE("count", "N", count, "end after N packets"),
    OF_CAPTURE("for", "TIME", length, "end after this time, as in 10s"),
    {.name = NULL},
};
static const char usage[] =
    "usage: weir ctl [OPTION]… stats | watch | workers | events | ledger | config | ready\n"
    "       weir ctl [OPTION]… resize POOL WORKERS\n"
    "       weir ctl [OPTION]… move POOL SHARD WORKER\n"
    "       weir ctl [OPTION]… shuffle POOL\n"
    "       weir ctl [OPTION]… capture --write FILE ['FILTER']\n"
    "       weir ctl [OPTION]… drain\n";
static const char notes[] =
    "An order returns when it is carried out; drain returns at once. A capture ends by ctrl-C, too; it\n"
    "holds up nobody: what its reader is too slow for is lost to it. FILTER: pcap-filter(7), in quotes.\n"
    "exit: 0 done, 64 usage, 69 no weir answers, 71 the file cannot be written, 75 not done, and why\n";

#define EXIT_NOT_DONE 75
#define TIMEOUT_S 30L /* twice what weir waits for an order */

/* ---- what can be asked: the words after the verb become the query ---- */

/* What a packet costs in each stage, and how the worker came to lose time. */
static void print_times(json_t *w)
{
    size_t i;
    json_t *g;
    const char *doing = json_string_value(json_object_get(w, "doing"));
    printf("%s.%lld", json_string_value(json_object_get(w, "pool")),
        json_integer_value(json_object_get(w, "index")));
    if (doing != NULL && *doing != '\0')
        printf(" %s for %.1f s", doing, json_real_value(json_object_get(w, "doing_seconds")));
    printf("; cycles a packet:");
    json_array_foreach(json_object_get(w, "stages"), i, g)
    {
        printf("%s %s", i ? "," : "", json_string_value(json_object_get(g, "stage")));
        if (json_is_real(json_object_get(g, "cycles_per_packet")))
            printf(" %.0f", json_real_value(json_object_get(g, "cycles_per_packet")));
    }
    json_t *gap = json_array_get(json_object_get(w, "recent_gaps"), 0);
    printf(
        "; batches of %lld", json_integer_value(json_object_get(json_object_get(w, "batch_packets"), "p50")));
    if (gap != NULL)
        printf("; did not run %lld times, %.0f us last", json_integer_value(json_object_get(w, "gaps")),
            json_real_value(json_object_get(gap, "lost_us")));
    putchar('\n');
}

static void print_workers(json_t *answer)
{
    size_t i;
    json_t *w;
    weir_watch_workers(answer);
    puts("");
    json_array_foreach(answer, i, w)
    {
        print_times(w);
    }
}

static void print_stats(json_t *answer)
{
    double seconds = json_real_value(json_object_get(answer, "running_seconds"));
    weir_watch_table(NULL, answer, seconds > 0 ? seconds : 1);
}

static void print_moves(json_t *answer)
{
    int moves = 0, shards = 0;
    json_int_t ns = 0;
    json_unpack(answer, "{s:i,s:i,s:I}", "moves", &moves, "shards", &shards, "slowest_ns", &ns);
    printf("%d shard%s moved in %d batch%s; the slowest was live after %.1f us\n", shards,
        shards == 1 ? "" : "s", moves, moves == 1 ? "" : "es", (double)ns / 1e3);
}

static void print_drain(json_t *)
{
    puts("it drains");
}

static const struct request {
    const char *word, *url;
    const char *keys[4]; /* of the words that follow, in order */
    bool changes;
    void (*print)(json_t *answer); /* NULL = it is text */
} requests[] = {
    {"stats", "/api/v1/stats", {NULL}, false, print_stats},
    {"watch", "/api/v1/stream", {NULL}, false, NULL}, /* shown as it comes */
    {"workers", "/api/v1/workers", {NULL}, false, print_workers},
    {"ledger", "/debug/ledger", {NULL}, false, NULL},
    {"events", "/debug/events", {NULL}, false, NULL},
    {"config", "/debug/config", {NULL}, false, NULL},
    {"ready", "/readyz", {NULL}, false, NULL},
    {"resize", "/control/resize", {"pool", "workers"}, true, print_moves},
    {"move", "/control/move", {"pool", "shard", "worker"}, true, print_moves},
    {"shuffle", "/control/shuffle", {"pool"}, true, print_moves},
    {"drain", "/control/drain", {NULL}, true, print_drain},
    {.word = NULL},
};

/* Its options are part of the query, too; and what comes goes to a file. */
static const struct request capture = {"capture", "/control/capture", {"filter"}, true, NULL};

static const struct request *find_request(int argc, char **argv)
{
    for (const struct request *r = requests; argc > 0 && r->word != NULL; r++) {
        int n = 0;
        while (r->keys[n] != NULL)
            n++;
        if (strcmp(r->word, argv[0]) != 0)
            continue;
        bool fine = argc - 1 == n;
        for (int i = 1; fine && i < n; i++) /* all but the pool are numbers */
            fine = argv[i + 1][0] != '\0' && strlen(argv[i + 1]) < 10 &&
                   argv[i + 1][strspn(argv[i + 1], "0123456789")] == '\0';
        if (fine)
            return r;
        fprintf(stderr, "weir ctl: `%s` takes", r->word);
        for (int i = 0; i < n; i++)
            fprintf(stderr,
                i == 0       ? " the name of a %s"
                : i == n - 1 ? " and the number of %s"
                             : ", the number of a %s",
                r->keys[i]);
        fputs(n == 0 ? " nothing more\n" : "\n", stderr);
        return NULL;
    }
    fprintf(stderr, argc > 0 ? "weir ctl: `%s` is nothing it can do\n" : "weir ctl: to do what?\n", argv[0]);
    return NULL;
}

/* ---- which weir ---- */

static bool somebody_answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    bool answers = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return answers;
}

/* The socket of the only weir that runs; the caller frees it. */
static char *find_socket(void)
{
    glob_t found = {0};
    char *path = NULL;
    unsigned n = 0;
    glob(WEIR_CONTROL_FOLDER "/*.sock", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (!somebody_answers(found.gl_pathv[i]))
            continue;
        if (n++ == 0)
            path = strdup(found.gl_pathv[i]);
        else
            fprintf(stderr, "weir ctl: %s runs, too%s", found.gl_pathv[i], n == 2 ? ", beside " : "\n");
        if (n == 2)
            fprintf(stderr, "%s\n", path);
    }
    globfree(&found);
    if (n == 1)
        return path;
    fputs(n == 0 ? "weir ctl: no weir runs here, or you may not speak to it (its socket lies "
                   "in " WEIR_CONTROL_FOLDER "); --socket says where another one is\n"
                 : "weir ctl: several run; choose one with --socket\n",
        stderr);
    free(path);
    return NULL;
}

/* ---- the question ---- */

struct receiver {
    CURL *curl;
    FILE *answer, *file; /* file: NULL = nothing came for it yet */
    const char *name;    /* of that file, NULL = there is none */
    char summary[128];
    struct weir_watch watch;
};

static volatile sig_atomic_t connection = -1;

static int on_socket(void *, curl_socket_t fd, curlsocktype)
{
    connection = fd;
    return CURL_SOCKOPT_OK;
}

/* Our side of the connection is shut down, and weir answers with the rest. A second signal is not caught. */
static void on_signal(int)
{
    shutdown(connection, SHUT_WR);
}

static size_t on_body(char *bytes, size_t, size_t n, void *receiver)
{
    struct receiver *r = receiver;
    long status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    if (r->name == NULL || status != 200)
        return fwrite(bytes, 1, n, r->answer);
    if (r->file == NULL)
        r->file = strcmp(r->name, "-") == 0 ? stdout : fopen(r->name, "we");
    if (r->file != NULL && fwrite(bytes, 1, n, r->file) == n && fflush(r->file) == 0)
        return n;
    fprintf(stderr, "weir ctl: cannot write %s: %s\n", r->name, strerror(errno));
    return 0;
}

/* Trailers come here, too. */
static size_t on_header(char *bytes, size_t, size_t n, void *receiver)
{
    struct receiver *r = receiver;
    sscanf(bytes, "Weir-Capture: %127[^\r\n]", r->summary);
    return n;
}

static void add(CURLU *url, const char *key, const char *value)
{
    char *pair = NULL;
    if (value != NULL && asprintf(&pair, "%s=%s", key, value) >= 0)
        curl_url_set(url, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE);
    free(pair);
}

static void prepare(struct receiver *to, CURLU *url, const struct request *r, const struct options *o)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    bool watches = strcmp(r->word, "watch") == 0;
    curl_easy_setopt(to->curl, CURLOPT_WRITEFUNCTION, watches ? weir_watch_take : on_body);
    curl_easy_setopt(to->curl, CURLOPT_WRITEDATA, watches ? (void *)&to->watch : to);
    curl_easy_setopt(to->curl, CURLOPT_TIMEOUT, r == &capture || watches ? 0L : TIMEOUT_S);
    if (watches)
        add(url, "every", o->interval);
    if (r != &capture)
        return;
    to->name = o->write;
    for (const struct weir_option *w = weir_ctl_options; w->name != NULL; w++)
        if (w->member > offsetof(struct options, write))
            add(url, w->name, *(const char *const *)((const char *)o + w->member));
    curl_easy_setopt(to->curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int ask(
    const char *path, const struct request *r, const struct options *o, char **words, char **answer)
{
    size_t size = 0;
    long status = 0;
    CURLU *url = curl_url();
    struct receiver to = {.curl = curl_easy_init(), .answer = open_memstream(answer, &size)};
    to.watch = (struct weir_watch){.json = o->json, .rest = to.answer};
    CURLcode failed = CURLE_OUT_OF_MEMORY;
    if (to.answer != NULL && url != NULL && to.curl != NULL) {
        curl_url_set(url, CURLUPART_URL, "http://weir/", 0);
        curl_url_set(url, CURLUPART_PATH, r->url, 0);
        for (int i = 0; r->keys[i] != NULL; i++)
            add(url, r->keys[i], words[i]);
        prepare(&to, url, r, o);
        curl_easy_setopt(to.curl, CURLOPT_CURLU, url);
        curl_easy_setopt(to.curl, CURLOPT_UNIX_SOCKET_PATH, path);
        curl_easy_setopt(to.curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(to.curl, CURLOPT_HEADERDATA, &to);
        if (r->changes)
            curl_easy_setopt(to.curl, CURLOPT_COPYPOSTFIELDS, "");
        failed = curl_easy_perform(to.curl);
        curl_easy_getinfo(to.curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (to.watch.events > 0 && failed != CURLE_WRITE_ERROR) /* it ends with the weir */
        failed = CURLE_OK;
    weir_watch_end(&to.watch);
    if (failed != CURLE_OK && failed != CURLE_WRITE_ERROR)
        fprintf(stderr, "weir ctl: %s: %s\n", path, curl_easy_strerror(failed));
    else if (to.summary[0] != '\0')
        fprintf(stderr, "weir ctl: %s\n", to.summary);
    curl_easy_cleanup(to.curl);
    curl_url_cleanup(url);
    if (to.answer != NULL)
        fclose(to.answer);
    return failed == CURLE_WRITE_ERROR ? WEIR_FAILED_OS
           : failed != CURLE_OK        ? WEIR_FAILED_PORT
           : status == 200             ? 0
           : status == 400             ? WEIR_EXIT_USAGE
                                       : EXIT_NOT_DONE;
}

static int show(const struct request *r, const char *answer, int code, bool raw)
{
    json_t *json = json_loads(answer, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    if (raw || (code == 0 && r->print == NULL))
        fputs(answer, stdout);
    else if (code == 0 && json != NULL)
        r->print(json);
    if (code != 0)
        fprintf(stderr, "weir ctl: %s\n", error != NULL ? error : answer);
    json_decref(json);
    if (fflush(stdout) == 0)
        return code;
    perror("weir ctl: standard output");
    return WEIR_FAILED_OS;
}

/* NULL = nothing is wrong with it. */
static const char *wrong_capture(const struct options *o, bool captures, int words)
{
    if (!captures)
        return o->write || o->at || o->snap || o->every || o->count || o->length
                   ? "only `capture` takes that option"
                   : NULL;
    return words > 2          ? "`capture` takes one filter; put it in quotes"
           : o->write == NULL ? "capture into which file? give --write FILE, or - for standard output"
           : strcmp(o->write, "-") == 0 && isatty(STDOUT_FILENO)
               ? "a capture is not for a terminal: pipe it into something, or give --write FILE"
               : NULL;
}

int weir_verb_ctl(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = weir_read_options(argc, argv, usage, weir_ctl_options, notes, &o);
    if (code >= 0)
        return code;
    bool captures = optind < argc && strcmp(argv[optind], capture.word) == 0;
    const char *wrong = wrong_capture(&o, captures, argc - optind);
    const struct request *r = captures        ? &capture
                              : wrong == NULL ? find_request(argc - optind, argv + optind)
                                              : NULL;
    if (wrong != NULL || r == NULL)
        return weir_wrong_usage(argv[0], wrong);
    char *found = o.socket == NULL ? find_socket() : NULL, *answer = NULL;
    if (o.socket == NULL && found == NULL)
        return WEIR_FAILED_PORT;
    code = ask(o.socket != NULL ? o.socket : found, r, &o, argv + optind + 1, &answer);
    if (code != WEIR_FAILED_PORT && code != WEIR_FAILED_OS)
        code = show(r, answer, code, o.json);
    free(answer);
    free(found);
    return code;
}
