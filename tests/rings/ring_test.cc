/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/ring.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

struct Free {
    void operator()(void *p) const
    {
        std::free(p);
    }
};

class OwnedRing {
  public:
    OwnedRing(uint32_t capacity, uint32_t item_size, uint32_t start = 0)
        : memory(std::aligned_alloc(WEIR_APART, weir_ring_bytes(capacity, item_size))),
          ring(weir_ring_init(memory.get(), capacity, item_size, start))
    {
    }
    weir_ring_producer *producer()
    {
        return &ring->producer;
    }
    weir_ring_consumer *consumer()
    {
        return &ring->consumer;
    }

  private:
    std::unique_ptr<void, Free> memory;

  public:
    weir_ring *ring;
};

std::vector<uint64_t> numbers(uint64_t first, size_t n)
{
    std::vector<uint64_t> items(n);
    for (size_t i = 0; i < n; i++)
        items[i] = first + i;
    return items;
}

TEST(Ring, RefusesACapacityThatIsNoPowerOfTwo)
{
    for (uint32_t capacity : {0u, 1u, 3u, 1000u, (1u << 30) + 1, 1u << 31})
        EXPECT_EQ(weir_ring_bytes(capacity, 8), 0u) << capacity;
    for (uint32_t capacity : {2u, 4u, 1024u, 1u << 20})
        EXPECT_GE(weir_ring_bytes(capacity, 8), capacity * 8u) << capacity;
    EXPECT_EQ(weir_ring_bytes(8, 0), 0u);
}

TEST(Ring, HoldsExactlyItsCapacity)
{
    for (uint32_t capacity : {2u, 4u, 64u}) {
        OwnedRing r(capacity, 8);
        auto items = numbers(0, capacity + 1);
        EXPECT_EQ(weir_ring_push(r.producer(), items.data(), capacity + 1), capacity);
        EXPECT_EQ(weir_ring_push(r.producer(), items.data(), 1), 0u);
        EXPECT_EQ(weir_ring_depth(r.ring), capacity);
        EXPECT_EQ(weir_ring_high_water(r.ring), capacity);
    }
}

TEST(Ring, TheHighWaterMarkIsADepthThatWasThere)
{
    OwnedRing r(64, 8);
    for (uint64_t i = 0; i < 640; i++) {
        weir_ring_push(r.producer(), &i, 1);
        weir_ring_pop(r.consumer(), &i, 1);
    }
    EXPECT_LE(weir_ring_high_water(r.ring), 1u) << "never more than one item at a time";
    auto items = numbers(0, 64);
    weir_ring_push(r.producer(), items.data(), 64);
    EXPECT_EQ(weir_ring_push(r.producer(), items.data(), 1), 0u);
    EXPECT_EQ(weir_ring_high_water(r.ring), 64u);
}

TEST(Ring, AcceptsAPartOfABurstAndKeepsOrder)
{
    OwnedRing r(4, 8);
    auto items = numbers(10, 6);
    ASSERT_EQ(weir_ring_push(r.producer(), items.data(), 3), 3u);
    ASSERT_EQ(weir_ring_push(r.producer(), items.data() + 3, 3), 1u);
    uint64_t out[4];
    ASSERT_EQ(weir_ring_pop(r.consumer(), out, 4), 4u);
    for (uint64_t i = 0; i < 4; i++)
        EXPECT_EQ(out[i], 10 + i);
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 4), 0u);
}

