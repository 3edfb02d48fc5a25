/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/model/explorer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <random>

#include "tests/model/moves.h"
#include "tests/model/seam.h"

namespace {

/* ---- ends ---- */

void run_alone(void (*what)())
{
    if (setjmp(leave) == 0)
        what();
}

void check_end(const ModelScenario &scenario, const State &end)
{
    /* Each byte from the image of the thread that changed it, words from memory. */
    const std::string &start = images[0];
    std::vector<bool> is_word(arena_used);
    for (const Word &word : words)
        std::fill_n(is_word.begin() + word.offset, word.bytes, true);
    memcpy(arena, start.data(), arena_used);
    for (unsigned t = 0; t < threads.size(); t++) {
        const std::string &image = images[nodes[end.actor[t].node].image];
        for (unsigned b = 0; b < arena_used; b++)
            if (image[b] != start[b]) {
                if (arena[b] != (uint8_t)start[b] && !is_word[b])
                    violation = text("RACE: two threads write byte %u of the arena without the seam", b);
                arena[b] = (uint8_t)image[b];
            }
    }
    for (unsigned w = 0; w < words.size(); w++)
        memcpy(arena + words[w].offset, &end.message[end.first[w + 1] - 1].value, words[w].bytes);
    State copy;
    memcpy(&copy, &end, end.bytes());
    alone = &copy;
    run_alone(scenario.finally);
    alone = nullptr;
}

void judge(const ModelScenario &scenario, const State &s, uint64_t *ends)
{
    bool all_finished = true;
    for (unsigned t = 0; t < threads.size(); t++) {
        if (options(s, t) > 0)
            return;
        all_finished = all_finished && is_finished(s, t);
    }
    ++*ends;
    if (all_finished)
        check_end(scenario, s);
    else
        violation = "DEADLOCK: all who have not finished sleep";
}

/* ---- search ---- */

uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash(const State &s)
{
    const uint8_t *bytes = (const uint8_t *)&s;
    uint64_t h = 0x9e3779b97f4a7c15, pair[2];
    for (size_t at = 0; at < s.bytes(); at += sizeof pair) {
        memcpy(pair, bytes + at, sizeof pair);
        h = mix(pair[0] ^ 0xa0761d6478bd642f ^ h, pair[1] ^ 0xe7037ed1a0b428db) + (h << 23 | h >> 41);
    }
    h = mix(h ^ 0x8ebc6af09c88c6e3, 0x589965cc75374cc3);
    return h != 0 ? h : 1;
}

/* Visited states by hash, each with the one it was first reached from. */
class Visited {
  public:
    bool insert(uint64_t h, uint64_t from)
    {
        if (used * 2 >= table.size())
            grow();
        uint64_t *at = find(h);
        if (at[0] == h)
            return false;
        at[0] = h;
        at[1] = from;
        used++;
        return true;
    }
    uint64_t from(uint64_t h)
    {
        return find(h)[1];
    }
    uint64_t used = 0;

