/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tap.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/classifier.h"
#include "dataplane/pcapng.h"
#include "tests/dataplane/frames.h"

namespace {

/* One worker's tap, with who watches. Frame n is n + 60 bytes long. */
struct Tap : testing::Test {
    weir_tap tap = {};
    weir_trash trash = {};
    std::unique_ptr<weir_view> view = std::make_unique<weir_view>();
    void *memory = nullptr;
    rte_mbuf mbufs[64] = {};
    weir_desc packets[64] = {};
    Bytes bytes[64];

    void SetUp() override
    {
        for (uint32_t i = 0; i < 64; i++) {
            bytes[i] = Bytes(60 + i, (uint8_t)i);
            bytes[i][12] = 0x08, bytes[i][13] = i % 2 ? 0x06 : 0x00; /* odd ones are ARP */
            mbufs[i].buf_addr = bytes[i].data();
            mbufs[i].data_len = (uint16_t)bytes[i].size();
            mbufs[i].pkt_len = mbufs[i].data_len;
            mbufs[i].nb_segs = 1;
            mbufs[i].port = 3;
            packets[i].mbuf = &mbufs[i];
            packets[i].length = mbufs[i].pkt_len & 0xffffff;
        }
    }
    void TearDown() override
    {
        free(memory);
    }
    void offer(uint32_t snap, uint32_t every, uint32_t slots = 64)
    {
        uint32_t item = (uint32_t)sizeof(weir_tapped) + ((snap + 7) & ~7u);
        memory = aligned_alloc(WEIR_APART, weir_ring_bytes(slots, item));
        view->ring = weir_ring_init(memory, slots, item, 0);
        view->tap = &tap;
        view->snap = snap;
        view->every = every;
        tap.offered = view.get();
        weir_word_publish(&tap.wanted, 1);
        EXPECT_TRUE(weir_tap_is_turned(&tap));
        weir_tap_turn(&tap, &trash);
    }
    /* Numbers of the packets whose copies are there, each compared with what it was made of. */
    std::vector<int> taken(const char *reason = nullptr)
    {
        std::vector<int> numbers;
        uint32_t n;
        for (;;) {
            auto t = (const weir_tapped *)weir_ring_peek(&view->ring->consumer, 1, &n);
            if (n == 0)
                return numbers;
            int number = (int)t->length - 60;
            EXPECT_EQ(std::min(t->length, view->snap), t->captured);
            EXPECT_EQ(0, memcmp(t->frame, bytes[number].data(), t->captured));
            EXPECT_EQ(3u, t->port);
            EXPECT_STREQ(reason, t->reason);
            numbers.push_back(number);
            weir_ring_release(&view->ring->consumer, 1);
        }
    }
};

TEST_F(Tap, CopiesWhatComesInUntilItIsWithdrawn)
{
    offer(64, 1);
    ASSERT_EQ(view.get(), tap.view);
    EXPECT_EQ(nullptr, trash.view);
    weir_view_packets(tap.view, packets, 3, nullptr, nullptr);
    weir_view_packets(tap.view, packets + 20, 1, nullptr, nullptr);
    EXPECT_EQ((std::vector<int>{0, 1, 2, 20}), taken());
    EXPECT_EQ(4u, tap.copied.value);
    EXPECT_FALSE(weir_tap_is_turned(&tap));
    weir_word_publish(&tap.wanted, 2);
    EXPECT_TRUE(weir_tap_is_turned(&tap)) << "free only once the worker says so";
    weir_tap_turn(&tap, &trash);
    EXPECT_FALSE(weir_tap_is_turned(&tap));
    EXPECT_EQ(nullptr, tap.view);
}

TEST_F(Tap, OneThatTheWorkerNeverSawIsFreeOnlyOnceItLooks)
{
    weir_word_publish(&tap.wanted, 1);
    weir_word_publish(&tap.wanted, 2);
    EXPECT_TRUE(weir_tap_is_turned(&tap)) << "the worker may have read 1, and be about to use the view";
    weir_tap_turn(&tap, &trash);
    EXPECT_FALSE(weir_tap_is_turned(&tap));
    EXPECT_EQ(nullptr, tap.view);
}

TEST_F(Tap, LooksAtOneOfNAcrossBatches)
{
    offer(2048, 7);
    for (uint32_t at = 0, n = 1; at < 60; at += n, n = n % 9 + 1)
        weir_view_packets(tap.view, packets + at, n, nullptr, nullptr);
    EXPECT_EQ((std::vector<int>{0, 7, 14, 21, 28, 35, 42, 49, 56}), taken());
}

TEST_F(Tap, CountsWhatDoesNotFitAndTakesTheNextThatDoes)
{
    offer(60, 1, 4);
    weir_view_packets(tap.view, packets, 10, nullptr, nullptr);
    EXPECT_EQ(6u, view->lost[3].value);
    EXPECT_EQ(6u, tap.lost.value);
    EXPECT_EQ((std::vector<int>{0, 1, 2, 3}), taken());
    weir_view_packets(tap.view, packets + 10, 1, nullptr, nullptr);
    EXPECT_EQ((std::vector<int>{10}), taken());
}

TEST_F(Tap, TheFilterSeesAFrameInSegmentsWhole)
{
    char *text = nullptr;
    size_t size = 0;
    FILE *complaint = open_memstream(&text, &size);
    bpf_program *filter = weir_match_compile("filter", "arp and ether[61] = 3", complaint);
    view->filter = filter;
    offer(2048, 1);
    mbufs[3].data_len = 20; /* in front of byte 61 */
    mbufs[3].nb_segs = 2;
    rte_mbuf rest = {};
    rest.buf_addr = bytes[3].data() + 20;
    rest.data_len = (uint16_t)(bytes[3].size() - 20);
    mbufs[3].next = &rest;
    weir_view_packets(tap.view, packets, 30, nullptr, nullptr);
    EXPECT_EQ((std::vector<int>{3}), taken());
    EXPECT_EQ(nullptr, weir_match_compile("filter", "arp adn", complaint));
    fclose(complaint);
    EXPECT_EQ(0, strncmp(text, "filter `arp adn`: ", 18)) << text;
    free(text);
    weir_match_free(filter);
}

TEST_F(Tap, TakesOnlyDropsOfTheReasonAskedFor)
{
    view->drops = true;
    view->reason = "rate";
    offer(2048, 1);
    EXPECT_EQ(nullptr, tap.view);
    ASSERT_EQ(view.get(), trash.view);
    weir_drop(&trash, &packets[5], "inbox_full");
    weir_drop(&trash, &packets[6], "rate");
    EXPECT_EQ((std::vector<int>{6}), taken("rate"));
    EXPECT_EQ(2u, trash.n_other) << "dropped all the same";
}

TEST(Pcapng, ABlockTellsItsLengthAtBothEndsAndAComment)
{
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    weir_pcapng_begin(to);
    weir_pcapng_interface(to, "gen", 100);
    const uint8_t frame[61] = {};
    for (uint32_t n = 57; n <= 61; n++)
        for (const char *comment : {(const char *)nullptr, "a", "five5"}) {
            const struct weir_pcapng_packet p = {1, 0, n, 99, frame, comment};
            weir_pcapng_packet(to, &p);
        }
    weir_pcapng_missing(to, 0, 1, 77);
    fclose(to);
    std::vector<uint32_t> types;
    size_t comments = 0;
    for (size_t at = 0; at < size;) {
        uint32_t word[2], end;
        memcpy(word, text + at, sizeof word);
        ASSERT_LE(at + word[1], size);
        memcpy(&end, text + at + word[1] - 4, sizeof end);
        ASSERT_EQ(word[1], end);
        types.push_back(word[0]);
        comments += std::string(text + at, word[1]).find("five5") != std::string::npos;
        at += word[1];
    }
    EXPECT_EQ(2u + 15 + 1, types.size());
    EXPECT_EQ(5u, comments);
    EXPECT_EQ(
        (std::vector<uint32_t>{0x0a0d0d0a, 1, 6}), std::vector<uint32_t>(types.begin(), types.begin() + 3));
    EXPECT_EQ(5u, types.back());
    free(text);
}

} // namespace
