// SPDX-License-Identifier: BSD-3-Clause
#include "monitor/http.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/monitor/sample.h"

namespace {

struct Server : testing::Test {
    static weir_snapshot *take(void *argument)
    {
        Server *server = static_cast<Server *>(argument);
        server->taken++;
        return server->empty ? nullptr : new Sample;
    }
    static void release(weir_snapshot *s)
    {
        delete static_cast<Sample *>(s);
    }

    static void write_config(void *, FILE *to)
    {
        fputs("version: 1\n", to);
    }

    weir_http_source source = {take, release, write_config, nullptr, nullptr, this, nullptr, nullptr};
    weir_http *http = nullptr;
    std::atomic<unsigned> taken = 0;
    bool empty = false;
    char error[256] = "";

    void start(const char *listen = "127.0.0.1:0")
    {
        http = weir_http_start(listen, &source, error, sizeof(error));
    }
    void SetUp() override
    {
        start();
        ASSERT_NE(nullptr, http) << error;
    }
    void TearDown() override
    {
        weir_http_stop(http);
    }

    int connect_to(uint16_t port)
    {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to = {};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        timeval limit = {20, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        EXPECT_EQ(0, connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof(to)));
        return fd;
    }

    /* Everything that the server says until it closes. */
    std::string ask(const std::string &request)
    {
        int fd = connect_to(weir_http_port(http));
        size_t sent = 0;
        for (ssize_t n; sent < request.size(); sent += static_cast<size_t>(n))
            if ((n = send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL)) <= 0)
                break;
        std::string answer;
        char part[4096];
        for (ssize_t n; (n = recv(fd, part, sizeof(part), 0)) > 0;)
            answer.append(part, static_cast<size_t>(n));
        close(fd);
        return answer;
    }
    std::string ask_for(const std::string &method, const std::string &url, const std::string &more = "")
    {
        return ask(method + " " + url + " HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n" + more + "\r\n");
    }
};

bool starts_with(const std::string &text, const std::string &start)
{
    return text.compare(0, start.size(), start) == 0;
}

bool contains(const std::string &text, const std::string &part)
{
    return text.find(part) != std::string::npos;
}

std::string body_of(const std::string &answer)
{
    size_t at = answer.find("\r\n\r\n");
    return at == std::string::npos ? "" : answer.substr(at + 4);
}

TEST_F(Server, ServesMetrics)
{
    std::string answer = ask_for("GET", "/metrics");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(contains(answer, "Content-Type: text/plain; version=0.0.4"));
    EXPECT_TRUE(contains(body_of(answer), "\nweir_ledger_accepted_packets_total 81234567\n"));
}

TEST_F(Server, ShowsTheBooksAndTheConfiguration)
{
    EXPECT_TRUE(contains(body_of(ask_for("GET", "/debug/ledger")), "accepted 81 234 567"));
    EXPECT_TRUE(contains(body_of(ask_for("GET", "/api/v1/stats")), "\"accepted\":"));
    EXPECT_TRUE(
        contains(body_of(ask_for("GET", "/debug/vars")), "\"weir_ledger_accepted_packets_total\":81234567,"));
    EXPECT_EQ(body_of(ask_for("GET", "/debug/config")), "version: 1\n");
    EXPECT_TRUE(starts_with(ask_for("GET", "/healthz"), "HTTP/1.1 200 "));
    std::string ready = ask_for("GET", "/readyz"); /* the sample has ended */
    EXPECT_TRUE(starts_with(ready, "HTTP/1.1 503 ")) << ready;
    EXPECT_TRUE(contains(body_of(ready), "worker 0 of ")) << ready;
}

TEST_F(Server, HeadIsGetWithoutTheBody)
{
    std::string answer = ask_for("HEAD", "/metrics");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(contains(answer, "Content-Length: "));
    EXPECT_EQ("", body_of(answer));
}

TEST_F(Server, TheRootListsThePages)
{
    EXPECT_TRUE(contains(body_of(ask_for("GET", "/")), "/metrics"));
}

