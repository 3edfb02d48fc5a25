/* SPDX-License-Identifier: BSD-3-Clause */
/* The step of a worker, driven by hand: no thread, no time. */
#include "workers/worker.h"

#include <gtest/gtest.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/mbuf.h"
#include "dataplane/stages/list.h"

namespace {

void command(weir_worker *w, weir_command_kind kind)
{
    const weir_command order = {kind, 0, 0, 0, nullptr};
    EXPECT_TRUE(weir_worker_command(w, &order));
}

constexpr uint32_t POOL = 4095;

struct Free {
    void operator()(void *p) const
    {
        std::free(p);
    }
};
template <typename T> using Owned = std::unique_ptr<T, Free>;

template <typename T> Owned<T> zeroed(size_t n = 1)
{
    void *memory = std::aligned_alloc(WEIR_APART, (n * sizeof(T) + WEIR_APART - 1) / WEIR_APART * WEIR_APART);
    std::memset(memory, 0, (n * sizeof(T) + 63) / 64 * 64);
    return Owned<T>(static_cast<T *>(memory));
}

Owned<void> ring_memory(uint32_t capacity, uint32_t item)
{
    return Owned<void>(std::aligned_alloc(WEIR_APART, weir_ring_bytes(capacity, item)));
}

/* One input ring, two output rings by shard, no stage. */
class Worker : public testing::Test {
  protected:
    void SetUp() override
    {
        mempool = rte_pktmbuf_pool_create("test", POOL, 0, 0, RTE_PKTMBUF_HEADROOM + 64, SOCKET_ID_ANY);
        ASSERT_NE(mempool, nullptr);
        w = zeroed<weir_worker>();
        inputs = zeroed<weir_input>();
        outputs = zeroed<weir_output>(2);
        route = zeroed<weir_route>();
        weir_route_spread(route.get(), 2);
        memory.push_back(ring_memory(256, sizeof(weir_desc)));
        in = weir_ring_init(memory.back().get(), 256, sizeof(weir_desc), 0);
        inputs.get()->ring = &in->consumer;
        for (int i = 0; i < 2; i++) {
            memory.push_back(ring_memory(64, sizeof(weir_desc)));
            out[i] = weir_ring_init(memory.back().get(), 64, sizeof(weir_desc), 0);
            outputs.get()[i].ring = &out[i]->producer;
            outputs.get()[i].bell = &bells[i];
        }
        memory.push_back(ring_memory(WEIR_COMMANDS, sizeof(weir_command)));
        w->command_ring = weir_ring_init(memory.back().get(), WEIR_COMMANDS, sizeof(weir_command), 0);
        w->commands = &w->command_ring->consumer;
        w->inputs = inputs.get();
        w->n_inputs = 1;
        w->out.outputs = outputs.get();
        w->out.n_outputs = 2;
        w->out.route = route.get();
    }

    void TearDown() override
    {
        rte_mempool_free(mempool);
    }

    uint8_t class_id = 0;

    /* n packets for one destination; `length` numbers them. */
    void offer(uint32_t n, uint32_t destination)
    {
        for (uint32_t i = 0; i < n; i++) {
            rte_mbuf *m;
            ASSERT_TRUE(weir_mbuf_take(mempool, &m, 1));
            rte_pktmbuf_append(m, 60);
            weir_desc d = {};
            d.mbuf = m;
            d.hash = destination == 0 ? 0 : WEIR_SHARDS - 1;
            d.length = next++ & 0xffffff;
            d.class_id = class_id;
            d.key.flags = WEIR_DESC_PLAIN;
            ASSERT_EQ(weir_ring_push(&in->producer, &d, 1), 1u);
        }
    }

    /* Takes packets from an output, checks that their numbers go on from `expected`. */
    uint32_t fetch(int destination, uint32_t want, uint32_t expected)
    {
        std::vector<weir_desc> got(want);
        uint32_t n = weir_ring_pop(&out[destination]->consumer, got.data(), want);
        for (uint32_t i = 0; i < n; i++) {
            EXPECT_EQ(got[i].length, expected + i);
            rte_pktmbuf_free(got[i].mbuf);
        }
        return n;
    }

