# SPDX-License-Identifier: BSD-3-Clause
"""Two network namespaces that only weir joins, by veth and AF_PACKET."""
import json
import os
import re
import subprocess
import unittest

import lab

VARIANTS = ("release", "asan")

BRIDGE = """
version: 1
ports:
  a: {{vdev: "net_af_packet0,iface={a}"}}
  b: {{vdev: "net_af_packet1,iface={b}"}}
pools:
  ingress:
    from: [a, b]
    stages: [validate, {{admit: {{per: port, rate: max}}}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages: [meter, {{transmit: {{a: b, b: a}}}}]
"""
IPERF_S = 4 if lab.VARIANT == "release" else 2


def serve(namespace):
    """An iperf3 server for one client, once it listens."""
    server = namespace.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.wait_until(lambda: ":5201" in namespace.run("ss", "-ltn").stdout, 30, "iperf3 listening")
    return server


@lab.needs_netns
@lab.needs_program("ip", "ss", "ethtool", "ping", "iperf3", "tcpdump")
class Wire(unittest.TestCase):
    def check_books(self, end):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"], end["held"]), (0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
        for name in "ab":
            self.assertIsNone(end.port(name)["missed"], "AF_PACKET cannot say; it is not 0")

    def see_tag(self, left, right, tags):
        """How the other end sees a frame with these tags."""
        send = ("python3", "-c", "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); "
                "s.bind(('eth0', 0)); "
                f"[s.send(bytes.fromhex('ffffffffffff 02000000000a {tags} 88b5') + b'weir' * 12) for _ in range(20)]")
        seen = right.popen("tcpdump", "-i", "eth0", "-e", "-nn", "-l", "-c", "1", "ether", "src", "02:00:00:00:00:0a",
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("listening", "".join(seen.stderr.readline() for _ in range(2)))
        self.assertEqual(left.run(*send).returncode, 0)
        return seen.communicate(timeout=120)[0]

    def test_ping_and_tcp_pass_and_a_sigterm_in_the_middle_balances(self):
        with lab.namespaces("10.77.0.1/24", "10.77.0.2/24") as (left, right):
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                ping = left.run("ping", "-c", "5", "-i", "0.2", "-W", "5", right.address)
                self.assertEqual(ping.returncode, 0, ping.stdout)
                server = serve(right)
                tcp = left.run("iperf3", "-J", "-c", right.address, "-t", str(IPERF_S))
                self.assertEqual(tcp.returncode, 0, tcp.stdout)
                server.wait(30)
                received = json.loads(tcp.stdout)["end"]["sum_received"]
                self.assertGreater(received["bytes"], 10**6, tcp.stdout)
                self.assertGreater(received["seconds"], IPERF_S - 1)
                print(f"{lab.VARIANT}: TCP {received['bits_per_second'] / 1e9:.2f} Gbit/s")

                server = serve(right)
                client = left.popen("iperf3", "-c", right.address, "-t", "60", stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
                before = w.metrics()["weir_ledger_sent_packets_total"]
                w.wait_for_metrics(lambda m: m["weir_ledger_sent_packets_total"] > before + 2000)
                end = w.stop()
                for process in (client, server):
                    process.kill()
                    process.wait(30)
        self.check_books(end)
        self.assertEqual(end["why_stopped"], "signal")
        self.assertGreater(end.stage("meter")["counters"]["flows_created"], 2, end)

    def test_af_xdp_passes_fragments_and_tags_untouched_and_what_its_rings_keep_is_no_leak(self):
        with lab.namespaces("10.77.6.1/24", "10.77.6.2/24") as (left, right):
            text = re.sub(r'vdev: "net_af_packet\d,iface=(\S+)"', r"interface: \1", BRIDGE.format(a=left.outer, b=right.outer))
            with lab.weir(text) as w:
                w.url()
                ping = left.run("ping", "-c", "5", "-i", "0.2", "-W", "5", right.address)
                self.assertEqual(ping.returncode, 0, ping.stdout)
                fragments = left.run("ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "3000", right.address)
                self.assertEqual(fragments.returncode, 0, fragments.stdout)
                self.assertRegex(self.see_tag(left, right, "88a8 2064 8100 0007"), "ethertype 802.1Q-QinQ .* vlan 100, .* vlan 7,")
                end = w.stop()
        self.check_books(end)
        self.assertEqual(end["dropped"], 0, end)
        self.assertGreater(end["kept"], 0, end)
        self.assertNotRegex(end.err, "AF_PACKET|libbpf|libxdp")

    @lab.needs_program("setpriv")
    def test_an_interface_without_af_xdp_is_af_packet_and_said(self):
        with lab.namespaces("10.77.10.1/24", "10.77.10.2/24") as (left, _):
            text = f"version: 1\nlisten: off\nstop-after: 300ms\nports: {{a: {{interface: {left.outer}}}}}\n" \
                   "pools: {all: {from: [a], stages: [validate, sink]}}\n"
            done = subprocess.run(["setpriv", "--bounding-set", "-bpf,-sys_admin", lab.WEIR, "run", "-"], input=text, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("port a: AF_PACKET instead of AF_XDP: ", done.stderr)
        self.assertNotRegex(done.stderr, "libbpf|libxdp")

    def test_frames_that_no_cable_would_carry_are_named_with_the_remedy(self):
        with lab.namespaces("10.77.11.1/24", "10.77.11.2/24") as (left, right):
            self.assertEqual(left.run("ethtool", "-K", "eth0", "tx", "on", "sg", "on", "tso", "on", "gso", "on").returncode, 0)
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                # What TCP leaves to a card to cut: 3000 bytes of payload, to be sent as segments of 1448.
                send = ("import socket, struct; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0)); "
                        "s.setsockopt(263, 15, 1); ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 3040, 1, 0, 64, 6, 0, b'0001', b'0002'); "
                        "tcp = struct.pack('!HHIIBBHHH', 9, 9, 1, 0, 0x50, 16, 1024, 0, 0); "
                        "s.send(struct.pack('<BBHHHH', 1, 1, 54, 1448, 34, 16) + bytes.fromhex('ffffffffffff02000000000a0800') "
                        "+ ip + tcp + b'x' * 3000)")
                done = left.run("python3", "-c", send)
                self.assertEqual(done.returncode, 0, done.stdout)
                w.wait_for(r"port a: \d+ frames above its MTU came in.*ethtool -K INTERFACE tso off")
                end = w.stop()
        self.check_books(end)

    def test_checksums_left_to_a_card_that_is_not_there_are_named_with_the_remedy(self):
        send = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'weir' * 9, ('10.77.12.2', 9))"
        for driver in ("net_af_packet", "net_af_xdp"):
            with self.subTest(driver), lab.namespaces("10.77.12.1/24", "10.77.12.2/24") as (left, right):
                text = BRIDGE.replace("net_af_packet", driver).format(a=left.outer, b=right.outer)
                with lab.weir(text) as w:
                    w.url()
                    self.assertEqual(left.run("ping", "-c", "3", "-i", "0.2", "-W", "5", right.address).returncode, 0)
                    self.assertEqual(left.run("python3", "-c", send).returncode, 0)
                    w.wait_for_metrics(lambda m: m["weir_ledger_sent_packets_total"] >= 7)
                    self.assertNotIn("no checksum", w.err())
                    self.assertEqual(left.run("ethtool", "-K", "eth0", "tx", "on").returncode, 0)
                    self.assertEqual(left.run("python3", "-c", send).returncode, 0)
                    w.wait_for(r"port a: 1 batch.*no checksum yet.*ethtool -K INTERFACE tx off")
                    end = w.stop()
                self.check_books(end)

    def test_a_cable_pulled_and_plugged_in_again(self):
        with lab.namespaces("10.77.1.1/24", "10.77.1.2/24") as (left, right):
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                ping = ("ping", "-c", "3", "-i", "0.2", "-W", "2", right.address)
                lab.wait_until(lambda: left.run(*ping).returncode == 0, 60, "ping")
                lab.ip("link", "set", right.outer, "down")
                self.assertNotEqual(left.run(*ping).returncode, 0)
                lab.ip("link", "set", right.outer, "up")
                lab.wait_until(lambda: left.run(*ping).returncode == 0, 60, "ping, the cable plugged in again")
                end = w.stop()
        self.check_books(end)

    def test_one_pool_a_direction_needs_one_queue_a_port(self):
        text = """
version: 1
ports:
  a: {vdev: "net_af_packet0,iface=LEFT"}
  b: {vdev: "net_af_packet1,iface=RIGHT"}
pools:
  there: {from: [a], stages: [validate, meter, {transmit: {a: b}}]}
  back: {from: [b], stages: [validate, meter, {transmit: {b: a}}]}
"""
        with lab.namespaces("10.77.8.1/24", "10.77.8.2/24") as (left, right):
            with lab.weir(text.replace("LEFT", left.outer).replace("RIGHT", right.outer)) as w:
                w.url()
                ping = left.run("ping", "-c", "3", "-i", "0.2", "-W", "5", right.address)
                self.assertEqual(ping.returncode, 0, ping.stdout)
                end = w.stop()
        self.check_books(end)

    def test_more_workers_than_a_port_has_queues_feed_one_that_was_inserted(self):
        text = """
version: 1
stop-after: 2s
memory: normal
ports:
  gen: {generator: {flows: 100, rate: 5kpps}}
  out: {vdev: "net_af_packet0,iface=LEFT"}
  in: {vdev: "net_af_packet1,iface=RIGHT"}
pools:
  ingress: {from: [gen], stages: [validate]}
  work: {from: [ingress], shard-by: flow, on-full: block, workers: 2, stages: [meter, {transmit: {gen: out}}]}
  back: {from: [in], stages: [validate, {sink: {check: order}}]}
"""
        left, right = (f"w{os.getpid()}{side}" for side in "lr")
        lab.ip("link", "add", left, "type", "veth", "peer", "name", right)
        try:
            for side in (left, right):
                lab.ip("link", "set", side, "up")
            text = text.replace("LEFT", left).replace("RIGHT", right)
            end = lab.run(text)
        finally:
            lab.ip("link", "del", left)
        self.assertEqual((end.code, end["lost"], end["leaked"], end["dropped"]), (0, 0, 0, 0), end)
        egress = end.stage("transmit", "work.egress")
        self.assertEqual((egress["in"], egress["out"]), (end["transmitted"], end["transmitted"]), end)
        self.assertGreater(end.stage("sink")["counters"]["checked"], 1000, end)
        self.assertEqual(end.stage("sink")["counters"]["reordered"], 0, end)
        self.assertIn("pool work.egress: inserted, as port out has 1 transmit queue", end.err)

    def test_what_is_reflected_comes_back_swapped_through_the_same_port(self):
        text = """
version: 1
ports:
  a: {vdev: "net_af_packet0,iface=LEFT"}
  b: {vdev: "net_af_packet1,iface=RIGHT"}
pools:
  in: {from: [a, b], stages: [validate]}
  out: {from: [in], shard-by: flow, on-full: block, stages: [{reflect: {swap: SWAP}}]}
"""
        # A UDP packet between strangers, checksums right: who sends it hears it again, turned around.
        ask = ("import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))\n"
               "s.bind(('eth0', 0)); s.settimeout(50); sent = bytes.fromhex(sys.argv[1]); s.send(sent)\n"
               "while (got := s.recv(2000))[:6] != sent[6:12]: pass\n"
               "print(got.hex())")
        macs, addresses, ports = ("020000000001", "020000000002"), ("0a090001", "0a090002"), ("1388", "0035")
        middle, rest = "08004500002000004000401126a7", "000c5aa477656972"

        def frame(n_macs, n_rest):
            return "".join((*macs[::n_macs], middle, *addresses[::n_rest], *ports[::n_rest], rest))

        for swap, turned in (("mac", frame(-1, 1)), ("mac-ip-ports", frame(-1, -1))):
            with self.subTest(swap), lab.namespaces("10.77.11.1/24", "10.77.11.2/24") as (left, right):
                filled = text.replace("LEFT", left.outer).replace("RIGHT", right.outer).replace("SWAP", swap)
                with lab.weir(filled) as w:
                    w.url()
                    for side in (left, right):
                        self.assertEqual(side.run("python3", "-c", ask, frame(1, 1)).stdout.strip(), turned)
                    end = w.stop()
                self.check_books(end)
                self.assertEqual([end.port(name)["sent"] >= 1 for name in "ab"], [True, True], end)

    def test_promiscuous_mode_is_taken_back_from_who_did_not_have_it(self):
        def promiscuous(interface):
            return "PROMISC" in json.loads(lab.ip("-j", "link", "show", interface))[0]["flags"]

        with lab.namespaces("10.77.9.1/24", "10.77.9.2/24") as (left, right):
            lab.ip("link", "set", left.outer, "promisc", "off")
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                lab.wait_until(lambda: promiscuous(left.outer), 60, "promiscuous mode")
                end = w.stop()
            self.assertEqual((promiscuous(left.outer), promiscuous(right.outer)), (False, True))
        self.check_books(end)

    def test_a_tap_is_an_interface_of_this_machine(self):
        text = """
version: 1
ports: {tap: {vdev: "net_tap0,iface=TAP"}}
pools: {all: {from: [tap], stages: [validate, {reflect: {swap: mac-ip-ports}}]}}
"""
        tap = f"weirtap{os.getpid() % 10**7}"
        with lab.weir(text.replace("TAP", tap)) as w:
            w.url()
            lab.ip("addr", "add", "10.77.13.1/24", "dev", tap)
            lab.ip("neigh", "add", "10.77.13.2", "lladdr", "02:00:00:00:00:02", "dev", tap)
            # Turned around, the question comes from the other address; the kernel's answer, turned around, is the other's.
            ping = lab.call("ping", "-c", "3", "-i", "0.2", "-W", "5", "10.77.13.2")
            self.assertEqual(ping.returncode, 0, ping.stdout)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        self.assertGreaterEqual(end.port("tap")["sent"], 6, end)
        self.assertNotIn(tap, lab.ip("link", "show"))

    def test_a_tap_that_gives_frames_back_has_them_counted_once(self):
        text = """
version: 1
ports:
  gen: {generator: {flows: 10, rate: 5kpps}}
  tap: {vdev: "net_tap0,iface=TAP"}
pools:
  all: {from: [gen], stages: [validate, {transmit: {gen: tap}}]}
"""
        tap = f"weirtap{os.getpid() % 10**7}"
        with lab.weir(text.replace("TAP", tap)) as w:
            went = w.wait_for_metrics(lambda m: m["weir_ledger_sent_packets_total"] > 500)
            lab.ip("link", "set", tap, "down")
            w.wait_for_metrics(lambda m: any(v > 500 for k, v in m.items() if 'reason="port_closed"' in k))
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        self.assertEqual(end["drops"]["port_tx_error"], 0, end)
        self.assertGreaterEqual(end["sent"], went["weir_ledger_sent_packets_total"], end)
        self.assertEqual(end["sent"] + end["drops"]["tx_full"] + end["drops"]["port_closed"], end["accepted"], end)

    def test_a_vlan_tag_passes(self):
        # The kernel takes a tag off a frame before AF_PACKET sees it; on the other side it must be there again.
        with lab.namespaces("10.77.2.1/24", "10.77.2.2/24") as (left, right):
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                self.assertRegex(self.see_tag(left, right, "8100 2064"), r"vlan 100, p 1")
                end = w.stop()
        self.check_books(end)

    def test_the_longest_frame_passes_and_one_byte_more_is_refused(self):
        text = """
version: 1
listen: "off"
ports:
  gen: {generator: {flows: 10, size: SIZE, rate: 10kpps, count: 200}}
  out: {vdev: "DRIVER0,iface=OUTER"}
pools:
  all: {from: [gen], stages: [validate, {transmit: {gen: out}}]}
"""
        with lab.namespaces("10.77.4.1/24") as (peer,):
            for driver, mtu, size, sent in (
                    ("net_af_packet", 1500, 1514, 200), ("net_af_packet", 1500, 1515, 0),
                    ("net_af_packet", 1500, 1518, 0), ("net_af_xdp", 1300, 1314, 200), ("net_af_xdp", 1300, 1315, 0)):
                with self.subTest(driver=driver, size=size):
                    lab.ip("link", "set", peer.outer, "mtu", str(mtu))
                    before = peer.received()
                    end = lab.run(text.replace("DRIVER", driver).replace("SIZE", str(size)).replace("OUTER", peer.outer))
                    self.assertEqual((end.code, end["transmitted"]), (0, sent), end)
                    self.assertEqual(end["drops"]["above_mtu"], 200 - sent, end)
                    lab.wait_until(lambda: peer.received() >= before + sent, 60, "the frames at the other end")

    def test_an_mtu_above_the_slot_is_refused_with_the_command_and_the_one_it_names_passes_whole(self):
        with lab.namespaces("10.77.5.1/24", "10.77.5.2/24") as (left, right):
            lab.ip("link", "set", left.outer, "mtu", "9000")
            end = lab.run(BRIDGE.format(a=left.outer, b="lo"))
            self.assertEqual(end.code, 78, end)
            most = int(re.search(rf"ip link set {left.outer} mtu (\d+)", end.err).group(1))
            for side in (left, right):
                lab.ip("link", "set", side.outer, "mtu", str(most))
                side.ip("link", "set", "eth0", "mtu", str(most))
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                ping = left.run("ping", "-c", "3", "-i", "0.2", "-W", "5", "-M", "do", "-s", str(most - 28), right.address)
                self.assertEqual(ping.returncode, 0, ping.stdout)
                end = w.stop()
        self.check_books(end)
        self.assertEqual(end["dropped"], 0, end)

    def test_more_queues_than_a_port_counts_are_refused(self):
        with lab.namespaces("10.77.7.1/24") as (peer,):
            end = lab.run(BRIDGE.format(a=peer.outer + ",qpairs=65", b=peer.outer))
        self.assertEqual(end.code, 78, end)
        self.assertRegex(end.err, r"has 65 queues; the most is 64")

    def test_queues_that_the_kernel_fills_have_one_worker_and_are_as_many_as_there_are(self):
        text = """
version: 1
listen: "off"
stop-after: 300ms
ports: {{a: {{{port}, queues: {queues}}}}}
pools: {{in: {{from: [a], workers: {workers}, stages: [sink]}}}}
"""
        with lab.namespaces("10.77.8.1/24") as (peer,):
            packet, interface = f'vdev: "net_af_packet0,iface={peer.outer},qpairs=3"', f"interface: {peer.outer}"
            for port, queues, workers, said in (
                    (packet, 3, 3, r"the kernel spreads its frames, .*; write `workers: 1`"),
                    (packet, 2, 1, r"has 3 receive queues, and not 2; write `queues: 3`"),
                    (interface, 2, 1, r"has 1 receive queue, and not 2; write `queues: 1`"),
                    (interface, 3, 3, r"pool `in` has 3 workers for 1 port, and a port is polled by one")):
                end = lab.run(text.format(port=port, queues=queues, workers=workers))
                self.assertEqual(end.code, 78, end)
                self.assertRegex(end.err, said)
            for port, queues in ((packet, 3), (interface, 1)):
                end = lab.run(text.format(port=port, queues=queues, workers=1))
                self.assertEqual((end.code, end.port("a")["queues"]), (0, queues), end)

    def test_a_frame_above_the_mtu_is_refused_and_counted(self):
        with lab.namespaces("10.77.3.1/24", "10.77.3.2/24") as (left, right):
            left.run("ip", "link", "set", "eth0", "mtu", "1900")
            lab.ip("link", "set", left.outer, "mtu", "1900")
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer)) as w:
                w.url()
                self.assertEqual(left.run("ping", "-c", "2", "-i", "0.2", "-W", "5", right.address).returncode, 0)
                self.assertNotEqual(
                    left.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1700", right.address).returncode,
                    0)
                end = w.stop()
        self.check_books(end)
        self.assertEqual(end["drops"]["above_mtu"], 3, end)


if __name__ == "__main__":
    unittest.main()
