/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring beside rte_ring: same operations, same results. A binary of its own, because rings/ knows no DPDK. */
#include <gtest/gtest.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "rings/ring.h"

namespace {

using Memory = std::unique_ptr<void, decltype(&std::free)>;

Memory aligned(size_t bytes)
{
    return Memory(
        std::aligned_alloc(WEIR_APART, (bytes + WEIR_APART - 1) / WEIR_APART * WEIR_APART), std::free);
}

/* Items of `words` times four bytes, each telling its number and place. */
struct Items {
    Items(uint32_t first, uint32_t n, uint32_t words) : values(size_t{n} * words)
    {
        for (size_t i = 0; i < values.size(); i++)
            values[i] = first * words + static_cast<uint32_t>(i);
    }
    std::vector<uint32_t> values;
};

void compare(uint32_t capacity, uint32_t words, uint32_t start, uint32_t seed)
{
    SCOPED_TRACE(testing::Message() << "capacity " << capacity << ", " << words * 4 << " bytes, start "
                                    << start << ", seed " << seed);
    std::mt19937 random(seed);
    Memory ours_memory = aligned(weir_ring_bytes(capacity, words * 4));
    weir_ring *ours = weir_ring_init(ours_memory.get(), capacity, words * 4, start);
    Memory peer_memory = aligned(static_cast<size_t>(rte_ring_get_memsize_elem(words * 4, capacity * 2)));
    auto *peer = static_cast<rte_ring *>(peer_memory.get());
    ASSERT_EQ(rte_ring_init(peer, "oracle", capacity, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ), 0);
    uint32_t next = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t want = random() % (capacity + 2) + 1;
        Items items(next, want, words), got(0, want, words), expected(0, want, words);
        if (random() % 2 == 0) {
            uint32_t n = weir_ring_append(&ours->producer, items.values.data(), want);
            ASSERT_EQ(n, rte_ring_sp_enqueue_burst_elem(peer, items.values.data(), words * 4, want, nullptr));
            weir_ring_publish(&ours->producer);
            next += n;
        } else {
            uint32_t n = weir_ring_pop(&ours->consumer, got.values.data(), want);
            ASSERT_EQ(
                n, rte_ring_sc_dequeue_burst_elem(peer, expected.values.data(), words * 4, want, nullptr));
            ASSERT_EQ(got.values, expected.values);
            weir_ring_settle(&ours->consumer); /* rte_ring tells of each slot at once */
        }
        ASSERT_EQ(weir_ring_depth(ours), rte_ring_count(peer));
        ASSERT_EQ(weir_ring_room(&ours->producer, capacity), rte_ring_free_count(peer));
    }
}

TEST(RingOracle, DoesWhatRteRingDoes)
{
    const uint32_t seed = std::random_device{}();
    std::printf("\nnote: seed %u\n", seed);
    for (uint32_t capacity : {2u, 4u, 32u, 256u})
        for (uint32_t words : {1u, 2u, 3u, 8u})
            for (uint32_t start : {0u, UINT32_MAX - 1000})
                compare(capacity, words, start, seed + capacity + words);
}

} // namespace