    uint32_t home() const
    {
        return rte_mempool_avail_count(mempool);
    }

    rte_mempool *mempool = nullptr;
    Owned<weir_worker> w;
    Owned<weir_input> inputs;
    Owned<weir_output> outputs;
    Owned<weir_route> route;
    std::vector<Owned<void>> memory;
    weir_ring *in, *out[2];
    weir_doorbell bells[2] = {};
    uint32_t next = 0;
};

TEST_F(Worker, SendsEachPacketToTheOwnerOfItsShard)
{
    offer(10, 0);
    offer(5, 1);
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_IDLE);
    EXPECT_EQ(fetch(0, 64, 0), 10u);
    EXPECT_EQ(fetch(1, 64, 10), 5u);
    EXPECT_EQ(weir_counter_read(&w->held), 0u);
}

TEST_F(Worker, CopiesGoTheirOwnWayAndNeverHoldUpTheOriginals)
{
    /* Copies to the second ring only, originals to the first: one output each. */
    w->out.n_outputs = w->tee.n_outputs = 1;
    w->tee.outputs = outputs.get() + 1;
    Owned<weir_route> one = zeroed<weir_route>();
    weir_route_spread(one.get(), 1);
    w->out.route = w->tee.route = one.get();
    w->tee.outputs[0].drop_when_full = true;
    w->env.copies = &w->copies;
    Owned<weir_stage> tee = zeroed<weir_stage>();
    weir_counter counts[2] = {};
    tee->def = &weir_stage_tee;
    tee->env = &w->env;
    tee->counts = counts;
    w->stages = tee.get();
    w->n_stages = 1;
    uint32_t numbers = 0;
    for (int round = 0; round < 3; round++, numbers += 32) {
        offer(32, 0);
        EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
        EXPECT_EQ(fetch(0, 64, numbers), 32u); /* nobody takes the copies: 64 fit, 32 are dropped */
    }
    EXPECT_EQ(weir_counter_read(&w->copied), 96u);
    EXPECT_EQ(weir_counter_read(&counts[0]), 96u);
    EXPECT_EQ(weir_counter_read(&w->tee.outputs[0].pushed), 64u);
    EXPECT_EQ(weir_counter_read(&w->tee.outputs[0].refused), 32u);
    EXPECT_EQ(weir_counter_read(&w->held), 0u);
    EXPECT_EQ(fetch(1, 64, 0), 64u) << "in order";
    EXPECT_EQ(home(), POOL);
}

TEST_F(Worker, WithoutAFreePacketThereIsNoCopyAndTheOriginalGoesOn)
{
    w->env.copies = &w->copies;
    Owned<weir_stage> tee = zeroed<weir_stage>();
    weir_counter counts[2] = {};
    tee->def = &weir_stage_tee;
    tee->env = &w->env;
    tee->counts = counts;
    w->stages = tee.get();
    w->n_stages = 1;
    offer(10, 0);
    std::vector<rte_mbuf *> all(home());
    ASSERT_TRUE(weir_mbuf_take(mempool, all.data(), (unsigned)all.size()));
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
    EXPECT_EQ(fetch(0, 64, 0), 10u);
    EXPECT_EQ(weir_counter_read(&counts[1]), 10u);
    EXPECT_EQ(weir_counter_read(&w->copied), 0u);
    rte_pktmbuf_free_bulk(all.data(), (unsigned)all.size());
    EXPECT_EQ(home(), POOL);
}