TEST_F(Server, OneConnectionServesManyRequests)
{
    std::string get = "GET / HTTP/1.1\r\nHost: weir\r\n\r\n";
    std::string answer = ask(get + get + "GET / HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    unsigned n = 0;
    for (size_t at = 0; (at = answer.find("HTTP/1.1 200 ", at)) != std::string::npos; at++)
        n++;
    EXPECT_EQ(3u, n);
}

TEST_F(Server, AnUnknownPageIs404)
{
    for (const char *url : {"/nothing", "/metrics/", "/metrics/../etc/passwd", "//", "*"})
        EXPECT_TRUE(starts_with(ask_for("GET", url), "HTTP/1.1 404 ")) << url;
    EXPECT_EQ(0u, taken.load());
}

TEST_F(Server, AQueryIsIgnored)
{
    EXPECT_TRUE(starts_with(ask_for("GET", "/metrics?name[]=a"), "HTTP/1.1 200 "));
}

TEST_F(Server, AnotherMethodIs405AndSaysWhichAreAllowed)
{
    for (const char *method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
        std::string answer = ask_for(method, "/metrics");
        EXPECT_TRUE(starts_with(answer, "HTTP/1.1 405 ")) << method << ": " << answer;
        EXPECT_TRUE(contains(answer, "Allow: GET, HEAD\r\n")) << method;
    }
    EXPECT_EQ(0u, taken.load());
}

TEST_F(Server, APostWithABodyIs405)
{
    std::string answer = ask_for("POST", "/metrics", "Content-Length: 5\r\n\r\nhello");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 405 ")) << answer;
    /* The body has yet to come: the answer does not wait for it. */
    answer = ask_for("POST", "/metrics", "Content-Length: 1000000\r\n");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 405 ")) << answer;
}

TEST_F(Server, TheBodyOfAGetIsIgnored)
{
    std::string body(20000, 'x');
    std::string answer =
        ask("GET / HTTP/1.1\r\nHost: weir\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n" + body);
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 200 ")) << answer;
}

TEST_F(Server, ABodyWithoutEndIsRefused)
{
    std::string answer = ask_for("GET", "/", "Content-Length: 1000000000\r\n");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 413 ")) << answer;
    answer = ask_for("GET", "/", "Transfer-Encoding: chunked\r\n");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 411 ")) << answer;
}

TEST_F(Server, AHeaderThatIsTooLongIs431AndAnAddress414)
{
    std::string endless(10000, 'a');
    std::string answer = ask_for("GET", "/", "X-Long: " + endless + "\r\n");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 431 ")) << answer;
    answer = ask_for("GET", "/" + endless);
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 414 ")) << answer;
}

TEST_F(Server, AStreamSendsTheBooksAgainAndAgain)
{
    int fd = connect_to(weir_http_port(http));
    std::string get = "GET /api/v1/stream?every=100ms HTTP/1.1\r\nHost: weir\r\n\r\n", answer;
    EXPECT_EQ(static_cast<ssize_t>(get.size()), send(fd, get.data(), get.size(), MSG_NOSIGNAL));
    auto events = [&answer] {
        unsigned n = 0;
        for (size_t at = 0; (at = answer.find("data: {", at)) != std::string::npos; at++)
            n++;
        return n;
    };
    char part[4096];
    for (ssize_t n; events() < 3 && (n = recv(fd, part, sizeof(part), 0)) > 0;)
        answer.append(part, static_cast<size_t>(n));
    EXPECT_EQ(3u, events());
    EXPECT_TRUE(contains(answer, "Content-Type: text/event-stream\r\n")) << answer;
    EXPECT_TRUE(contains(answer, "\"accepted\":81234567,")) << answer;
    close(fd);
    for (const char *every : {"10ms", "6s", "1", "x", "-1s"})
        EXPECT_TRUE(
            starts_with(ask_for("GET", std::string("/api/v1/stream?every=") + every), "HTTP/1.1 400 "))
            << every;
    EXPECT_TRUE(starts_with(ask_for("HEAD", "/api/v1/stream"), "HTTP/1.1 200 "));
}

TEST_F(Server, StreamsAreBoundedAndEndWithTheServer)
{
    std::vector<int> streams;
    std::string get = "GET /api/v1/stream?every=5s HTTP/1.1\r\nHost: weir\r\n\r\n";
    char part[16];
    for (int i = 0; i < 16; i++) {
        int fd = connect_to(weir_http_port(http));
        streams.push_back(fd);
        EXPECT_EQ(static_cast<ssize_t>(get.size()), send(fd, get.data(), get.size(), MSG_NOSIGNAL));
        EXPECT_LT(0, recv(fd, part, sizeof(part), 0));
    }
    EXPECT_TRUE(starts_with(ask_for("GET", "/api/v1/stream"), "HTTP/1.1 503 "));
    for (int i = 0; i < 100; i++) /* who comes cuts off who waits, but none of them */
        streams.push_back(connect_to(weir_http_port(http)));
    EXPECT_TRUE(starts_with(ask_for("GET", "/api/v1/stream"), "HTTP/1.1 503 "));
    close(streams[0]);
    std::string answer = "HTTP/1.1 503 ";
    for (int i = 0; i < 1000 && starts_with(answer, "HTTP/1.1 503 "); i++)
        answer = ask_for("HEAD", "/api/v1/stream");
    EXPECT_TRUE(starts_with(answer, "HTTP/1.1 200 ")) << answer;
    weir_http_stop(http); /* returns although they have seconds to go */
    http = nullptr;
    for (size_t i = 1; i < streams.size(); i++)
        close(streams[i]);
}

TEST_F(Server, GarbageHarmsNobody)
{
    std::string zeros(300, '\0'), endless(100000, 'A'),
        request = "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    /* Empty lines in front of a request are legal, and libmicrohttpd takes a line of zeros for an empty one. */
    for (const std::string &garbage : {std::string("\r\n\r\n"), zeros + "\r\n\r\n"}) {
        std::string answer = ask(garbage + request);
        EXPECT_TRUE(answer.empty() || starts_with(answer, "HTTP/1.1 ")) << answer;
    }
    for (const std::string &garbage : {std::string("hello\r\n\r\n"), "GET /" + endless + " HTTP/1.1\r\n\r\n",
             "GET / HTTP/1.1\r\nX: " + endless + "\r\n\r\n",
             std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15)}) {
        std::string answer = ask(garbage + request);
        EXPECT_TRUE(answer.empty() || starts_with(answer, "HTTP/1.1 4")) << answer.substr(0, 100);
    }
    EXPECT_TRUE(starts_with(ask_for("GET", "/metrics"), "HTTP/1.1 200 "));
}

