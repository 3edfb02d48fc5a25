/* SPDX-License-Identifier: BSD-3-Clause */
/* Every interleaving and every stale read of two or three threads that run the real source of rings/.
 *
 * A thread is a step function that performs one operation, such as one push, on memory in the arena. The source is
 * compiled against tests/model/seam.h, so each access to shared memory arrives here, and we choose its result.
 *
 *   Threads    No real thread and no coroutine. A thread has its own image of the arena, taken at the end of each
 *              step, and a log of the results of the accesses of the step it is in. To move it by one access: copy
 *              the image in, call the step, answer from the log; at the first access the log cannot answer we know
 *              what the thread does next, and leave by longjmp. So image and log are a node of an automaton, each
 *              computed once. Code that does not go through the seam sees its own writes only.
 *   Memory     C11 release / acquire / relaxed, by views. A word is a list of messages, each a value; a thread has a
 *              view: of each word, the oldest message it may still read. A load branches over all of them, which is
 *              all a store buffer or a lazy cache can do. A release message carries the view of its thread, an
 *              acquire load joins it. Read-modify-write takes the last message. No promises: a load never sees what
 *              is stored later. A new message is always last, so two racing writers are ordered as they ran.
 *              membarrier() orders the other threads' processors; what their compilers may have moved stays as it
 *              was until each one's next compiler barrier.
 *   Slots      Not atomic. `known` is happens-before without clocks, and finite: for each slot one bit "knows the
 *              last write" and one for each thread, "knows its last read". Release publishes it, acquire joins it. A
 *              write needs all bits, a read the first; without, it is a RACE, whatever was read.
 *   Search     A state is a node for each thread, and the memory, without messages nobody can read any more. All
 *              reachable states are visited once, by a table of 64-bit hashes. Failed attempts lead back to a visited
 *              state, so they cost nothing and may be as many as they like: a bound is on items moved.
 *   Reduction  Accesses that commute with all other threads' (slots, own words) run at once and are no point of
 *              interleaving; model_search.full turns that off. See is_private().
 *   Verdicts   RACE, FAILED (a model_fail of the scenario), DEADLOCK (all who are left sleep: a lost wake-up).
 *
 * Not covered: load buffering (it needs promises); an order of two racing writers other than as they ran; a plain
 * read, past the seam, of a word both threads write (of one that only others write: it reads poison). */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

constexpr unsigned MODEL_THREADS = 3;

struct ModelThread {
    const char *name;
    bool (*step)(void *local); /* one operation; false: it was the last. Its state lives in the arena */
    void *local;
};

struct ModelScenario {
    const char *name;
    void (*setup)();   /* lays out the arena and calls model_thread() */
    void (*finally)(); /* runs alone after all threads, at each end */
};

/* ---- for setup ---- */

void *model_alloc(size_t bytes); /* zeroed, two cache lines apart, in the arena */
void model_thread(const char *name, bool (*step)(void *local), void *local);
void model_word(const void *word, const char *name); /* for the trace only */
void model_cells(size_t bytes);                      /* one slot: 4 or 8 */
void model_timeouts();                               /* a sleep with a timeout may end by itself */

/* ---- for steps ---- */

uint32_t model_choose(uint32_t n);              /* 0 .. n-1, each of them */
void model_note(const char *what, uint32_t n);  /* for the trace: what this step does */
[[noreturn]] void model_fail(const char *what); /* also in finally */

/* ---- for main ---- */

struct ModelSearch {
    uint64_t states_max = UINT64_MAX;
    bool full = false; /* no reduction */
    uint64_t seed = 0; /* of random walks */
};

enum class ModelVerdict { exhausted, bounded, walked, violated };

struct ModelReport {
    ModelVerdict verdict;
    uint64_t states, transitions, ends; /* random: ends are walks that came to one */
    std::string violation, trace;
    unsigned threads;
};

ModelReport model_explore(const ModelScenario &, const ModelSearch &);
/* Walks at random until `seconds` have passed. */
ModelReport model_walk(const ModelScenario &, const ModelSearch &, double seconds);
