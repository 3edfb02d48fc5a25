/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the explorer. Exit: 0 nothing wrong, 2 usage, 3 violated, 4 not exhausted. */
#include "tests/model/explorer.h"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "tests/model/scenarios.h"

namespace {

enum { GOOD = 0, USAGE = 2, VIOLATED = 3, BOUNDED = 4 };

struct Request {
    std::string only;
    bool more = false, json = false, first = false;
    uint32_t items = UINT32_MAX;
    double walk_s = 0;
    ModelSearch search;
};

int usage()
{
    fputs("model [--scenario NAME] [--long] [--random SECONDS [--seed N]] [--json] [--list]\n"
          "      [--items N] [--states-max N] [--full] [--first]\n"
          "  --scenario NAME  that one only\n"
          "  --long           larger bounds\n"
          "  --random SECONDS walks at random, beyond what can be exhausted, so long for each bound\n"
          "  --items N        at most, where a bound has more\n"
          "  --first          no further than the first violation\n"
          "  --states-max N   gives up there, with exit code 4\n"
          "  --full           each access is a point of interleaving: slower, same verdicts\n",
        stderr);
    return USAGE;
}

int run(const Case &one, const Bound &its, const Request &request)
{
    static const char *const words[] = {"exhausted", "NOT EXHAUSTED", "walked", "VIOLATED"};
    static const int codes[] = {GOOD, BOUNDED, GOOD, VIOLATED};
    bound = its;
    bound.items = std::min(bound.items, request.items);
    auto start = std::chrono::steady_clock::now();
    ModelReport report = request.walk_s > 0 ? model_walk(one.scenario, request.search, request.walk_s)
                                            : model_explore(one.scenario, request.search);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const char *verdict = words[static_cast<int>(report.verdict)];
    printf(request.json
               ? "{\"scenario\": \"%s\", \"threads\": %u, \"capacity\": %u, \"start\": %u, \"items\": %u, "
                 "\"states\": %" PRIu64 ", \"transitions\": %" PRIu64 ", \"ends\": %" PRIu64
                 ", \"seconds\": %.2f, \"verdict\": \"%s\"}\n"
               : "%-14s %u threads, capacity %u from %10u, %2u items: %9" PRIu64 " states %10" PRIu64
                 " transitions %7" PRIu64 " ends %6.2f s  %s\n",
        one.scenario.name, report.threads, its.capacity, its.start, bound.items, report.states,
        report.transitions, report.ends, seconds, verdict);
    if (report.verdict == ModelVerdict::violated)
        fprintf(request.json ? stderr : stdout, "%s  %s\n", report.trace.c_str(), report.violation.c_str());
    fflush(stdout);
    return codes[static_cast<int>(report.verdict)];
}

} // namespace

int main(int argc, char **argv)
{
    Request request;
    bool seeded = false;
    for (int i = 1; i < argc; i++) {
        std::string flag = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (flag == "--long") {
            request.more = true;
        } else if (flag == "--json") {
            request.json = true;
        } else if (flag == "--first") {
            request.first = true;
        } else if (flag == "--full") {
            request.search.full = true;
        } else if (flag == "--list") {
            for (const Case &one : cases)
                puts(one.scenario.name);
            return GOOD;
        } else if (value == nullptr) {
            return usage();
        } else if (flag == "--scenario") {
            request.only = argv[++i];
        } else if (flag == "--random") {
            request.walk_s = atof(argv[++i]);
            if (!(request.walk_s > 0))
                return usage();
        } else if (flag == "--seed") {
            request.search.seed = strtoull(argv[++i], nullptr, 0);
            seeded = true;
        } else if (flag == "--items") {
            request.items = (uint32_t)strtoul(argv[++i], nullptr, 0);
        } else if (flag == "--states-max") {
            request.search.states_max = strtoull(argv[++i], nullptr, 0);
        } else {
            return usage();
        }
    }
    if (request.walk_s > 0) {
        if (!seeded)
            request.search.seed = std::random_device()();
        fprintf(stderr, "seed %" PRIu64 "\n", request.search.seed);
    }
    int worst = GOOD;
    bool ran = false;
    for (const Case &one : cases) {
        if (!request.only.empty() && request.only != one.scenario.name)
            continue;
        ran = true;
        for (const Bound &its : request.walk_s > 0 ? one.walks : request.more ? one.more : one.suite) {
            int code = run(one, its, request);
            if (code == VIOLATED && request.first)
                return VIOLATED;
            worst = code == VIOLATED || worst == VIOLATED ? VIOLATED : code > worst ? code : worst;
        }
    }
    return ran ? worst : usage();
}