TEST(Ring, ReserveAndPeekWorkInPlace)
{
    OwnedRing r(4, 8);
    uint32_t granted;
    auto *slots = static_cast<uint64_t *>(weir_ring_reserve(r.producer(), 3, &granted));
    ASSERT_EQ(granted, 3u);
    for (uint64_t i = 0; i < 3; i++)
        slots[i] = i;
    EXPECT_EQ(weir_ring_depth(r.ring), 0u) << "nothing is visible before the commit";
    EXPECT_EQ(weir_ring_depth(r.ring), 0u);
    weir_ring_commit(r.producer(), 3);
    weir_ring_publish(r.producer());
    auto *seen = static_cast<const uint64_t *>(weir_ring_peek(r.consumer(), 8, &granted));
    ASSERT_EQ(granted, 3u);
    EXPECT_EQ(seen[2], 2u);
    weir_ring_release(r.consumer(), 2);
    EXPECT_EQ(weir_ring_depth(r.ring), 1u);
    weir_ring_reserve(r.producer(), 4, &granted);
    EXPECT_EQ(granted, 1u) << "only up to the edge in one piece";
}

TEST(Ring, EndsOnlyAfterTheLastItem)
{
    OwnedRing r(4, 8);
    uint64_t item = 1;
    EXPECT_FALSE(weir_ring_ended(r.consumer()));
    weir_ring_push(r.producer(), &item, 1);
    weir_ring_close(r.producer());
    EXPECT_FALSE(weir_ring_ended(r.consumer()));
    weir_ring_pop(r.consumer(), &item, 1);
    EXPECT_TRUE(weir_ring_ended(r.consumer()));
}

/* Against a plain queue: same operations, same results. */
void compare_with_deque(uint32_t capacity, uint32_t start, uint32_t seed)
{
    std::mt19937 random(seed);
    OwnedRing r(capacity, 8, start);
    std::deque<uint64_t> model;
    uint64_t next = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t want = random() % (capacity * 2) + 1;
        if (random() & 1) {
            auto items = numbers(next, want);
            uint32_t fits = std::min(want, capacity - static_cast<uint32_t>(model.size()));
            ASSERT_EQ(weir_ring_push(r.producer(), items.data(), want), fits);
            model.insert(model.end(), items.begin(), items.begin() + fits);
            next += fits;
        } else {
            std::vector<uint64_t> out(want);
            uint32_t there = std::min(want, static_cast<uint32_t>(model.size()));
            ASSERT_EQ(weir_ring_pop(r.consumer(), out.data(), want), there);
            weir_ring_settle(r.consumer()); /* a queue tells of each slot at once */
            for (uint32_t i = 0; i < there; i++) {
                ASSERT_EQ(out[i], model.front());
                model.pop_front();
            }
        }
        ASSERT_EQ(weir_ring_depth(r.ring), model.size());
    }
}

TEST(Ring, BehavesLikeAQueue)
{
    for (uint32_t capacity : {2u, 4u, 64u, 256u})
        compare_with_deque(capacity, 0, capacity);
}

TEST(Ring, IndicesSurviveWrapPastUint32Max)
{
    for (uint32_t capacity : {2u, 64u})
        compare_with_deque(capacity, UINT32_MAX - 1000, capacity);
}

TEST(Ring, CarriesItemsOfAnySize)
{
    struct Wide {
        uint64_t word[4];
    };
    OwnedRing r(8, sizeof(Wide));
    for (uint64_t i = 0; i < 100; i++) {
        Wide in = {{i, i + 1, i + 2, i + 3}}, out = {};
        ASSERT_EQ(weir_ring_push(r.producer(), &in, 1), 1u);
        ASSERT_EQ(weir_ring_pop(r.consumer(), &out, 1), 1u);
        ASSERT_EQ(out.word[0], i);
        ASSERT_EQ(out.word[3], i + 3);
    }
}

