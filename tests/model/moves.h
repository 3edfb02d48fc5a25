/* SPDX-License-Identifier: BSD-3-Clause */
/* Part of explorer.cc: what a thread can do in a state, which of it need not be interleaved, and when two states are
 * the same. */
#pragma once

#include <algorithm>
#include <cerrno>
#include <random>

#include "tests/model/memory.h"

namespace {

/* ---- what a thread can do, and does ---- */

const Op &op_of(const State &s, unsigned t)
{
    return nodes[s.actor[t].node].op;
}

bool is_finished(const State &s, unsigned t)
{
    return op_of(s, t).kind == Kind::finished;
}

/* How many outcomes its next access has now; 0: it must wait. */
unsigned options(const State &s, unsigned t)
{
    const Op &op = op_of(s, t);
    const Actor &me = s.actor[t];
    switch (op.kind) {
    case Kind::load:
        return op.order == PLAIN ? 1 : s.count(op.place) - me.view.at[op.place];
    case Kind::futex_wait: {
        if (me.asleep)
            return timeouts_count && op.timed;
        unsigned mine = me.view.at[op.place], woken = s.futex.at[op.place];
        return s.count(op.place) - (mine > woken ? mine : woken);
    }
    case Kind::futex_wake: {
        unsigned asleep = 0;
        for (const Actor &actor : s.actor)
            asleep += actor.asleep;
        return asleep > 0 ? asleep : 1;
    }
    case Kind::choose:
        return (unsigned)op.value;
    case Kind::finished:
        return 0;
    default:
        return 1;
    }
}

void describe(const State &s, unsigned t, const Op &op, unsigned newer, uint64_t result)
{
    static const char *const orders[] = {"relaxed", "acquire", "release", "acq_rel", "plain"};
    const Node &node = nodes[s.actor[t].node];
    if (node.note != nullptr)
        lines.push_back(text("%-10s %s %u", threads[t].name, node.note, node.note_number));
    std::string what;
    long long value = (long long)op.value, answer = (long long)result;
    std::string stale = newer > 0 ? text("   stale: %u newer", newer) : "";
    switch (op.kind) {
    case Kind::load:
        what = text("load %s %s -> %lld", orders[op.order], word_name(op.place).c_str(), answer) + stale;
        break;
    case Kind::store:
        what = text("store %s %s = %lld", orders[op.order], word_name(op.place).c_str(), value);
        break;
    case Kind::exchange:
        what = text(
            "exchange %s %s = %lld -> %lld", orders[op.order], word_name(op.place).c_str(), value, answer);
        break;
    case Kind::slot_read:
        what = text("read slot %u -> %lld", op.place, answer);
        break;
    case Kind::slot_write:
        what = text("write slot %u = %lld", op.place, value);
        break;
    case Kind::membarrier:
        what = "membarrier";
        break;
    case Kind::compiler_barrier:
        what = "compiler barrier";
        break;
    case Kind::futex_wait:
        what = text("futex_wait %s for %lld -> ", word_name(op.place).c_str(), value) +
               (s.actor[t].asleep      ? "sleeps"
                   : answer == -EAGAIN ? "-EAGAIN"
                                       : "-ETIMEDOUT") +
               stale;
        break;
    case Kind::futex_wake:
        what = text("futex_wake %s", word_name(op.place).c_str());
        break;
    case Kind::choose:
        what = text("choose below %lld -> %lld", value, answer);
        break;
    case Kind::fail:
        what = "fails";
        break;
    case Kind::finished:
        break;
    }
    lines.push_back(text("%-10s   %s", threads[t].name, what.c_str()));
}

void perform(State &s, unsigned t, unsigned option)
{
    Actor &me = s.actor[t];
    const Op op = op_of(s, t);
    uint64_t result = 0;
    unsigned newer = 0;
    switch (op.kind) {
    case Kind::load:
        newer = op.order == PLAIN ? 0 : options(s, t) - 1 - option;
        result = load(s, t, op, option);
        break;
    case Kind::store:
        store(s, t, op, nullptr);
        break;
    case Kind::exchange: {
        Message last = s.message[s.first[op.place + 1] - 1];
        me.view.at[op.place] = (uint8_t)(s.count(op.place) - 1);
        load(s, t, {Kind::load, op.order, op.place, false, 0, nullptr}, 0);
        store(s, t, op, &last);
        result = last.value;
        break;
    }
    case Kind::slot_read:
        result = slot_read(s, t, op);
        break;
    case Kind::slot_write:
        slot_write(s, t, op);
        break;
    case Kind::membarrier:
        membarrier(s, t);
        break;
    case Kind::compiler_barrier:
        compiler_barrier(s, t);
        break;
    case Kind::futex_wait:
        if (me.asleep) {
            me.asleep = 0;
            result = (uint64_t)-ETIMEDOUT;
            break;
        }
        newer = options(s, t) - 1 - option;
        me.view.join(s.futex);
        me.asleep = load(s, t, op, option) == op.value;
        result = (uint64_t)-EAGAIN;
        break;
    case Kind::futex_wake:
        s.futex.join(me.view);
        for (Actor &actor : s.actor)
            if (actor.asleep && option-- == 0) {
                actor.asleep = 0;
                actor.node = follow(actor.node, 0);
            }
        break;
    case Kind::choose:
        result = option;
        break;
    case Kind::fail:
        violation = text("FAILED: %s", op.text);
        break;
    case Kind::finished:
        break;
    }
    if (tracing)
        describe(s, t, op, newer, result);
    if (violation.empty() && !me.asleep)
        me.node = follow(me.node, result);
}

/* May t's next access run before those of all other threads? Only if it commutes with each of theirs, that is, the
 * same states are reached, and the same races found, with it first.
 *
 * A slot: another thread's access to it that is not ordered by then is a race in either order.
 * A load of a word nobody else writes: it reads the last message, always.
 * A store to a word nobody else writes: an old message is as readable after it as before. But it does not commute
 * with the membarrier of another, which spreads what has been stored. Nor does a compiler barrier. */
bool is_private(unsigned t, const Op &op, bool full)
{
    uint8_t me = (uint8_t)(1u << t);
    if (op.kind == Kind::fail)
        return true;
    if (full)
        return false;
    switch (op.kind) {
    case Kind::slot_read:
    case Kind::slot_write:
    case Kind::choose:
        return true;
    case Kind::load:
        return !words[op.place].plain && words[op.place].writers == me;
    case Kind::store:
        return !words[op.place].plain && words[op.place].writers == me && (fencers & ~me) == 0;
    case Kind::compiler_barrier:
        return (fencers & ~me) == 0;
    default:
        return false;
    }
}

bool stopped()
{
    return discovered || overfull || !violation.empty();
}

std::mt19937_64 *dice; /* on a walk */

/* Runs private accesses, all threads', until each thread is before one that others can notice. A choice branches;
 * `emit` gets each state that comes out; on a walk the dice choose, and it is one. */
template <class Emit> void settle(State &s, bool full, const Emit &emit, unsigned depth = 0)
{
    for (unsigned t = 0; t < threads.size();) {
        if (stopped())
            return;
        const Op &op = op_of(s, t);
        if (!is_private(t, op, full)) {
            t++;
            continue;
        }
        if (depth++ > ENDLESS) {
            violation =
                text("FAILED: %s goes on for ever without looking at what others do", threads[t].name);
            return;
        }
        unsigned branches = options(s, t);
        size_t mark = lines.size();
        unsigned chosen = dice != nullptr ? (unsigned)((*dice)() % branches) : 0;
        for (unsigned b = 1; dice == nullptr && b < branches && !stopped(); b++) {
            State other;
            memcpy(&other, &s, s.bytes());
            perform(other, t, b);
            settle(other, full, emit, depth);
            lines.resize(mark);
        }
        if (stopped())
            return;
        perform(s, t, chosen);
    }
    if (!stopped())
        emit(s);
}

/* Drops what makes no difference to any future, so that equal states become equal bytes. */
void canonicalise(State &s)
{
    uint8_t active = 0;
    for (unsigned t = 0; t < threads.size(); t++)
        if (!is_finished(s, t)) {
            active = (uint8_t)(active | 1u << t);
        } else {
            s.actor[t].known = 0;
            s.actor[t].fenced = {};
            if (fencers == 0)
                s.actor[t].view = {};
        }
    Message *to = s.message;
    unsigned from = 0;
    for (unsigned w = 0; w < words.size(); w++) {
        unsigned count = s.first[w + 1] - from, oldest = count - 1;
        for (unsigned t = 0; t < threads.size(); t++)
            if ((active & words[w].readers) >> t & 1 && s.actor[t].view.at[w] < oldest)
                oldest = s.actor[t].view.at[w];
        if (oldest > 0) {
            auto shift = [&](View &view) {
                view.at[w] = (uint8_t)(view.at[w] > oldest ? view.at[w] - oldest : 0);
            };
            for (Actor &actor : s.actor) {
                shift(actor.view);
                shift(actor.fenced);
            }
            shift(s.futex);
            for (Message *m = s.message; m < to; m++)
                shift(m->view);
            for (unsigned m = from; m < s.first[WORDS]; m++)
                shift(s.message[m].view);
        }
        memmove(to, s.message + from + oldest, (count - oldest) * sizeof *to);
        s.first[w] = (uint8_t)(to - s.message);
        to += count - oldest;
        from += count;
    }
    for (size_t w = words.size(); w <= WORDS; w++)
        s.first[w] = (uint8_t)(to - s.message);

    /* A message, or the futex, tells nothing to those who know it all. */
    auto drop = [&](uint8_t who, View &view, uint64_t &known) {
        uint64_t all_know = ~0ull;
        View all_see;
        memset(&all_see, 0xff, sizeof all_see);
        for (unsigned t = 0; t < threads.size(); t++)
            if ((active & who) >> t & 1) {
                all_know &= s.actor[t].known;
                for (unsigned w = 0; w < WORDS; w++)
                    all_see.at[w] = std::min(all_see.at[w], s.actor[t].view.at[w]);
            }
        known &= ~all_know;
        for (unsigned w = 0; w < WORDS; w++)
            view.at[w] = view.at[w] <= all_see.at[w] ? 0 : view.at[w];
    };
    for (unsigned w = 0; w < words.size(); w++)
        for (unsigned i = 0; i < s.count(w); i++) {
            uint8_t who = i + 1 == s.count(w) ? words[w].swappers : 0;
            for (unsigned t = 0; t < threads.size(); t++)
                if (words[w].acquirers >> t & 1 && s.actor[t].view.at[w] <= i)
                    who = (uint8_t)(who | 1u << t);
            Message &m = s.message[s.first[w] + i];
            drop(who, m.view, m.known);
        }
    uint64_t nothing = 0;
    drop(sleepers, s.futex, nothing);
    for (Actor &actor : s.actor)
        for (unsigned w = 0; w < WORDS; w++)
            actor.fenced.at[w] = actor.fenced.at[w] <= actor.view.at[w] ? 0 : actor.fenced.at[w];

    /* Two messages in a row that say the same are one, or a store repeated for ever would never be exhausted. */
    for (unsigned w = 0; w < words.size(); w++)
        for (unsigned i = s.count(w) - 1; i > 0; i--) {
            Message *m = s.message + s.first[w] + i;
            if (memcmp(m - 1, m, sizeof *m) != 0)
                continue;
            memmove(m, m + 1, (size_t)(s.message + s.first[WORDS] - m - 1) * sizeof *m);
            for (unsigned later = w + 1; later <= WORDS; later++)
                s.first[later]--;
            auto shift = [&](View &view) { view.at[w] = (uint8_t)(view.at[w] - (view.at[w] >= i)); };
            for (Actor &actor : s.actor) {
                shift(actor.view);
                shift(actor.fenced);
            }
            shift(s.futex);
            for (unsigned other = 0; other < s.first[WORDS]; other++)
                shift(s.message[other].view);
        }
}

} // namespace