  private:
    uint64_t *find(uint64_t h)
    {
        size_t mask = table.size() / 2 - 1, at = h & mask;
        while (table[2 * at] != 0 && table[2 * at] != h)
            at = (at + 1) & mask;
        return &table[2 * at];
    }
    void grow()
    {
        std::vector<uint64_t> old(std::max<size_t>(table.size() * 2, 1 << 15));
        old.swap(table);
        for (size_t at = 0; at < old.size(); at += 2)
            if (old[at] != 0) {
                uint64_t *to = find(old[at]);
                to[0] = old[at];
                to[1] = old[at + 1];
            }
    }
    std::vector<uint64_t> table; /* hash, from */
};

State prepared; /* slots that set-up wrote */

State initial_state()
{
    State s = prepared;
    if (discovered) { /* what they did may depend on it */
        nodes.clear();
        first_nodes.clear();
    }
    discovered = false;
    for (unsigned w = 0; w <= WORDS; w++)
        s.first[w] = (uint8_t)std::min<size_t>(w, words.size());
    for (unsigned w = 0; w < words.size(); w++)
        s.message[w] = {word_in((const uint8_t *)images[0].data(), words[w]), ~0ull, {}};
    for (unsigned t = 0; t < threads.size(); t++) {
        s.actor[t].known = ~0ull;
        s.actor[t].node = reach({(uint8_t)t, 0, NONE, 0, {}, nullptr, 0, {}});
    }
    return s;
}

void set_up(const ModelScenario &scenario)
{
    memset(arena, 0, sizeof arena);
    arena_used = 0;
    cell_bytes = 8;
    threads.clear();
    words.clear();
    cells.clear();
    names.clear();
    fencers = sleepers = 0;
    futex_word = -1;
    timeouts_count = false;
    nodes.clear();
    first_nodes.clear();
    images.clear();
    image_ids.clear();
    violation.clear();
    prepared = {};
    alone = &prepared;
    scenario.setup();
    alone = nullptr;
    image_of_arena(0);
}

/* Each state one transition behind s. */
template <class Emit> uint64_t expand(const State &s, bool full, const Emit &emit)
{
    uint64_t transitions = 0;
    size_t mark = lines.size();
    for (unsigned t = 0; t < threads.size(); t++)
        for (unsigned option = 0, n = options(s, t); option < n; option++) {
            State next;
            lines.resize(mark);
            memcpy(&next, &s, s.bytes());
            perform(next, t, option);
            settle(next, full, [&](State &out) {
                transitions++;
                canonicalise(out);
                emit(out);
            });
            if (stopped())
                return transitions;
        }
    return transitions;
}

class Search {
  public:
    Search(const ModelScenario &the_scenario, const ModelSearch &the_search, bool is_breadth_first)
        : scenario(the_scenario), search(the_search), breadth_first(is_breadth_first)
    {
    }

    ModelReport run()
    {
        do {
            overfull = false;
            violation.clear();
            visited = {};
            work.clear();
            last = 0;
            report = {};
            report.verdict = ModelVerdict::exhausted;
            start();
            go();
        } while (discovered);
        report.states = visited.used;
        if (overfull)
            report.verdict = ModelVerdict::bounded;
        if (!stopped() && report.verdict == ModelVerdict::exhausted && report.ends == 0)
            violation = "FAILED: whatever the threads do, they never come to an end";
        report.violation = violation;
        if (!violation.empty()) {
            report.verdict = ModelVerdict::violated;
            report.trace = trace();
        }
        return report;
    }

  private:
    template <class Emit> void from_start(const Emit &emit)
    {
        State s = initial_state();
        settle(s, search.full, [&](State &out) {
            canonicalise(out);
            emit(out);
        });
    }
    void start()
    {
        from_start([&](State &s) { visit(s, 0); });
    }
    void go()
    {
        State s;
        while (!work.empty() && !stopped()) {
            if (visited.used >= search.states_max) {
                report.verdict = ModelVerdict::bounded;
                return;
            }
            std::string bytes = std::move(breadth_first ? work.front() : work.back());
            breadth_first ? work.pop_front() : work.pop_back();
            memcpy(&s, bytes.data(), bytes.size());
            last = hash(s);
            report.transitions += expand(s, search.full, [&](State &out) { visit(out, last); });
        }
    }
    void visit(const State &s, uint64_t from)
    {
        uint64_t h = hash(s);
        if (!visited.insert(h, from))
            return;
        judge(scenario, s, &report.ends);
        if (violation.empty())
            work.emplace_back((const char *)&s, s.bytes());
        else
            last = h;
    }

    /* Goes from the start to `last` again, this time with words. */
    std::string trace()
    {
        std::vector<uint64_t> path;
        for (uint64_t h = last; h != 0; h = visited.from(h))
            path.push_back(h);
        std::reverse(path.begin(), path.end());
        std::string whole, found_violation = violation;
        std::string bytes;
        tracing = true;
        auto towards = [&](uint64_t wanted) {
            return [&, wanted](State &out) {
                if (bytes.empty() && hash(out) == wanted) {
                    bytes.assign((const char *)&out, out.bytes());
                    for (const std::string &line : lines)
                        whole += "    " + line + "\n";
                }
            };
        };
        violation.clear();
        lines.clear();
        from_start(towards(path.empty() ? 0 : path[0]));
        State s;
        for (size_t i = 0; i < path.size(); i++) {
            memcpy(&s, bytes.data(), bytes.size());
            bytes.clear();
            violation.clear();
            lines.clear();
            expand(s, search.full, towards(i + 1 < path.size() ? path[i + 1] : 0));
        }
        if (!violation.empty() || path.empty()) /* else the end itself is what is wrong */
            for (const std::string &line : lines)
                whole += "    " + line + "\n";
        tracing = false;
        violation = found_violation;
        return whole;
    }

