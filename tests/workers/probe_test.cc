/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes: who is one, what is known of it at its end, and that nobody else can tell. */
#include "dataplane/probe.h"

#include <gtest/gtest.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/mbuf.h"
#include "dataplane/stages/list.h"
#include "workers/worker.h"

namespace {

constexpr uint32_t POOL = 1023;

/* What the port of these tests hands out next, and takes. */
rte_mempool *mempool;
uint32_t to_come, to_take;
std::vector<rte_mbuf *> sent;

uint32_t receive(weir_port *port, uint16_t, weir_batch *batch)
{
    uint32_t n = to_come < WEIR_BATCH ? to_come : WEIR_BATCH;
    to_come -= n;
    for (uint32_t i = 0; i < n; i++) {
        rte_mbuf *m;
        EXPECT_TRUE(weir_mbuf_take(mempool, &m, 1));
        rte_pktmbuf_append(m, 60);
        m->port = port->index;
        batch->desc[i] = {};
        batch->desc[i].mbuf = m;
        batch->desc[i].key.flags = WEIR_DESC_PLAIN;
    }
    return n;
}

uint32_t transmit(weir_port *, uint16_t, rte_mbuf **mbufs, uint32_t n)
{
    n = n < to_take ? n : to_take;
    to_take -= n;
    sent.insert(sent.end(), mbufs, mbufs + n);
    return n;
}

/* One port, one worker, one terminal stage. */
class Probe : public testing::Test {
  protected:
    void SetUp() override
    {
        ASSERT_EQ(weir_probe_register(), 0);
        ASSERT_EQ(weir_probe_register(), 0) << "once more is no harm";
        mempool = rte_pktmbuf_pool_create("probe", POOL, 0, 0, RTE_PKTMBUF_HEADROOM + 64, SOCKET_ID_ANY);
        ASSERT_NE(mempool, nullptr);
        void *memory = std::aligned_alloc(WEIR_APART, sizeof *w);
        std::memset(memory, 0, sizeof *w);
        w = static_cast<weir_worker *>(memory);
        port = static_cast<weir_port *>(std::aligned_alloc(64, sizeof *port));
        std::memset(static_cast<void *>(port), 0, sizeof *port);
        rings = std::aligned_alloc(WEIR_APART, weir_ring_bytes(WEIR_COMMANDS, sizeof(weir_command)));
        w->commands = &weir_ring_init(rings, WEIR_COMMANDS, sizeof(weir_command), 0)->consumer;
        port_def.receive = receive;
        port_def.transmit = transmit;
        port_def.ended = [](const weir_port *, uint16_t) { return false; };
        port->def = &port_def;
        port->max_frame = 1514;
        input.port = port;
        w->inputs = &input;
        w->n_inputs = 1;
        w->stages = &stage;
        w->n_stages = 1;
        w->env.ports = &ports;
        w->env.n_ports = 1;
        ports = port;
        stage.env = &w->env;
        stage.trash = &w->trash;
        stage.drops = drops;
        stage.counts = counts;
        stage.latency = &latency;
        probe_every(3);
        use(&weir_stage_sink, sink_params);
        to_come = 0;
        to_take = UINT32_MAX;
        sent.clear();
    }

    void TearDown() override
    {
        rte_pktmbuf_free_bulk(sent.data(), (unsigned)sent.size());
        EXPECT_EQ(rte_mempool_avail_count(mempool), POOL);
        rte_mempool_free(mempool);
        std::free(state);
        std::free(rings);
        std::free(port);
        std::free(w);
    }

    void probe_every(uint32_t n)
    {
        w->probe_every = n;
        w->until_probe = n != 0 ? n - 1 : UINT64_MAX;
    }

    void use(const weir_stage_def *def, const void *params)
    {
        std::free(state);
        stage.def = def;
        stage.params = params;
        state = calloc(1, def->worker_size(params, &w->env));
        stage.worker_state = state;
    }

    void step(uint32_t n)
    {
        for (to_come = n; to_come != 0;)
            ASSERT_EQ(weir_worker_step(w, rte_rdtsc()), WEIR_STEP_BUSY);
    }

    uint64_t timed()
    {
        return weir_histogram_start(&latency).count;
    }