TEST(Ring, AppendedItemsAreSeenWhenPublishedOrManyOrInTheWay)
{
    OwnedRing r(1024, 8);
    auto items = numbers(0, 1024);
    uint64_t out[1024];
    ASSERT_EQ(weir_ring_append(r.producer(), items.data(), 10), 10u);
    EXPECT_EQ(weir_ring_depth(r.ring), 10u) << "accepted is accepted, seen or not";
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 0u);
    weir_ring_publish(r.producer());
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 10u);
    weir_ring_append(r.producer(), items.data(), 63);
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 0u);
    weir_ring_append(r.producer(), items.data(), 1);
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 64u);
    weir_ring_settle(r.consumer());
    for (int i = 0; i < 20; i++) /* 1020, 60 of them unseen */
        weir_ring_append(r.producer(), items.data(), 51);
    EXPECT_EQ(weir_ring_append(r.producer(), items.data(), 51), 4u);
    EXPECT_EQ(weir_ring_append(r.producer(), items.data(), 51), 0u);
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 1024u) << "a full ring hides nothing";
    weir_ring_append(r.producer(), items.data(), 1);
    weir_ring_close(r.producer());
    EXPECT_EQ(weir_ring_pop(r.consumer(), out, 1024), 1u) << "nor does a closed one";
    EXPECT_TRUE(weir_ring_ended(r.consumer()));
}

TEST(Ring, TheProducerHearsOfEmptySlotsByEighthsAndWhenTheRingWasFoundEmpty)
{
    OwnedRing r(64, 8);
    auto items = numbers(0, 64);
    uint64_t out[64];
    weir_ring_push(r.producer(), items.data(), 64);
    weir_ring_pop(r.consumer(), out, 7);
    EXPECT_EQ(weir_ring_room(r.producer(), 1), 0u);
    EXPECT_EQ(weir_ring_depth(r.ring), 57u);
    weir_ring_pop(r.consumer(), out, 1);
    EXPECT_EQ(weir_ring_room(r.producer(), 1), 8u);
    weir_ring_pop(r.consumer(), out, 5);
    weir_ring_settle(r.consumer());
    EXPECT_EQ(weir_ring_room(r.producer(), 64), 13u);
    weir_ring_pop(r.consumer(), out, 64);
    ASSERT_EQ(weir_ring_pop(r.consumer(), out, 1), 0u);
    EXPECT_EQ(weir_ring_room(r.producer(), 64), 64u);
}

TEST(Ring, EachEndNamesItsOwner)
{
    OwnedRing r(2, 8);
    EXPECT_STREQ(r.producer()->owner, "");
    weir_ring_name(r.ring, "ingress/0", "a pool with a very long name that is cut/1");
    EXPECT_STREQ(r.producer()->owner, "ingress/0");
    EXPECT_STREQ(r.consumer()->owner, "a pool with a very long name th");
}

/* Two threads; more of them than cores in the third case. */
void stress(uint32_t capacity, uint32_t start, uint64_t items)
{
    OwnedRing r(capacity, 8, start);
    std::thread producer([&] {
        uint64_t next = 0;
        while (next < items) {
            uint64_t burst[32];
            uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(next % 32 + 1, items - next));
            for (uint32_t i = 0; i < n; i++)
                burst[i] = next + i;
            uint32_t pushed =
                next & 1 ? weir_ring_push(r.producer(), burst, n) : weir_ring_append(r.producer(), burst, n);
            next += pushed;
            if (pushed == 0)
                std::this_thread::yield();
        }
        weir_ring_close(r.producer());
    });
    uint64_t expected = 0, wrong = 0;
    for (;;) {
        uint64_t burst[32];
        uint32_t n = weir_ring_pop(r.consumer(), burst, 32);
        for (uint32_t i = 0; i < n; i++)
            wrong += burst[i] != expected++;
        if (n == 0) {
            if (weir_ring_ended(r.consumer()))
                break;
            std::this_thread::yield();
        }
    }
    producer.join();
    EXPECT_EQ(expected, items);
    EXPECT_EQ(wrong, 0u);
}

TEST(Ring, TwoThreadsLoseAndReorderNothing)
{
    stress(2, 0, 200000);
    stress(1024, UINT32_MAX - 5000, 2000000);
}

TEST(Ring, MorePairsThanCoresLoseAndReorderNothing)
{
    std::vector<std::thread> pairs;
    for (int i = 0; i < 4; i++)
        pairs.emplace_back([] { stress(64, UINT32_MAX - 100, 300000); });
    for (auto &pair : pairs)
        pair.join();
}

} // namespace
