/* SPDX-License-Identifier: BSD-3-Clause */
/* What the simulator (simulate.c) sees of the code that it runs, and which rule of the hand-over it breaks there. In
 * weir itself all of it is nothing. */
#pragma once

#include "config/config.h"
#include "workers/worker.h"

/* docs/design/005-hand-over.md says what each is for; tests/model/handover.pml breaks the same, but for the last. */
enum weir_rule {
    WEIR_NO_RULE,
    WEIR_PACKET_BEHIND_FENCE,
    WEIR_NO_STASH,
    WEIR_RELEASE_BEFORE_CONSUMED,
    WEIR_ENDED_PRODUCER_NOT_COUNTED,
    WEIR_GIVE_AND_TAKE_IN_ONE_BATCH,
    WEIR_BLOCKED_PRODUCER_IGNORES_COMMANDS,
    WEIR_UNTOLD_TAKER,
    WEIR_RULES
};

#ifdef WEIR_SIMULATE
extern enum weir_rule weir_rule_broken;
#define weir_broken(rule) (weir_rule_broken == (rule))
void weir_watch_batch(const struct weir_worker *);                             /* goes into the stages */
void weir_watch_step(const struct weir_worker *, enum weir_step);              /* is over */
void weir_watch_shard(const struct weir_worker *, uint32_t shard, bool gives); /* else it takes it */

#define WEIR_FIGURES(row)                                                                                    \
    row(digest) row(blocked) row(parks) row(stashed) row(seeds) row(steps) row(packets) row(moves)           \
        row(resizes) row(lost) row(reordered) row(violations) row(seeds_without_moves)

/* One seed: one pipeline, one schedule, one sequence of orders. */
struct weir_simulation {
    /* Asked for. */
    uint64_t seed;
    uint32_t cores; /* 0 = the seed says */
    struct {
        uint64_t packets, orders, cuts; /* at most; then what the seed said, or fewer */
    } limit;
    /* Found. */
    struct weir_figures {
#define WEIR_FIGURE(name) uint64_t name;
        WEIR_FIGURES(WEIR_FIGURE)
    } found;
    char violation[256]; /* empty = none */
};
/* The configuration is changed: rates, rings and flows become as small as the seed says. False: it cannot be
 * simulated, which was said. */
bool weir_simulate(struct weir_config *, struct weir_simulation *);
#else
#define weir_broken(rule) false
#define weir_watch_batch(w) ((void)0)
#define weir_watch_step(w, what) ((void)0)
#define weir_watch_shard(w, shard, gives) ((void)0)
#endif