    weir_worker *w = nullptr;
    weir_port *port = nullptr, *ports = nullptr;
    weir_port_def port_def = {};
    weir_input input = {};
    weir_stage stage = {};
    weir_counter drops[8] = {}, counts[8] = {};
    weir_histogram latency = {};
    uint64_t sink_params[1] = {};
    void *rings = nullptr, *state = nullptr;
};

TEST_F(Probe, IsEachNthPacketHoweverTheyCome)
{
    for (uint32_t n : {1u, 1u, 1u, 5u, 32u, 7u, 100u, 1u})
        step(n);
    EXPECT_EQ(timed(), 148u / 3);
    probe_every(1);
    step(100);
    EXPECT_EQ(timed(), 148u / 3 + 100);
    probe_every(0);
    step(100);
    EXPECT_EQ(timed(), 148u / 3 + 100);
}

TEST_F(Probe, IsTimedFromWhenItWasDue)
{
    static uint64_t late;
    late = rte_get_tsc_hz();
    probe_every(32);
    port_def.due = [](const weir_port *, uint16_t, const weir_batch *batch, uint32_t i) {
        EXPECT_EQ(batch->n, 32u);
        EXPECT_EQ(i, 31u);
        return batch->now_tsc - late;
    };
    step(64);
    EXPECT_EQ(timed(), 2u);
    EXPECT_GE(latency.max.value, late);
    EXPECT_LT(latency.max.value, 60 * late);
}

TEST_F(Probe, OfADriverThatTakesOnlySomeItIsTimedIfItWasTaken)
{
    static weir_port_map map;
    std::memset(&map, 0, sizeof map);
    use(&weir_stage_transmit, &map);
    probe_every(4);
    to_take = 10; /* numbers 3 and 7 of the probes at 3, 7, …, 31 */
    step(32);
    EXPECT_EQ(sent.size(), 10u);
    EXPECT_EQ(timed(), 2u);
    EXPECT_EQ(weir_counter_read(&stage.out), 10u);
    to_take = 100;
    step(4);
    EXPECT_EQ(timed(), 3u) << "what was not taken is forgotten";
    for (rte_mbuf *m : sent)
        EXPECT_FALSE(weir_probe_is(m)) << "a driver may hand it back to us";
}

TEST_F(Probe, ACopyOfOneIsOne)
{
    step(0);
    weir_batch batch = {};
    to_come = 3;
    batch.n = receive(port, 0, &batch);
    weir_probe_mark(&batch.desc[1], 5);
    w->env.copies = &w->copies;
    stage.def = &weir_stage_tee;
    weir_stage_tee.process(&stage, &batch);
    ASSERT_EQ(w->copies.n, 3u);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ((w->copies.desc[i].key.flags & WEIR_DESC_PLAIN) == 0, i == 1) << i;
    uint64_t arrived = 0;
    EXPECT_TRUE(weir_probe_end(w->copies.desc[1].mbuf, &arrived));
    EXPECT_EQ(arrived, 5u);
    EXPECT_TRUE(weir_probe_is(batch.desc[1].mbuf)) << "and the original is still one";
    for (uint32_t i = 0; i < 3; i++) {
        rte_pktmbuf_free(batch.desc[i].mbuf);
        rte_pktmbuf_free(w->copies.desc[i].mbuf);
    }
}

TEST_F(Probe, WaitsInAnInboxFromTheHandOver)
{
    weir_histogram waits = {};
    w->waits = &waits;
    step(30); /* ten of them, which waited in the port for no time */
    EXPECT_EQ(weir_histogram_start(&waits).count, 10u);
    EXPECT_LT(waits.max.value, 60 * rte_get_tsc_hz());
    weir_batch batch = {};
    to_come = 2;
    batch.n = receive(port, 0, &batch);
    weir_probe_mark(&batch.desc[0], 0); /* when the machine started */
    weir_histogram long_ago = {}, now = {};
    weir_probe_received(&batch, &long_ago);
    weir_probe_handed(&batch);
    weir_probe_received(&batch, &now);
    EXPECT_EQ(weir_histogram_start(&long_ago).count, 1u);
    EXPECT_GT(long_ago.max.value, now.max.value);
    EXPECT_EQ(weir_histogram_start(&now).count, 1u);
    for (uint32_t i = 0; i < 2; i++)
        rte_pktmbuf_free(batch.desc[i].mbuf);
}

TEST_F(Probe, ThatArrivesInTheFutureOfAnotherClockTookNoTime)
{
    weir_probe_time(&latency, rte_rdtsc() + 3600 * rte_get_tsc_hz());
    EXPECT_EQ(timed(), 1u);
    EXPECT_EQ(latency.max.value, 0u);
    weir_probe_time(nullptr, 0);
}

} // namespace
