/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/doorbell.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "rings/ring.h"

namespace {

using Clock = std::chrono::steady_clock;

uint64_t now_ns()
{
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

constexpr int64_t LONG_NS = 20'000'000'000; /* so long only a lost wake-up sleeps */

struct Pair {
    explicit Pair(uint32_t capacity)
        : memory(std::aligned_alloc(WEIR_APART, weir_ring_bytes(capacity, 8)), std::free),
          ring(weir_ring_init(memory.get(), capacity, 8, 0))
    {
        has_membarrier = weir_doorbell_init(&bell);
    }
    std::unique_ptr<void, decltype(&std::free)> memory;
    weir_ring *ring;
    weir_doorbell bell;
    bool has_membarrier;
};

TEST(Doorbell, ARingOfAnUnarmedBellDoesNothing)
{
    Pair p(2);
    weir_doorbell_ring(&p.bell);
    EXPECT_EQ(p.bell.armed, 0u);
    EXPECT_EQ(weir_counter_read(&p.bell.parks), 0u);
}

TEST(Doorbell, ARingBeforeTheWaitIsNotLost)
{
    Pair p(2);
    weir_doorbell_arm(&p.bell);
    weir_doorbell_ring(&p.bell);
    uint64_t start = now_ns();
    weir_doorbell_wait(&p.bell, LONG_NS);
    EXPECT_LT(now_ns() - start, static_cast<uint64_t>(LONG_NS) / 2) << "it slept over a ring";
    weir_doorbell_disarm(&p.bell);
}

TEST(Doorbell, AWaitEndsWhenItsTimeIsUp)
{
    Pair p(2);
    weir_doorbell_arm(&p.bell);
    weir_doorbell_wait(&p.bell, 1000000);
    EXPECT_EQ(p.bell.armed, 1u) << "nobody rang";
    weir_doorbell_disarm(&p.bell);
    EXPECT_EQ(weir_counter_read(&p.bell.rounds), 1u);
    EXPECT_EQ(weir_counter_read(&p.bell.parks), 1u);
}

TEST(Doorbell, WithoutMembarrierNoWaitIsLong)
{
    Pair p(2);
    p.bell.blind = true;
    weir_doorbell_arm(&p.bell);
    uint64_t start = now_ns();
    weir_doorbell_wait(&p.bell, -1);
    EXPECT_LT(now_ns() - start, static_cast<uint64_t>(LONG_NS)) << "it would have slept for ever";
    weir_doorbell_disarm(&p.bell);
}

/* The consumer's side: what a worker without work does. Returns whether it slept. */
bool park(Pair &p, uint64_t *lost)
{
    uint32_t ready;
    weir_doorbell_arm(&p.bell);
    weir_ring_peek(&p.ring->consumer, 1, &ready);
    bool sleeps = ready == 0 && !weir_ring_ended(&p.ring->consumer);
    if (sleeps) {
        uint64_t start = now_ns();
        weir_doorbell_wait(&p.bell, LONG_NS);
        weir_ring_peek(&p.ring->consumer, 1, &ready);
        *lost += ready != 0 && now_ns() - start >= static_cast<uint64_t>(LONG_NS);
    }
    weir_doorbell_disarm(&p.bell);
    return sleeps;
}

/* One item under way at a time, and the producer waits a while that varies, so that it comes before, while and after the
 * consumer goes to sleep. Each 16th round it waits for the bell to be armed first, and
 * then longer than arming takes: without that the two may hardly ever meet. */
TEST(Doorbell, NoWakeUpIsLost)
{
    const uint64_t rounds = std::getenv("WEIR_LONG") != nullptr ? 10'000'000 : 100'000;
    Pair p(4);
    std::atomic<uint64_t> taken{0};
    std::vector<uint64_t> latencies;
    latencies.reserve(rounds);
    uint64_t lost = 0, sum = 0;
    std::thread producer([&] {
        for (uint64_t i = 0; i < rounds; i++) {
            while (taken.load() != i)
                std::this_thread::yield();
            bool meets = i % 16 == 0;
            while (meets && weir_load_relaxed(&p.bell.armed) == 0)
                std::this_thread::yield();
            for (volatile uint64_t spin = 0; spin < (meets ? i / 16 % 16 * 4096 : i % 4096); spin = spin + 1)
                ;
            uint64_t item = now_ns();
            weir_ring_push(&p.ring->producer, &item, 1);
            weir_doorbell_ring(&p.bell);
        }
        weir_ring_close(&p.ring->producer);
        weir_doorbell_ring(&p.bell);
    });
    bool slept = false;
    for (;;) {
        uint64_t item;
        if (weir_ring_pop(&p.ring->consumer, &item, 1) == 1) {
            if (slept)
                latencies.push_back(now_ns() - item);
            slept = false;
            sum++;
            taken.store(sum);
        } else if (weir_ring_ended(&p.ring->consumer)) {
            break;
        } else {
            slept = park(p, &lost);
        }
    }
    producer.join();
    EXPECT_EQ(sum, rounds);
    EXPECT_EQ(lost, 0u);
    EXPECT_GE(latencies.size(), rounds / 100) << "it hardly ever slept: this proves nothing";
    if (!latencies.empty()) {
        std::sort(latencies.begin(), latencies.end());
        std::printf("\nnote: woken from a doorbell in %.1f us (median), %.1f us (p99); %zu of %lu rounds "
                    "slept, %lu lost; %s\n",
            static_cast<double>(latencies[latencies.size() / 2]) / 1e3,
            static_cast<double>(latencies[latencies.size() * 99 / 100]) / 1e3, latencies.size(),
            static_cast<unsigned long>(rounds), static_cast<unsigned long>(lost),
            p.has_membarrier ? "membarrier" : "no membarrier: timed waits");
    }
}

/* Several producers, one bell. */
TEST(Doorbell, SeveralProducersRingOneBell)
{
    constexpr uint64_t ITEMS = 20000;
    Pair a(4), b(4);
    std::vector<std::thread> producers;
    for (Pair *p : {&a, &b})
        producers.emplace_back([p, bell = &a.bell] {
            for (uint64_t i = 0; i < ITEMS;) {
                uint32_t n = weir_ring_push(&p->ring->producer, &i, 1);
                weir_doorbell_ring(bell);
                i += n;
                if (n == 0)
                    std::this_thread::yield();
            }
            weir_ring_close(&p->ring->producer);
            weir_doorbell_ring(bell);
        });
    uint64_t got = 0, late = 0;
    auto take = [&] {
        uint64_t item, before = got;
        for (Pair *p : {&a, &b})
            got += weir_ring_pop(&p->ring->consumer, &item, 1);
        return got != before;
    };
    auto ended = [](Pair &p) { return weir_ring_ended(&p.ring->consumer); };
    while (!ended(a) || !ended(b)) {
        if (take())
            continue;
        weir_doorbell_arm(&a.bell);
        if (!take() && !(ended(a) && ended(b))) {
            uint64_t start = now_ns();
            weir_doorbell_wait(&a.bell, LONG_NS);
            late += now_ns() - start >= static_cast<uint64_t>(LONG_NS);
        }
        weir_doorbell_disarm(&a.bell);
    }
    for (std::thread &producer : producers)
        producer.join();
    EXPECT_EQ(got, 2 * ITEMS);
    EXPECT_EQ(late, 0u);
}

} // namespace