TEST_F(Server, SilentClientsDoNotStopOthers)
{
    std::vector<int> silent;
    for (int i = 0; i < 300; i++) {
        silent.push_back(connect_to(weir_http_port(http)));
        if (i % 50 == 49) {
            EXPECT_TRUE(starts_with(ask_for("GET", "/metrics"), "HTTP/1.1 200 ")) << i;
        }
    }
    for (int fd : silent)
        close(fd);
}

TEST_F(Server, ManyAtOnceAreAllServed)
{
    std::vector<std::thread> clients;
    for (int c = 0; c < 8; c++)
        clients.emplace_back([this] {
            for (int i = 0; i < 20; i++)
                EXPECT_TRUE(starts_with(ask_for("GET", "/metrics"), "HTTP/1.1 200 "));
        });
    for (std::thread &client : clients)
        client.join();
    EXPECT_EQ(160u, taken.load());
}

TEST_F(Server, NoSnapshotIs503)
{
    empty = true;
    EXPECT_TRUE(starts_with(ask_for("GET", "/metrics"), "HTTP/1.1 503 "));
}

TEST_F(Server, APortInUseIsNamedWithARemedy)
{
    weir_http *first = http;
    std::string listen = "127.0.0.1:" + std::to_string(weir_http_port(first));
    start(listen.c_str());
    EXPECT_EQ(nullptr, http);
    EXPECT_EQ(EADDRINUSE, errno);
    EXPECT_TRUE(starts_with(error, listen + " is in use: ")) << error;
    http = first;
}

TEST_F(Server, AFreedPortCanBeTakenAtOnce)
{
    std::string listen = "127.0.0.1:" + std::to_string(weir_http_port(http));
    ask_for("GET", "/");
    weir_http_stop(http);
    start(listen.c_str());
    EXPECT_NE(nullptr, http) << error;
}

TEST_F(Server, BindsOnlyTheGivenAddress)
{
    sockaddr_in other = {};
    other.sin_family = AF_INET;
    other.sin_port = htons(weir_http_port(http));
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(-1, connect(fd, reinterpret_cast<sockaddr *>(&other), sizeof(other)));
    EXPECT_EQ(ECONNREFUSED, errno);
    close(fd);
}

TEST_F(Server, ListensOnIpv6)
{
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    to.sin6_addr = in6addr_loopback;
    bool here = probe >= 0 && bind(probe, reinterpret_cast<sockaddr *>(&to), sizeof(to)) == 0;
    close(probe);
    if (!here)
        GTEST_SKIP() << "no IPv6 loopback";
    weir_http_stop(http);
    start("[::1]:0");
    ASSERT_NE(nullptr, http) << error;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    to.sin6_port = htons(weir_http_port(http));
    EXPECT_EQ(0, connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof(to)));
    close(fd);
}

TEST_F(Server, RefusesWhatIsNoNumericAddress)
{
    weir_http *first = http;
    for (const char *listen :
        {"", ":", ":9476", "9476", "localhost:9476", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:1x",
            "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:999999999999", "127.1:80", "::1:9476", "[::1]",
            "[::1:9476", "[]:9476", "[:80", "[127.0.0.1]:80", "256.0.0.1:80", " 127.0.0.1:80",
            "0123456789012345678901234567890123456789012345678901234567890123456789:80"}) {
        start(listen);
        EXPECT_EQ(nullptr, http) << listen;
        EXPECT_EQ(EINVAL, errno) << listen;
        EXPECT_TRUE(contains(error, "write for example 127.0.0.1:9476")) << error;
    }
    start("203.0.113.7:0");
    EXPECT_EQ(nullptr, http);
    EXPECT_TRUE(contains(error, "is no address of this machine")) << error;
    http = first;
}

TEST(Http, StoppingNothingIsAllowed)
{
    weir_http_stop(nullptr);
}

} // namespace