TEST_F(Worker, BlockKeepsABoundedRemainderStopsReceivingAndLosesNothing)
{
    offer(200, 0);
    while (weir_worker_step(w.get(), 0) == WEIR_STEP_BUSY) {
    }
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BLOCKED);
    EXPECT_EQ(weir_ring_depth(out[0]), 64u);
    EXPECT_LE(weir_counter_read(&w->held), WEIR_REMAINDER_MAX);
    EXPECT_EQ(weir_ring_depth(in) + weir_counter_read(&w->held), 200u - 64) << "nothing vanished";

    uint32_t got = 0;
    for (int i = 0; i < 100 && got < 200; i++) {
        got += fetch(0, 7, got); /* room for a few at a time */
        weir_worker_step(w.get(), 0);
    }
    EXPECT_EQ(got, 200u);
    EXPECT_EQ(home(), POOL);
}

TEST_F(Worker, ABlockedDestinationHoldsUpTheOthersButKeepsTheirOrder)
{
    offer(160, 0);
    offer(20, 1);
    for (int i = 0; i < 20; i++)
        weir_worker_step(w.get(), 0);
    EXPECT_EQ(weir_ring_depth(out[1]), 0u) << "block stops receiving for all shards";
    uint32_t first = 0, second = 0;
    for (int i = 0; i < 50; i++) {
        first += fetch(0, 32, first);
        second += fetch(1, 32, 160 + second);
        weir_worker_step(w.get(), 0);
    }
    EXPECT_EQ(first, 160u);
    EXPECT_EQ(second, 20u);
}

TEST_F(Worker, WithoutShardsEachBatchGoesToTheNextInTurn)
{
    w->out.deals = true;
    offer(2 * 32 + 10, 0); /* of one hash */
    while (weir_worker_step(w.get(), 0) == WEIR_STEP_BUSY) {
    }
    EXPECT_EQ(fetch(1, 64, 32), 32u);
    EXPECT_EQ(fetch(0, 32, 0), 32u);
    EXPECT_EQ(fetch(0, 32, 64), 10u);
    EXPECT_EQ(weir_counter_read(&w->held), 0u);
}

TEST_F(Worker, TheClassSaysToWhichOfTwoPoolsAPacketGoes)
{
    auto fork = std::make_unique<weir_fork>();
    *fork = {};
    fork->n = 2;
    fork->of_class[7] = 1;
    for (uint32_t i = 0; i < 2; i++) {
        fork->branches[i].first = i;
        fork->branches[i].n_outputs = 1;
        fork->branches[i].route = route.get();
    }
    weir_route_spread(route.get(), 1);
    w->out.fork = fork.get();
    class_id = 7;
    offer(40, 0);
    class_id = 3;
    offer(10, 1);
    while (weir_worker_step(w.get(), 0) == WEIR_STEP_BUSY) {
    }
    EXPECT_EQ(fetch(1, 64, 0), 40u);
    EXPECT_EQ(fetch(0, 64, 40), 10u);
    EXPECT_EQ(weir_counter_read(&w->held), 0u);
    w->out.fork = nullptr;
}

TEST_F(Worker, DealtBatchesThatAreRefusedAreKeptOrCounted)
{
    for (bool drop : {false, true}) {
        w->out.deals = true;
        w->out.outputs[0].drop_when_full = w->out.outputs[1].drop_when_full = drop;
        offer(250, 0);
        while (weir_worker_step(w.get(), 0) == WEIR_STEP_BUSY) {
        }
        uint64_t refused = 0;
        for (int i = 0; i < 2; i++)
            refused += weir_counter_read(&outputs.get()[i].refused);
        uint32_t got = 0;
        for (int k = 0; k < 20; k++) {
            for (int i = 0; i < 2; i++) {
                weir_desc d[64];
                uint32_t n = weir_ring_pop(&out[i]->consumer, d, 64);
                for (uint32_t m = 0; m < n; m++)
                    rte_pktmbuf_free(d[m].mbuf);
                got += n;
            }
            weir_worker_step(w.get(), 0);
        }
        EXPECT_EQ(got + refused, 250u);
        EXPECT_EQ(refused != 0, drop);
        EXPECT_EQ(home(), POOL);
    }
}