    const ModelScenario &scenario;
    const ModelSearch &search;
    bool breadth_first;
    Visited visited;
    std::deque<std::string> work;
    ModelReport report;
    uint64_t last = 0;
};

/* One walk to an end, or to where it is too long; a walk that discovers something is worth nothing. */
void walk(
    const ModelScenario &scenario, const ModelSearch &search, std::mt19937_64 &random, ModelReport &report)
{
    constexpr unsigned LONGEST = 100000;
    auto note_lines = [&](const State &) {
        for (const std::string &line : lines)
            report.trace += "    " + line + "\n";
        lines.clear();
    };
    report.trace.clear();
    lines.clear();
    dice = &random;
    State s = initial_state();
    settle(s, search.full, note_lines);
    for (unsigned length = 0; length < LONGEST && !stopped(); length++) {
        canonicalise(s);
        unsigned awake[THREADS], n = 0;
        for (unsigned t = 0; t < threads.size(); t++)
            if (options(s, t) > 0)
                awake[n++] = t;
        if (n == 0) {
            judge(scenario, s, &report.ends);
            break;
        }
        unsigned t = awake[random() % n];
        perform(s, t, (unsigned)(random() % options(s, t)));
        settle(s, search.full, note_lines);
        report.transitions++;
    }
    note_lines(s);
    dice = nullptr;
}

/* ---- the seam ---- */

uint64_t access_alone(const Op &op)
{
    switch (op.kind) {
    case Kind::load:
    case Kind::exchange:
        return word_in(arena, words[op.place]);
    case Kind::slot_write:
        alone->cell[op.place] = op.value;
        alone->written[op.place] = 1;
        return 0;
    case Kind::slot_read:
        if (!alone->written[op.place])
            model_fail("a slot is read at the end that nobody wrote");
        return alone->cell[op.place];
    case Kind::futex_wait:
        return (uint64_t)-EAGAIN;
    default:
        return 0;
    }
}

uint64_t answer(const Op &op)
{
    if (alone != nullptr)
        return access_alone(op);
    if (answered < answers.size())
        return answers[answered++];
    pending = op;
    longjmp(leave, 1);
}

template <class T> T load(const T *p, Order order)
{
    return (T)answer({Kind::load, order, word_at(p, sizeof *p), false, 0, nullptr});
}

template <class T> void store(T *p, T value, Order order)
{
    answer({Kind::store, order, word_at(p, sizeof *p), false, value, nullptr});
    *p = value; /* for the code's own plain reads of what it wrote */
}

uint32_t exchange(uint32_t *p, uint32_t value, Order order)
{
    uint32_t old = (uint32_t)answer({Kind::exchange, order, word_at(p, sizeof *p), false, value, nullptr});
    *p = value;
    return old;
}

} // namespace

uint32_t weir_load_relaxed(const uint32_t *p)
{
    return load(p, RELAXED);
}

uint32_t weir_load_acquire(const uint32_t *p)
{
    return load(p, ACQUIRE);
}

void weir_store_relaxed(uint32_t *p, uint32_t value)
{
    store(p, value, RELAXED);
}

void weir_store_release(uint32_t *p, uint32_t value)
{
    store(p, value, RELEASE);
}

uint64_t weir_load_relaxed_u64(const uint64_t *p)
{
    return load(p, RELAXED);
}

uint64_t weir_load_acquire_u64(const uint64_t *p)
{
    return load(p, ACQUIRE);
}

void weir_store_relaxed_u64(uint64_t *p, uint64_t value)
{
    store(p, value, RELAXED);
}

void weir_store_release_u64(uint64_t *p, uint64_t value)
{
    store(p, value, RELEASE);
}

uint32_t weir_load_plain(const uint32_t *p)
{
    return load(p, PLAIN);
}

void weir_store_plain(uint32_t *p, uint32_t value)
{
    store(p, value, PLAIN);
}

uint64_t weir_load_plain_u64(const uint64_t *p)
{
    return load(p, PLAIN);
}

void weir_store_plain_u64(uint64_t *p, uint64_t value)
{
    store(p, value, PLAIN);
}

