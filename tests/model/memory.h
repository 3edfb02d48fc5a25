/* SPDX-License-Identifier: BSD-3-Clause */
/* Part of explorer.cc: the memory model, and what each access does to it. */
#pragma once

#include <cstddef>

#include "tests/model/program.h"

namespace {

constexpr unsigned MESSAGES = 200;

/* ---- memory ---- */

/* Of each word, an index into its messages. */
struct View {
    uint8_t at[WORDS];

    void join(const View &other)
    {
        for (unsigned w = 0; w < WORDS; w++)
            at[w] = at[w] > other.at[w] ? at[w] : other.at[w];
    }
};

struct Message {
    uint64_t value;
    uint64_t known;
    View view; /* its own word is not in it: who reads the message is there */
};

struct Actor {
    uint32_t node;
    uint32_t asleep;
    uint64_t known;
    View view;
    View
        fenced; /* what the membarriers of others have put in order; counts from the next compiler barrier on */
};

struct State {
    Actor actor[THREADS];
    uint64_t cell[CELLS];
    uint8_t written[CELLS]; /* by thread - 1; 0: never */
    uint8_t unused[2];
    uint16_t plain;            /* words whose last write was not atomic */
    View futex;                /* what all who woke have seen: the kernel takes a lock of the bucket */
    uint8_t first[WORDS + 16]; /* word w has message[first[w]] to message[first[w + 1] - 1], in order */
    alignas(16) Message message[MESSAGES];

    unsigned count(unsigned w) const
    {
        return first[w + 1] - first[w];
    }
    size_t bytes() const
    {
        return offsetof(State, message) + first[WORDS] * sizeof(Message);
    }
};

static_assert(sizeof(Message) == 32 && sizeof(Actor) == 48 && offsetof(State, message) % 16 == 0,
    "no padding: a state is hashed as bytes");

State *alone; /* set-up or finally is running: no interleaving */

/* Bits of `known`. */
uint64_t knows_write(unsigned cell)
{
    return 1ull << (4 * cell);
}

uint64_t knows_read(unsigned cell, unsigned reader)
{
    return 2ull << (4 * cell + reader);
}

uint64_t knows_plain(unsigned word)
{
    return 1ull << (4 * CELLS + word);
}

void forget(State &s, unsigned except, uint64_t bits)
{
    for (unsigned t = 0; t < THREADS; t++)
        if (t != except)
            s.actor[t].known &= ~bits;
    for (unsigned m = 0; m < s.first[WORDS]; m++)
        s.message[m].known &= ~bits;
}

void learn(State &s, uint64_t bits)
{
    for (Actor &actor : s.actor)
        actor.known |= bits;
    for (unsigned m = 0; m < s.first[WORDS]; m++)
        s.message[m].known |= bits;
}

void race(unsigned t, const std::string &what)
{
    violation = text("RACE: %s %s", threads[t].name, what.c_str());
}

uint64_t load(State &s, unsigned t, const Op &op, unsigned option)
{
    Actor &me = s.actor[t];
    unsigned w = op.place;
    bool needs = op.order == PLAIN || (s.plain >> w & 1);
    if (words[w].plain && needs && !(me.known & knows_plain(w)))
        race(t, "reads " + word_name(w) + " and does not know of the last write to it");
    unsigned at = op.order == PLAIN ? s.count(w) - 1 : me.view.at[w] + option;
    const Message &m = s.message[s.first[w] + at];
    me.view.at[w] = (uint8_t)at;
    if (op.order & ACQUIRE) {
        me.view.join(m.view);
        me.known |= m.known;
    }
    return m.value;
}

void store(State &s, unsigned t, const Op &op, const Message *carried)
{
    Actor &me = s.actor[t];
    unsigned w = op.place;
    if (words[w].plain) {
        if ((op.order == PLAIN || (s.plain >> w & 1)) && !(me.known & knows_plain(w)))
            race(t, "writes " + word_name(w) + " and does not know of the last write to it");
        s.plain = (uint16_t)((s.plain & ~(1u << w)) | (op.order == PLAIN ? 1u << w : 0u));
        forget(s, t, knows_plain(w));
        me.known |= knows_plain(w);
    }
    Message m = {};
    m.value = op.value;
    if (carried != nullptr) { /* a read-modify-write goes on with the release sequence */
        m.view = carried->view;
        m.known = carried->known;
    }
    if (op.order & RELEASE) {
        m.view.join(me.view);
        m.known |= me.known;
    }
    if (s.first[WORDS] == MESSAGES) { /* a thread has not read for long what another goes on writing */
        overfull = true;
        return;
    }
    m.view.at[w] = 0;
    Message *at = s.message + s.first[w + 1];
    memmove(at + 1, at, (size_t)(s.message + s.first[WORDS] - at) * sizeof *at);
    *at = m;
    for (unsigned later = w + 1; later <= WORDS; later++)
        s.first[later]++;
    me.view.at[w] = (uint8_t)(s.count(w) - 1);
}

void slot_write(State &s, unsigned t, const Op &op)
{
    Actor &me = s.actor[t];
    unsigned c = op.place;
    uint64_t reads = 0;
    for (unsigned r = 0; r < THREADS; r++) {
        reads |= knows_read(c, r);
        if (!(me.known & knows_read(c, r)))
            race(t, text("writes slot %u and does not know that %s has read it", c, threads[r].name));
    }
    if (!(me.known & knows_write(c)))
        race(t, text("writes slot %u, does not know that %s wrote it", c, threads[s.written[c] - 1u].name));
    forget(s, t, knows_write(c));
    learn(s, reads);
    s.cell[c] = op.value;
    s.written[c] = (uint8_t)(t + 1);
}

uint64_t slot_read(State &s, unsigned t, const Op &op)
{
    unsigned c = op.place;
    if (s.written[c] == 0)
        violation = text("FAILED: %s reads slot %u, which nobody wrote", threads[t].name, c);
    else if (!(s.actor[t].known & knows_write(c)))
        race(t, text("reads slot %u, does not know that %s wrote it", c, threads[s.written[c] - 1u].name));
    forget(s, t, knows_read(c, t));
    s.actor[t].known |= knows_read(c, t);
    return s.cell[c];
}

/* The processors of the others are in order now, but what their compiler has moved up is not: see compiler_barrier. */
void membarrier(State &s, unsigned t)
{
    View before = s.actor[t].view;
    for (Actor &actor : s.actor) {
        s.actor[t].view.join(actor.view);
        actor.fenced.join(before);
    }
}

void compiler_barrier(State &s, unsigned t)
{
    s.actor[t].view.join(s.actor[t].fenced);
}

} // namespace
