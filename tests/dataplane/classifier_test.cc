/* SPDX-License-Identifier: BSD-3-Clause */
/* The class of a frame is what libpcap says: every expression of a list against every packet of the captures of
 * WEIR_CORPUS, whole and cut, in one segment and in many, with VLAN tags and without. */
#include "dataplane/classifier.h"
#include "tests/volume.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

struct Expression {
    std::string match;
    bool raw = false;
};
using Expressions = std::vector<Expression>;

/* ---- ours, and libpcap's ---- */

class Classifier {
  public:
    explicit Classifier(const Expressions &expressions)
        : c(static_cast<weir_classifier *>(calloc(1, sizeof(weir_classifier)))), scratch(WEIR_CLASSIFY_BYTES)
    {
        std::vector<weir_class> classes(1);
        for (const Expression &e : expressions) {
            weir_class one{};
            one.match = e.match.c_str();
            one.raw = e.raw;
            classes.push_back(one);
        }
        error = weir_classifier_init(c.get(), classes.data(), (uint32_t)classes.size());
    }
    ~Classifier()
    {
        weir_classifier_free(c.get());
    }
    /* In segments of `size`. */
    uint8_t classify(const Bytes &frame, uint32_t length, size_t size = SIZE_MAX)
    {
        std::vector<Bytes> bytes;
        for (size_t at = 0; at == 0 || at < frame.size(); at += std::min(size, frame.size() - at + 1))
            bytes.emplace_back(
                frame.begin() + (long)at, frame.begin() + (long)(at + std::min(size, frame.size() - at)));
        auto *mbufs = static_cast<rte_mbuf *>(aligned_alloc(64, bytes.size() * sizeof(rte_mbuf)));
        memset(static_cast<void *>(mbufs), 0, bytes.size() * sizeof(rte_mbuf));
        for (size_t i = 0; i < bytes.size(); i++) {
            mbufs[i].buf_addr = bytes[i].data();
            mbufs[i].data_len = (uint16_t)bytes[i].size();
            mbufs[i].next = i + 1 < bytes.size() ? &mbufs[i + 1] : nullptr;
        }
        mbufs[0].pkt_len = (uint32_t)frame.size();
        mbufs[0].nb_segs = (uint16_t)bytes.size();
        weir_desc d{};
        d.mbuf = mbufs;
        d.length = length & 0xffffff;
        uint8_t class_id = weir_classify(c.get(), &d, scratch.data());
        Bytes after;
        for (const Bytes &b : bytes)
            after.insert(after.end(), b.begin(), b.end());
        EXPECT_EQ(after, frame) << "the frame is left as it was";
        free(mbufs);
        return class_id;
    }
    int error;

    struct Free {
        void operator()(weir_classifier *p) const
        {
            free(p);
        }
    };
    std::unique_ptr<weir_classifier, Free> c;

  private:
    Bytes scratch;
};

class Libpcap {
  public:
    explicit Libpcap(const Expressions &expressions) : pcap(pcap_open_dead(DLT_EN10MB, 1 << 18))
    {
        for (const Expression &e : expressions) {
            programs.push_back({});
            raw.push_back(e.raw);
            EXPECT_EQ(0, pcap_compile(pcap, &programs.back(), e.match.c_str(), 1, PCAP_NETMASK_UNKNOWN))
                << e.match << ": " << pcap_geterr(pcap);
        }
    }
    ~Libpcap()
    {
        for (bpf_program &p : programs)
            pcap_freecode(&p);
        pcap_close(pcap);
    }
    uint8_t classify(const Bytes &frame, uint32_t length)
    {
        Bytes untagged = frame;
        while (tags(untagged) && untagged.size() + 4 * WEIR_PARSE_TAGS > frame.size())
            untagged.erase(untagged.begin() + 12, untagged.begin() + 16);
        for (size_t i = 0; i < programs.size(); i++) {
            const Bytes &seen = raw[i] ? frame : untagged;
            pcap_pkthdr header{};
            header.caplen = (bpf_u_int32)seen.size();
            header.len = length - (bpf_u_int32)(frame.size() - seen.size());
            if (pcap_offline_filter(&programs[i], &header, seen.data()))
                return (uint8_t)(i + 1);
        }
        return 0;
    }

  private:
    static bool tags(const Bytes &f)
    {
        return f.size() >= 18 && weir_parse_is_tag((uint16_t)(f[12] << 8 | f[13]));
    }
    pcap_t *pcap;
    std::vector<bpf_program> programs;
    std::vector<bool> raw;
};

/* ---- the captures ---- */

struct Packet {
    Bytes frame;
    uint32_t length;
};

const std::vector<Packet> &packets()
{
    static std::vector<Packet> all;
    const char *corpus = getenv("WEIR_CORPUS");
    if (!all.empty() || corpus == nullptr)
        return all;
    for (const auto &file : std::filesystem::recursive_directory_iterator(corpus)) {
        char error[PCAP_ERRBUF_SIZE];
        pcap_t *pcap = file.is_regular_file() ? pcap_open_offline(file.path().c_str(), error) : nullptr;
        if (pcap == nullptr)
            continue;
        pcap_pkthdr *header;
        const u_char *data;
        while (pcap_datalink(pcap) == DLT_EN10MB && pcap_next_ex(pcap, &header, &data) == 1)
            if (header->caplen <= 60000 && header->caplen >= 1)
                all.push_back(
                    {{data, data + header->caplen}, std::max(header->len, header->caplen) & 0xffffff});
        pcap_close(pcap);
    }
    return all;
}

Bytes tagged(const Bytes &frame, unsigned n)
{
    Bytes f = frame;
    for (unsigned i = 0; i < n && f.size() >= 14; i++) {
        const uint8_t tag[] = {(uint8_t)(i ? 0x88 : 0x81), (uint8_t)(i ? 0xa8 : 0), 0x20, 7};
        f.insert(f.begin() + 12, tag, tag + 4);
    }
    return f;
}