uint32_t weir_exchange_relaxed(uint32_t *p, uint32_t value)
{
    return exchange(p, value, RELAXED);
}

uint32_t weir_exchange_acq_rel(uint32_t *p, uint32_t value)
{
    return exchange(p, value, ACQ_REL);
}

void weir_slot_write(void *slot, const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += cell_bytes) {
        uint64_t value = 0;
        memcpy(&value, (const uint8_t *)from + at, cell_bytes);
        answer({Kind::slot_write, RELAXED, cell_at((uint8_t *)slot + at), false, value, nullptr});
    }
}

void weir_slot_read(void *to, const void *slot, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += cell_bytes) {
        uint8_t cell = cell_at((const uint8_t *)slot + at);
        uint64_t value = answer({Kind::slot_read, RELAXED, cell, false, 0, nullptr});
        memcpy((uint8_t *)to + at, &value, cell_bytes);
    }
}

int weir_membarrier(void)
{
    return (int)answer({Kind::membarrier, RELAXED, 0, false, 0, nullptr});
}

void weir_compiler_barrier(void)
{
    answer({Kind::compiler_barrier, RELAXED, 0, false, 0, nullptr});
}

int weir_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    return (int)answer(
        {Kind::futex_wait, RELAXED, word_at(word, sizeof *word), timeout_ns >= 0, expected, nullptr});
}

void weir_futex_wake(uint32_t *word)
{
    answer({Kind::futex_wake, RELAXED, word_at(word, sizeof *word), false, 0, nullptr});
}

/* ---- for scenarios ---- */

void *model_alloc(size_t bytes)
{
    uint32_t at = (arena_used + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (at + bytes > ARENA)
        die("the arena is too small");
    arena_used = (uint32_t)(at + bytes);
    return arena + at;
}

void model_thread(const char *name, bool (*step)(void *local), void *local)
{
    if (threads.size() == THREADS)
        die("too many threads");
    threads.push_back({name, step, local});
}

void model_word(const void *word, const char *name)
{
    names[offset_of(word)] = name;
}

void model_cells(size_t bytes)
{
    if (bytes != 4 && bytes != 8)
        die("a slot has 4 or 8 bytes");
    cell_bytes = (uint32_t)bytes;
}

void model_timeouts()
{
    timeouts_count = true;
}

uint32_t model_choose(uint32_t n)
{
    return n <= 1 ? 0 : (uint32_t)answer({Kind::choose, RELAXED, 0, false, n, nullptr});
}

void model_note(const char *what, uint32_t n)
{
    if (answered < answers.size())
        return; /* said already, before an access that is answered now */
    pending_note = what;
    pending_note_number = n;
}

void model_fail(const char *what)
{
    if (alone != nullptr) {
        violation = text("FAILED: %s", what);
        longjmp(leave, 1);
    }
    answer({Kind::fail, RELAXED, 0, false, 0, what});
    abort();
}

/* ---- for main ---- */

ModelReport model_explore(const ModelScenario &scenario, const ModelSearch &search)
{
    set_up(scenario);
    ModelReport report = Search(scenario, search, false).run();
    if (report.verdict == ModelVerdict::violated) { /* the shortest way there, if it is not too far to find */
        ModelSearch near = search;
        near.states_max = 3000000;
        ModelReport shortest = Search(scenario, near, true).run();
        if (shortest.verdict == ModelVerdict::violated)
            report = shortest;
    }
    report.threads = (unsigned)threads.size();
    return report;
}

ModelReport model_walk(const ModelScenario &scenario, const ModelSearch &search, double seconds)
{
    constexpr size_t NODES = 1 << 20;
    auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    std::mt19937_64 random(search.seed);
    ModelReport report = {};
    report.verdict = ModelVerdict::walked;
    set_up(scenario);
    while (violation.empty() && std::chrono::steady_clock::now() < until) {
        if (nodes.size() > NODES)
            set_up(scenario);
        overfull = false;
        std::mt19937_64 before = random;
        walk(scenario, search, random, report);
        if (stopped() && !discovered && !overfull) { /* the same walk, with words */
            violation.clear();
            tracing = true;
            walk(scenario, search, before, report);
            tracing = false;
        } else {
            violation.clear();
        }
    }
    if (!violation.empty())
        report.verdict = ModelVerdict::violated;
    report.violation = violation;
    report.threads = (unsigned)threads.size();
    return report;
}
