/* SPDX-License-Identifier: BSD-3-Clause */
/* Part of explorer.cc: the scenario's tables, and its threads as automata. */
#pragma once

#include "tests/model/explorer.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr unsigned THREADS = MODEL_THREADS, WORDS = 16, CELLS = 12, ARENA = 8192, ALIGNMENT = 128;
constexpr unsigned ENDLESS = 400; /* steps or accesses in a row that no other thread could notice */

enum class Kind : uint8_t {
    load,
    store,
    exchange,
    slot_read,
    slot_write,
    membarrier,
    compiler_barrier,
    futex_wait,
    futex_wake,
    choose,
    fail,
    finished
};
enum Order : uint8_t { RELAXED = 0, ACQUIRE = 1, RELEASE = 2, ACQ_REL = 3, PLAIN = 4 };

/* One access, as a thread asks for it. */
struct Op {
    Kind kind;
    Order order;
    uint8_t place;    /* which word or slot */
    bool timed;       /* futex_wait */
    uint64_t value;   /* written, expected, or to choose below */
    const char *text; /* fail */
};

[[gnu::format(printf, 1, 2)]] std::string text(const char *format, ...)
{
    char line[256];
    va_list rest;
    va_start(rest, format);
    vsnprintf(line, sizeof line, format, rest);
    va_end(rest);
    return line;
}

[[noreturn]] void die(const std::string &what)
{
    fprintf(stderr, "model: %s\n", what.c_str());
    exit(2);
}

/* ---- what the scenario is made of ---- */

struct Word {
    uint32_t offset, bytes;
    uint8_t readers, acquirers, writers, swappers; /* threads, a bit each, that were ever seen to */
    bool plain;                                    /* somebody accesses it without an atomic */
};

alignas(ALIGNMENT) uint8_t arena[ARENA];
uint32_t arena_used, cell_bytes;
std::vector<ModelThread> threads;
std::vector<Word> words;
std::vector<uint32_t> cells; /* offsets */
std::map<uint32_t, std::string> names;
uint8_t fencers;  /* threads that were seen to call membarrier */
uint8_t sleepers; /* futex_wait */
int futex_word;   /* the one that is slept on; -1: none yet */
bool timeouts_count;

/* The tables above grow while we explore. States made before do not know the news (they may have dropped a message
 * for which there is a reader now), so the search starts again. */
bool discovered;
bool overfull; /* a state did not fit: give up */
std::string violation;
bool tracing;
std::vector<std::string> lines;

template <class T> void discover(T &known, T now)
{
    if (known != now) {
        known = now;
        discovered = true;
    }
}

uint32_t offset_of(const void *p)
{
    size_t offset = (size_t)((const uint8_t *)p - arena);
    if (offset >= arena_used)
        die("an access outside of the arena");
    return (uint32_t)offset;
}

uint8_t word_at(const void *p, uint32_t bytes)
{
    uint32_t offset = offset_of(p);
    for (size_t w = 0; w < words.size(); w++) {
        if (words[w].offset == offset && words[w].bytes == bytes)
            return (uint8_t)w;
        if (offset < words[w].offset + words[w].bytes && words[w].offset < offset + bytes)
            die("two words overlap");
    }
    if (words.size() == WORDS)
        die("too many words");
    words.push_back({offset, bytes, 0, 0, 0, 0, false});
    discovered = true;
    return (uint8_t)(words.size() - 1);
}

uint8_t cell_at(const void *p)
{
    uint32_t offset = offset_of(p);
    for (size_t c = 0; c < cells.size(); c++)
        if (cells[c] == offset)
            return (uint8_t)c;
    if (cells.size() == CELLS)
        die("too many slots");
    cells.push_back(offset);
    return (uint8_t)(cells.size() - 1);
}

std::string word_name(unsigned w)
{
    auto named = names.find(words[w].offset);
    return named != names.end() ? named->second : text("word@%u", words[w].offset);
}

uint64_t word_in(const uint8_t *memory, const Word &word)
{
    uint64_t value = 0;
    memcpy(&value, memory + word.offset, word.bytes); /* little-endian, as all of weir */
    return value;
}

/* ---- threads as automata: a node is an image and the answers of the step so far ---- */

constexpr uint32_t NONE = UINT32_MAX;

struct Node {
    uint8_t thread;
    uint32_t image;
    uint32_t before;  /* the node one access earlier in this step, or NONE */
    uint64_t result;  /* which answer to it led here */
    Op op;            /* what the thread asks for now */
    const char *note; /* said just before */
    uint32_t note_number;
    std::vector<std::pair<uint64_t, uint32_t>> after; /* answer -> node */
};

std::deque<Node> nodes;
std::unordered_map<uint64_t, uint32_t> first_nodes; /* of a step: by image and thread */
std::deque<std::string> images;
std::unordered_map<std::string, uint32_t> image_ids;