void expect_the_same(const Expressions &expressions)
{
    if (packets().empty())
        GTEST_SKIP() << "needs WEIR_CORPUS";
    Classifier ours(expressions);
    ASSERT_EQ(0, ours.error);
    Libpcap theirs(expressions);
    std::vector<size_t> found(expressions.size() + 1);
    unsigned wrong = 0;
    for (size_t n = 0; n < packets().size() && wrong < 10; n += EACH_NTH) {
        const Packet &p = packets()[n];
        struct View {
            Bytes frame;
            uint32_t length;
        };
        std::vector<View> views = {{p.frame, p.length}};
        size_t cut = 1 + n * 7 % std::min<size_t>(p.frame.size(), 80);
        views.push_back({{p.frame.begin(), p.frame.begin() + (long)cut}, p.length});
        views.push_back({{p.frame.begin(), p.frame.begin() + (long)cut}, (uint32_t)cut});
        Bytes t = tagged(p.frame, 1 + n % 5);
        views.push_back({t, p.length + (uint32_t)(t.size() - p.frame.size())});
        for (const View &v : views) {
            uint8_t expected = theirs.classify(v.frame, v.length);
            found[expected]++;
            for (size_t size : {SIZE_MAX, (size_t)60, (size_t)14 + n % 9, (size_t)7}) {
                uint8_t said = ours.classify(v.frame, v.length, size);
                wrong += said != expected;
                EXPECT_EQ((int)expected, (int)said) << "packet " << n << ", " << v.frame.size() << " of "
                                                    << v.length << " bytes in segments of " << size;
            }
        }
    }
    for (size_t i = 0; i < found.size(); i++)
        printf("  %8zu %s\n", found[i], i ? expressions[i - 1].match.c_str() : "other");
}

/* ---- tests ---- */

const Expressions simple = {{"arp or icmp6 or tcp port 179 or ether proto 0x88cc"}, {"udp dst port 53"},
    {"udp src port 53"}, {"tcp dst port 443 or tcp dst port 80"}, {"port 5060 or igmp"}, {"sctp port 2905"},
    {"tcp src port 443"}, {"ip proto 47 or ip6 proto 44"}, {"icmp"}, {"ip6 proto 6"}, {"src port 1900"},
    {"sctp"}, {"udp"}, {"ip6"}, {"ip proto 6 || ip proto 50"}, {"ether proto 0x88a8"}, {"ip"}};

const Expressions complex = {{"tcp[tcpflags] & tcp-syn != 0"}, {"udp and greater 600"},
    {"ip[6:2] & 0x1fff != 0"}, {"host 10.0.0.1 or host 192.168.1.1"}, {"ip6 host ff02::fb"},
    {"ether multicast and not ip"}, {"udp portrange 5000-6000"}, {"net 10.0.0.0/8 and tcp"},
    {"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420"}, {"ip[2:2] % 7 = 3"},
    {"ip6 protochain 17 or ip protochain 17 and ip[8] > 200"}, {"len <= 60"},
    {"udp[8:4] ^ 0x1234 = 5 or ip[0] - 5 * 3 > 60"}};

Expressions mixed()
{
    Expressions all;
    for (size_t i = 0; i < simple.size() || i < complex.size(); i++) {
        if (i < complex.size())
            all.push_back(complex[i]);
        if (i < simple.size())
            all.push_back(simple[i]);
    }
    return all;
}

TEST(Classifier, SimpleExpressionsSayWhatLibpcapSays)
{
    Classifier c(simple);
    EXPECT_EQ(WEIR_CLASSIFY_NONE, c.c->first_joined) << "one table holds them all";
    expect_the_same(simple);
}

TEST(Classifier, OtherExpressionsSayWhatLibpcapSays)
{
    expect_the_same(complex);
}

TEST(Classifier, OfSimpleAndOtherOnesTheFirstMatchWins)
{
    expect_the_same(mixed());
}

TEST(Classifier, ARawExpressionSeesTheTags)
{
    expect_the_same({{"vlan 7 and udp", true}, {"arp"}, {"tcp[tcpflags] & tcp-syn != 0"}, {"vlan", true},
        {"tcp", true}, {"udp"}, {"ip6"}});
}

TEST(Classifier, ManyExpressionsSayWhatLibpcapSays)
{
    Expressions many;
    for (int i = 0; i < 255; i++)
        many.push_back({"tcp[13] = " + std::to_string(i) + " or host 10.0.0." + std::to_string(i)});
    expect_the_same(many);
}

std::string complaint(const char *text)
{
    char *said = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&said, &size);
    bool fine = weir_match_check(text, to);
    fclose(to);
    std::string all(said, size);
    free(said);
    EXPECT_EQ(fine, all.empty());
    return all;
}

TEST(Classifier, AnExpressionIsRefusedWithCauseAndRemedy)
{
    const std::string remedy =
        "; allowed: an expression of pcap-filter(7) on what is in the frame, as in `udp port 53`";
    EXPECT_EQ("", complaint("arp or udp port 53"));
    EXPECT_EQ("", complaint("ip6 protochain 6"));
    EXPECT_EQ(
        "match `udp prt 53`: can't parse filter expression: syntax error" + remedy, complaint("udp prt 53"));
    EXPECT_EQ("match `port 99999`: illegal port number 99999 > 65535" + remedy, complaint("port 99999"));
    for (const std::string text : {"inbound", "ifindex 3"})
        EXPECT_EQ("match `" + text + "`: asks for what only a live capture knows" + remedy,
            complaint(text.c_str()));
}

} // namespace