TEST_F(Worker, OnePacketAmongFullBatchesIsSeenWithinFourSteps)
{
    offer(31, 0);
    offer(1, 1);
    offer(4 * 32, 0);
    uint32_t seen = 0, steps = 0, expected = 0;
    for (; seen == 0 && steps < 5; steps++) {
        ASSERT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY) << "every batch is full";
        uint32_t n = fetch(0, 64, expected);
        expected = expected == 0 ? n + 1 : expected + n; /* number 31 is the other's */
        seen = fetch(1, 64, 31);
    }
    EXPECT_EQ(seen, 1u);
    EXPECT_LE(steps, 4u);
}

TEST_F(Worker, AfterAStepThatWasNotFullNothingIsUnseen)
{
    offer(3, 1);
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
    EXPECT_EQ(fetch(1, 64, 0), 3u);
    offer(32, 0);
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
    EXPECT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_IDLE);
    EXPECT_EQ(fetch(0, 64, 3), 32u);
}

TEST_F(Worker, ABlockedWorkerHasGivenBackItsInbox)
{
    for (uint32_t n : {32u, 32u, 32u, 10u}) { /* the last of them is no eighth of the inbox */
        offer(n, 0);
        ASSERT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BUSY);
    }
    ASSERT_EQ(weir_worker_step(w.get(), 0), WEIR_STEP_BLOCKED);
    EXPECT_EQ(weir_ring_room(&in->producer, 256), 256u);
}

TEST_F(Worker, DropCountsWhatTheInboxRefuses)
{
    w->out.outputs[0].drop_when_full = w->out.outputs[1].drop_when_full = true;
    offer(200, 0);
    while (weir_worker_step(w.get(), 0) == WEIR_STEP_BUSY) {
    }
    EXPECT_EQ(weir_counter_read(&outputs.get()->pushed), 64u);
    EXPECT_EQ(weir_counter_read(&outputs.get()->refused), 136u);
    EXPECT_EQ(fetch(0, 64, 0), 64u) << "the arriving packet is dropped, not a waiting one";
    EXPECT_EQ(home(), POOL) << "each dropped packet went home";
}

TEST_F(Worker, ABlockedWorkerStillServesCommands)
{
    offer(200, 0);
    while (weir_worker_step(w.get(), 0) != WEIR_STEP_BLOCKED) {
    }
    command(w.get(), WEIR_COMMAND_DRAIN);
    weir_worker_step(w.get(), 0);
    EXPECT_EQ(w->state.value, static_cast<uint32_t>(WEIR_WORKER_DRAINING));
}

TEST_F(Worker, EndsAfterItsInputsAndClosesItsOutputsLast)
{
    offer(100, 0);
    weir_ring_close(&in->producer);
    for (int i = 0; i < 20; i++)
        weir_worker_step(w.get(), 0);
    EXPECT_FALSE(weir_worker_ended(w.get())) << "a remainder is still held";
    uint32_t got = fetch(0, 64, 0);
    for (int i = 0; i < 5; i++)
        weir_worker_step(w.get(), 0);
    EXPECT_TRUE(weir_worker_ended(w.get()));
    EXPECT_FALSE(weir_ring_ended(&out[0]->consumer));
    got += fetch(0, 64, got);
    EXPECT_EQ(got, 100u);
    EXPECT_TRUE(weir_ring_ended(&out[0]->consumer));
    EXPECT_TRUE(weir_ring_ended(&out[1]->consumer));
}

TEST_F(Worker, DiscardDropsWhatItHoldsByName)
{
    offer(200, 0);
    while (weir_worker_step(w.get(), 0) != WEIR_STEP_BLOCKED) {
    }
    command(w.get(), WEIR_COMMAND_DISCARD);
    weir_ring_close(&in->producer);
    for (int i = 0; i < 20 && !weir_worker_ended(w.get()); i++)
        weir_worker_step(w.get(), 0);
    EXPECT_TRUE(weir_worker_ended(w.get()));
    EXPECT_EQ(weir_counter_read(&w->discarded), 136u);
    EXPECT_EQ(weir_counter_read(&w->held), 0u);
    fetch(0, 64, 0);
    EXPECT_EQ(home(), POOL);
}

