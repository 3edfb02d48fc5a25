/* SPDX-License-Identifier: BSD-3-Clause */
/* weir ctl …: speak to a running weir over its control socket. */
#include <curl/curl.h>
#include <getopt.h> /* optind */
#include <glob.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "workers/runtime.h"

struct options {
    const char *socket;
    bool json;
};

const struct weir_option weir_ctl_options[] = {
    {"socket", "FILE", "the control socket of the weir that is meant (default: of the only one that runs)",
        offsetof(struct options, socket), false},
    {"json", NULL, "print what it answers as it is (workers and orders: JSON)",
        offsetof(struct options, json), false},
    {.name = NULL},
};
static const char usage[] = "usage: weir ctl [OPTION]… workers | ledger | config | ready\n"
                            "       weir ctl [OPTION]… resize POOL WORKERS\n"
                            "       weir ctl [OPTION]… move POOL SHARD WORKER\n"
                            "       weir ctl [OPTION]… shuffle POOL\n"
                            "       weir ctl [OPTION]… drain\n";
static const char notes[] = "An order returns when it is carried out; drain returns at once.\n"
                            "exit: 0 done, 64 usage, 69 no weir answers, 75 not done, and why\n";

#define EXIT_NOT_DONE 75
#define TIMEOUT_S 30L /* twice what weir waits for an order */

/* ---- what can be asked: the words after the verb become the query ---- */

static void print_workers(json_t *answer)
{
    size_t i;
    json_t *w;
    printf("%-16s %6s %4s %-10s %6s %8s %6s %6s %8s %7s\n", "POOL", "WORKER", "CPU", "STATE", "SHARDS",
        "HELD", "BUSY%", "IDLE%", "BLOCKED%", "PARKED%");
    json_array_foreach(answer, i, w)
    {
        const char *pool, *state;
        int number, cpu, stuck, shards;
        json_int_t held;
        double busy, idle, blocked, parked;
        if (json_unpack(w, "{s:s,s:i,s:i,s:s,s:b,s:i,s:I,s:f,s:f,s:f,s:f}", "pool", &pool, "index", &number,
                "cpu", &cpu, "state", &state, "stuck", &stuck, "shards", &shards, "held", &held,
                "busy_percent", &busy, "idle_percent", &idle, "blocked_percent", &blocked, "parked_percent",
                &parked) == 0)
            printf("%-16s %6d %4d %-10s %6d %8lld %6.1f %6.1f %8.1f %7.1f\n", pool, number, cpu,
                stuck ? "stuck" : state, shards, (long long)held, busy, idle, blocked, parked);
    }
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
    {"workers", "/api/v1/workers", {NULL}, false, print_workers},
    {"ledger", "/debug/ledger", {NULL}, false, NULL},
    {"config", "/debug/config", {NULL}, false, NULL},
    {"ready", "/readyz", {NULL}, false, NULL},
    {"resize", "/control/resize", {"pool", "workers"}, true, print_moves},
    {"move", "/control/move", {"pool", "shard", "worker"}, true, print_moves},
    {"shuffle", "/control/shuffle", {"pool"}, true, print_moves},
    {"drain", "/control/drain", {NULL}, true, print_drain},
    {.word = NULL},
};

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

static int ask(const char *path, const struct request *r, char **words, char **answer)
{
    size_t size = 0;
    long status = 0;
    FILE *body = open_memstream(answer, &size);
    CURLU *url = curl_url();
    CURL *curl = curl_easy_init();
    CURLcode failed = CURLE_OUT_OF_MEMORY;
    if (body != NULL && url != NULL && curl != NULL) {
        char pair[512];
        curl_url_set(url, CURLUPART_URL, "http://weir/", 0);
        curl_url_set(url, CURLUPART_PATH, r->url, 0);
        for (int i = 0; r->keys[i] != NULL; i++) {
            snprintf(pair, sizeof pair, "%s=%s", r->keys[i], words[i]);
            curl_url_set(url, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE);
        }
        curl_easy_setopt(curl, CURLOPT_CURLU, url);
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
        if (r->changes)
            curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
        failed = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (failed != CURLE_OK)
        fprintf(stderr, "weir ctl: %s: %s\n", path, curl_easy_strerror(failed));
    curl_easy_cleanup(curl);
    curl_url_cleanup(url);
    if (body != NULL)
        fclose(body);
    return failed != CURLE_OK ? WEIR_FAILED_PORT : status == 200 ? 0 : EXIT_NOT_DONE;
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

int weir_verb_ctl(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = weir_read_options(argc, argv, usage, weir_ctl_options, notes, &o);
    if (code >= 0)
        return code;
    const struct request *r = find_request(argc - optind, argv + optind);
    if (r == NULL)
        return weir_wrong_usage(argv[0], NULL);
    char *found = o.socket == NULL ? find_socket() : NULL, *answer = NULL;
    if (o.socket == NULL && found == NULL)
        return WEIR_FAILED_PORT;
    code = ask(o.socket != NULL ? o.socket : found, r, argv + optind + 1, &answer);
    if (code != WEIR_FAILED_PORT)
        code = show(r, answer, code, o.json);
    free(answer);
    free(found);
    return code;
}