std::vector<uint64_t> answers;
size_t answered;
Op pending;
const char *pending_note;
uint32_t pending_note_number;
jmp_buf leave;

/* The source must not read another thread's word past the seam. It would find this there, and go astray. */
constexpr uint8_t POISON = 0xa5;

bool is_foreign(const Word &word, unsigned t)
{
    return word.writers != 0 && !(word.writers >> t & 1);
}

void image_to_arena(uint32_t image, unsigned t)
{
    memcpy(arena, images[image].data(), arena_used);
    for (const Word &word : words)
        if (is_foreign(word, t))
            memset(arena + word.offset, POISON, word.bytes);
}

uint32_t image_of_arena(unsigned t)
{
    for (const Word &word : words)
        for (uint32_t b = word.offset; is_foreign(word, t) && b < word.offset + word.bytes; b++)
            if (arena[b] == POISON)
                arena[b] = (uint8_t)images[0][b];
    auto [at, is_new] =
        image_ids.try_emplace(std::string((char *)arena, arena_used), (uint32_t)images.size());
    if (is_new)
        images.push_back(at->first);
    return at->second;
}

enum class Ran { paused, on, finished };

/* No object with a destructor lives here or in a step: longjmp would skip it. */
Ran run_step(const ModelThread &thread)
{
    if (setjmp(leave) != 0)
        return Ran::paused;
    return thread.step(thread.local) ? Ran::on : Ran::finished;
}

void note_access(unsigned t, const Op &op)
{
    uint8_t me = (uint8_t)(1u << t);
    if (op.kind == Kind::membarrier)
        discover(fencers, (uint8_t)(fencers | me));
    if (op.kind == Kind::futex_wait || op.kind == Kind::futex_wake) {
        if (futex_word >= 0 && futex_word != op.place)
            die("more than one word to sleep on"); /* they would have to share a view */
        futex_word = op.place;
    }
    if (op.kind == Kind::futex_wait)
        discover(sleepers, (uint8_t)(sleepers | me));
    if (op.kind > Kind::exchange && op.kind != Kind::futex_wait)
        return;
    Word &word = words[op.place];
    bool reads = op.kind == Kind::load || op.kind == Kind::futex_wait;
    discover(word.readers, (uint8_t)(word.readers | (reads ? me : 0)));
    discover(word.acquirers, (uint8_t)(word.acquirers | (reads && (op.order & ACQUIRE) ? me : 0)));
    discover(word.writers, (uint8_t)(word.writers | (reads ? 0 : me)));
    discover(word.swappers, (uint8_t)(word.swappers | (op.kind == Kind::exchange ? me : 0)));
    discover(word.plain, word.plain || op.order == PLAIN);
}

/* Runs a thread from n's image through n's answers to its next access. */
uint32_t reach(Node n)
{
    const ModelThread &thread = threads[n.thread];
    auto key = [&](bool finished) { return (uint64_t)n.image * 8 + n.thread * 2u + finished; };
    for (unsigned steps = 0; steps < ENDLESS; steps++) {
        answers.clear();
        auto known = n.before == NONE ? first_nodes.find(key(false)) : first_nodes.end();
        if (known != first_nodes.end())
            return known->second;
        if (n.before != NONE)
            answers.push_back(n.result);
        for (uint32_t at = n.before; at != NONE && nodes[at].before != NONE; at = nodes[at].before)
            answers.insert(answers.begin(), nodes[at].result);
        answered = 0;
        pending_note = nullptr;
        image_to_arena(n.image, n.thread);
        Ran ran = run_step(thread);
        bool finished = ran == Ran::finished;
        if (ran != Ran::paused) { /* a step is over: only the image is left of it */
            n = {n.thread, image_of_arena(n.thread), NONE, 0, {}, nullptr, 0, {}};
            if (!finished)
                continue;
            known = first_nodes.find(key(true));
            if (known != first_nodes.end())
                return known->second;
            pending = {Kind::finished, RELAXED, 0, false, 0, nullptr};
        }
        n.op = pending;
        n.note = pending_note;
        n.note_number = pending_note_number;
        note_access(n.thread, n.op);
        nodes.push_back(n);
        uint32_t id = (uint32_t)nodes.size() - 1;
        if (n.before == NONE)
            first_nodes[key(finished)] = id;
        return id;
    }
    n.op = {Kind::fail, RELAXED, 0, false, 0, "a thread does steps without an access for ever"};
    nodes.push_back(n);
    return (uint32_t)nodes.size() - 1;
}

uint32_t follow(uint32_t from, uint64_t result)
{
    for (auto [answer, to] : nodes[from].after)
        if (answer == result)
            return to;
    uint32_t to = reach({nodes[from].thread, nodes[from].image, from, result, {}, nullptr, 0, {}});
    nodes[from].after.push_back({result, to});
    return to;
}

} // namespace