TEST_F(Worker, QuitEndsWithoutTheEndOfAStuckProducer)
{
    command(w.get(), WEIR_COMMAND_DISCARD);
    for (int i = 0; i < 5; i++)
        weir_worker_step(w.get(), 0);
    EXPECT_FALSE(weir_worker_ended(w.get()));
    offer(10, 0);
    command(w.get(), WEIR_COMMAND_QUIT);
    for (int i = 0; i < 5; i++)
        weir_worker_step(w.get(), 0);
    EXPECT_TRUE(weir_worker_ended(w.get()));
    EXPECT_EQ(weir_counter_read(&w->discarded), 10u);
}

/* A port that counts how often it is asked. */
uint32_t asked;
uint32_t ask(weir_port *, uint16_t, weir_batch *)
{
    asked++;
    return 0;
}

TEST_F(Worker, APortThatIsClosedIsNotTouchedOnceTheWorkerHasAnswered)
{
    static weir_port port = {};
    weir_port_def def = {};
    def.receive = ask;
    def.ended = [](const weir_port *, uint16_t) { return false; };
    port.def = &def;
    port.index = 3;
    inputs.get()->ring = nullptr;
    inputs.get()->port = &port;
    weir_worker_step(w.get(), 0);
    EXPECT_EQ(asked, 1u);
    const weir_command close = {WEIR_COMMAND_PORTS, 7, UINT64_C(1) << 3, 0, nullptr},
                       open = {WEIR_COMMAND_PORTS, 8, 0, 0, nullptr},
                       mute = {WEIR_COMMAND_PORTS, 9, 0, UINT64_C(1) << 3, nullptr};
    ASSERT_TRUE(weir_worker_command(w.get(), &close));
    EXPECT_NE(weir_word_read(&w->ports_seen), 7u);
    weir_worker_step(w.get(), 0); /* a step looks at its commands after its inbox */
    EXPECT_EQ(weir_word_read(&w->ports_seen), 7u);
    EXPECT_EQ(asked, 2u);
    weir_worker_step(w.get(), 0);
    EXPECT_EQ(asked, 2u);
    ASSERT_TRUE(weir_worker_command(w.get(), &open));
    weir_worker_step(w.get(), 0);
    EXPECT_EQ(weir_word_read(&w->ports_seen), 8u);
    ASSERT_TRUE(weir_worker_command(w.get(), &mute));
    weir_worker_step(w.get(), 0);
    EXPECT_EQ(asked, 3u) << "without a carrier it is still received from";
    EXPECT_EQ(w->env.mute_ports, UINT64_C(1) << 3) << "but not sent to";
}

uint32_t due;

TEST_F(Worker, DoesNotSleepWhileAStageHasMoreToDoNorAtItsEnd)
{
    weir_stage_def def = {};
    def.tick = [](weir_stage *s, uint64_t) {
        if (--due == 0)
            weir_ring_close(static_cast<weir_ring_producer *>(s->worker_state));
        return due != 0;
    };
    Owned<weir_stage> stage = zeroed<weir_stage>();
    stage->def = &def;
    stage->worker_state = &in->producer;
    w->stages = stage.get();
    w->n_stages = 1;
    w->park_after_tsc = 1;
    due = 20;
    weir_worker_run(w.get());
    EXPECT_EQ(weir_counter_read(&w->bell.parks), 0u);
}

TEST_F(Worker, SleepsBetweenTwoLooksAtAQuietPortUnlessItHasACommand)
{
    static weir_port port = {};
    weir_port_def def = {};
    def.receive = ask;
    def.ended = [](const weir_port *, uint16_t) { return asked == due; };
    port.def = &def;
    inputs.get()->ring = nullptr;
    inputs.get()->port = &port;
    weir_stage_def told = {};
    told.tick = [](weir_stage *s, uint64_t) {
        const weir_command open = {WEIR_COMMAND_PORTS, 0, 0, 0, nullptr};
        if (asked <= 10)
            weir_worker_command(static_cast<weir_worker *>(s->worker_state), &open);
        return false;
    };
    Owned<weir_stage> stage = zeroed<weir_stage>();
    stage->def = &told;
    stage->worker_state = w.get();
    w->stages = stage.get();
    w->n_stages = 1;
    w->park_after_tsc = 1;
    w->sleep_tsc = uint32_t(rte_get_tsc_hz() / 10000);
    asked = 0;
    due = 30;
    weir_worker_run(w.get());
    EXPECT_EQ(weir_counter_read(&w->bell.parks), 19u) << "after the 11th look, up to the one before the last";
    EXPECT_GT(weir_counter_read(&w->cycles[WEIR_STEP_PARKED]), 10 * w->sleep_tsc) << "the first are shorter";
}

/* An old owner: `file` stands for the ring to a writer, out[1] for the pool that gets copies. */
weir_ring *file;

TEST_F(Worker, GivesOnceTheNextHopAndTheWriterHaveAllAndWaitsForNoCopy)
{
    weir_stage_def def = {};
    def.process = [](weir_stage *, weir_batch *batch) {
        EXPECT_EQ(weir_ring_append(&file->producer, batch->desc, batch->n), batch->n);
    };
    def.way_out = [](const weir_stage *) { return &file->producer; };
    Owned<weir_stage> stage = zeroed<weir_stage>();
    stage->def = &def;
    w->stages = stage.get();
    w->n_stages = 1;
    w->out.n_outputs = w->tee.n_outputs = 1;
    w->tee.outputs = outputs.get() + 1;
    memset(route.get(), 0, sizeof(weir_route));
    w->env.tsc_hz = 1000;
    Owned<weir_move> move = zeroed<weir_move>();
    weir_worker *workers[] = {w.get()};
    move->workers = workers;
    move->n_workers = 1;
    move->gives[0] = true;
    memset(&move->to, 1, sizeof move->to);
    weir_fence fence = {};
    inputs.get()->fence = &fence;
    const weir_command order = {WEIR_COMMAND_MOVE, 0, 0, 0, move.get()};
    memory.push_back(ring_memory(64, sizeof(weir_desc)));
    file = weir_ring_init(memory.back().get(), 64, sizeof(weir_desc), 0);
    weir_desc copy = {};
    weir_ring_push(&out[1]->producer, &copy, 1); /* and nobody takes it */

    auto gives = [&](uint32_t epoch, bool reads, uint64_t now) {
        offer(8, 0);
        move->epoch = epoch;
        fence.position = in->producer.tail;
        weir_word_publish(&fence.epoch, epoch);
        EXPECT_TRUE(weir_worker_command(w.get(), &order));
        for (int i = 0; i < 5; i++)
            weir_worker_step(w.get(), now);
        EXPECT_NE(weir_word_read(&w->handover.given), epoch) << "the next hop lags";
        fetch(0, 8, next - 8);
        weir_ring_settle(&out[0]->consumer);
        for (int i = 0; i < 5; i++)
            weir_worker_step(w.get(), now);
        EXPECT_NE(weir_word_read(&w->handover.given), epoch) << "the writer lags";
        weir_desc got[64];
        if (reads) {
            weir_ring_pop(&file->consumer, got, 64);
            weir_ring_settle(&file->consumer);
        }
        weir_worker_step(w.get(), reads ? now : now + 1000);
        return weir_word_read(&w->handover.given) == epoch;
    };
    EXPECT_TRUE(gives(1, true, 1));
    EXPECT_TRUE(gives(2, false, 2)) << "a disk that does not answer holds up no move";
}

} // namespace
