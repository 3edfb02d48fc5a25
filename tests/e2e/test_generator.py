# SPDX-License-Identifier: BSD-3-Clause
"""The generator: the same frames for a seed on any run and by any number of workers, what tshark says of each kind, and the
rate that was asked for."""
import collections
import hashlib
import json
import os
import re
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)  # what the sanitizers could find is found by the unit tests of the same code

LAB = """
version: 1
listen: "off"
control: "off"
seed: 7
ports:
  gen:
    queues: {queues}
    generator: {generator}
  out: {{vdev: "net_pcap0{files}"}}
"""
MIX = ("{{flows: 5000, skew: 1.1, size: {{60-200: 7, 590: 1}}, versions: {{ipv4: 9, ipv6: 1}}, protocols: {{udp: 7, tcp: 2, icmp: 1}},"
       " vlans: {{none: 3, 100: 1}}, service-vlans: {{none: 7, 200-210: 1}}, to-ports: {{53: 3, 443: 5}},"
       " malformed: {{valid: 97, any: 3}}, count: {count}}}")
PLAIN = "{{flows: 64k, count: {count}}}"
SINK = """
version: 1
listen: "off"
control: "off"
ports: {{gen: {{queues: {queues}, generator: {generator}}}}}
pools: {{all: {{from: [gen], workers: {queues}, stages: [validate, sink: {{check: order}}]}}}}
"""
STAMP = b"\x31\x57"

# What tshark says: protocols, then its complaints and fields. It takes what is only beyond weir's limits, and pieces that
# nobody could put together, as they come.
SAID = {
    "frame_short": r"^eth\|.*Malformed Packet: Ethernet",
    "vlan_header_short": r":vlan\|.*Malformed Packet: VLAN",
    "vlan_too_deep": r"^eth(:ethertype:vlan){5}:",
    "mpls_header_short": r":mpls\|.*Malformed Packet: MPLS",
    "mpls_too_deep": r":mpls\|.*Malformed Packet: MPLS",
    "pppoe_header_short": r":pppoes\|.*Malformed Packet: PPPoES",
    "pppoe_version": r":pppoes.*pppoe.version=2",
    "pppoe_length_short": r":pppoes:ppp\|.*Malformed Packet: PPP\b",
    "pppoe_length_beyond_frame": r":pppoes.*pppoe.payload_length=65535",
    "arp_header_short": r":arp\|.*Malformed Packet: ARP",
    "arp_address_length": r":arp\|.*arp.hw.size=5",
    "arp_addresses_beyond_frame": r":arp\|.*Malformed Packet: ARP",
    "ip_version": r":ip\|.*Bogus IPv4 version",
    "ipv4_header_short": r":ip\|.*Malformed Packet: IPv4",
    "ihl_short": r":ip\|.*Bogus IP header length \(16",
    "ihl_beyond_frame": r":ip\|.*Bogus IP length",
    "total_length_short": r":ip\|.*Bogus IP length",
    "total_length_beyond_frame": r":ip:.*total length exceeds packet length",
    "ipv4_options_lie": r":ip:.*option goes past end of options",
    "ipv6_header_short": r":ipv6\|.*Malformed Packet: IPv6",
    "payload_length_beyond_frame": r":ipv6:.*payload length exceeds framing length",
    "ext_header_short": r":ipv6.dstopts\|.*Malformed Packet: IPv6 Destination",
    "ext_chain_too_long": r":ipv6(:ipv6.dstopts){9}",
    "ext_hop_by_hop_late": r":ipv6.dstopts:ipv6.hopopts.*must appear immediately after",
    "ext_options_lie": r":ipv6.dstopts\|.*Malformed Packet: IPv6 Destination",
    "fragment_empty": r":ip.*ip.len=20 ip.flags.mf=1 ip.frag_offset=0",
    "fragment_unaligned": r":ip.*ip.len=33 ip.flags.mf=1 ip.frag_offset=0",
    "fragment_beyond_64k": r":ip.*ip.len=46 ip.flags.mf=0 ip.frag_offset=8191",
    "ah_header_short": r":ip:ah\|.*Malformed Packet: AH",
    "ah_length_lies": r":ip:ah.*ah.length=0",
    "esp_header_short": r":ip:esp\|.*Malformed Packet: ESP",
    "tcp_header_short": r":ip:tcp\|.*Malformed Packet: TCP",
    "doff_lies": r":ip:tcp\|.*Bogus TCP header length \(16",
    "udp_header_short": r":ip:udp\|.*Malformed Packet: UDP",
    "udp_length_short": r":ip:udp\|.*Bad length value 4",
    "udp_length_beyond_packet": r":ip:udp.*Bad length value 65535",
    "sctp_header_short": r":ip:sctp\|.*Malformed Packet: SCTP",
    "icmp_header_short": r":ip:icmp\|.*Malformed Packet: ICMP",
    "icmp6_header_short": r":ipv6:icmpv6\|.*Malformed Packet: ICMPv6",
    "igmp_header_short": r":ip:igmp.*Malformed Packet: IGMP",
    "gre_header_short": r":ip:gre\|.*Malformed Packet: GRE",
    "ip_checksum_bad": r":ip:udp:data\|.*ip.checksum.status=0.*udp.checksum.status=1",
    "l4_checksum_bad": r":ip:udp:data\|.*ip.checksum.status=1.*udp.checksum.status=0",
}
FIELDS = ("_ws.expert.message", "_ws.malformed", "pppoe.version", "pppoe.payload_length", "arp.hw.size", "ip.len", "ip.flags.mf",
          "ip.frag_offset", "ah.length", "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status",
          "icmp.checksum.status", "icmpv6.checksum.status", "vlan.id", "ieee8021ad.id", "udp.dstport", "tcp.dstport")


def told(file):
    """Of each frame its protocols, and what tshark found, `field=value` each."""
    out = subprocess.run(
        ["tshark", "-n", "-r", file, "-T", "json", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o",
         "tcp.check_checksum:TRUE", "-d", "udp.port==1-65535,data", "-d", "tcp.port==1-65535,data",  # no guesses by ports
         "-e", "frame.protocols", *(w for f in FIELDS for w in ("-e", f))],
        capture_output=True, text=True, check=True).stdout
    lines = []
    for packet in json.loads(out):
        layers = packet["_source"]["layers"]
        found = " ".join(f"{f}={v}" for f in FIELDS for v in layers.get(f, ()))
        lines.append(layers["frame.protocols"][0] + "|" + found)
    return lines


def digest(*files):
    """How many frames; of all in any order, of those of each flow in theirs, and of a file in its own."""
    frames = n = 0
    last, whole = collections.defaultdict(int), hashlib.sha256()
    for file in files:
        with open(file, "rb") as capture:
            raw = capture.read()
        at = 24
        while at < len(raw):
            length = int.from_bytes(raw[at + 8:at + 12], "little")
            frame = raw[at + 16:at + 16 + length]
            at += 16 + length
            n += 1
            frames += hash(frame)
            whole.update(frame)
            if frame[-16:-14] == STAMP:
                flow = frame[-12:-8]
                last[flow] = hash((last[flow], frame))
    flows = sum(hash(item) for item in last.items())
    return n, frames, flows, whole.hexdigest()


class Generator(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-generator-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "out.pcap")

    def generate(self, generator, *options, queues=1):
        """By the verb, which needs no pools."""
        files = "".join(f",tx_pcap={file}" for file in self.files(queues))
        text = LAB.format(generator=generator, queues=queues, files=files)
        done = subprocess.run([lab.WEIR, "generate", "--json", *options, self.write(text)],
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def files(self, queues):
        return [self.file] + [f"{self.file}.{i}" for i in range(1, queues)]

    def write(self, text):
        path = self.file + ".yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_the_frames_of_a_seed_are_the_same_by_any_number_of_workers(self):
        first, count = None, 10**6 if lab.LONG else 3 * 10**5
        for queues in (1, 2, 3):
            end = self.generate(MIX.format(count=count), queues=queues)
            made = digest(*self.files(queues))
            self.assertEqual(made[0], count)
            self.assertEqual(end["ports"][0]["queues"], queues)
            first = first or made
            self.assertEqual(made[:3], first[:3], f"{queues} workers")
        # And to the byte, of one worker.
        for generator in (MIX, PLAIN):
            files = set()
            for seed in (7, 7, 8):
                self.generate(generator.format(count=50000), "--set", f"seed={seed}")
                files.add(digest(self.file)[3])
            self.assertEqual(len(files), 2, "the seed decides, and nothing else")

    @lab.needs_program("tshark")
    def test_tshark_finds_every_checksum_right_and_each_kind_in_its_share(self):
        n = 6000
        self.generate(MIX.format(count=n), "--set", "ports.gen.generator.malformed=valid", "--set", "ports.gen.generator.skew=0")
        lines = told(self.file)
        self.assertEqual(len(lines), n)
        for line in lines:
            self.assertNotIn("checksum.status=0", line)
            self.assertNotIn("_ws.malformed", line)
            self.assertRegex(line, r"checksum.status=1")
        share = {
            "ipv6": r"ethertype:ipv6:", "udp": r":udp:", "tcp": r":tcp:", "icmp": r":icmp(v6)?:", "tag": r"vlan.id=100",
            "service tag": r"ieee8021ad.id=20[0-9]|vlan.id=2(0[0-9]|10)|ieee8021ad.id=210", "dns": r"dstport=53", "https": r"dstport=443"}
        expected = {"ipv6": .1, "udp": .7, "tcp": .2, "icmp": .1, "tag": .25, "service tag": .125, "dns": .9 * 3 / 8, "https": .9 * 5 / 8}
        for kind, pattern in share.items():
            found = sum(re.search(pattern, line) is not None for line in lines) / n
            self.assertAlmostEqual(found, expected[kind], delta=0.03, msg=kind)

    @lab.needs_program("tshark")
    def test_tshark_agrees_with_the_name_of_each_kind_of_malformed(self):
        names = list(SAID)
        ports = "".join(f"  g{i}: {{generator: {{flows: 10, count: 5, malformed: {name}}}}}\n" for i, name in enumerate(names))
        text = (f'version: 1\nlisten: "off"\nports:\n{ports}  out: {{vdev: "net_pcap0,tx_pcap={self.file}"}}\n'
                f"pools:\n  all: {{from: [{', '.join(f'g{i}' for i in range(len(names)))}], stages: [{{transmit: "
                f"{{{', '.join(f'g{i}: out' for i in range(len(names)))}}}}}]}}\n")
        end = lab.run(text)
        self.assertEqual((end.code, end["sent"]), (0, 5 * len(names)), end)
        lines, frames = told(self.file), lab.read_capture(self.file)
        self.assertEqual(len(lines), len(frames))
        for line, frame in zip(lines, frames):
            name = names[(frame if isinstance(frame, bytes) else frame[-1])[4]]  # the port, in the address that it sends to
            self.assertRegex(line, SAID[name], name)
        listed = subprocess.run([lab.WEIR, "check", "--schema"], capture_output=True, text=True, check=True).stdout
        for name in names:
            self.assertIn(f'"{name}"', listed)

    def test_what_is_malformed_is_dropped_for_its_reason_and_the_rest_stays_in_order(self):
        generator = "{flows: 1000, churn: 50k, rate: 400kpps, protocols: {udp: 1, tcp: 1}, malformed: {valid: 9, doff_lies: 1}, count: 200k}"
        for queues in (1, 2):
            end = lab.run(SINK.format(generator=generator, queues=queues))
            self.assertEqual(end.code, 0, end)
            self.assertEqual(end["accepted"], 200000, end)
            self.assertAlmostEqual(end.stage("validate")["drops"]["doff_lies"] / 200000, 0.1, delta=0.01)
            self.assertEqual(end["checker"]["checked"], end["accepted"] - end["dropped"], end)
            self.assertEqual([end["checker"][k] for k in ("unstamped", "missing", "reordered", "duplicated")], [0, 0, 0, 0], end)

    def test_half_of_the_most_is_achieved_to_half_a_percent(self):
        first = ("nice", "-n", "-20") if os.geteuid() == 0 else ()  # others want this machine, too

        def text(rate):
            return SINK.format(queues=1, generator=f"{{flows: 64k, rate: {rate}, queue: 1M}}")  # who loses his CPU catches up

        def looked(w, after):
            metrics = w.wait_for_metrics(lambda m: m.get("weir_running_seconds", 0) > after)
            return metrics["weir_running_seconds"], metrics['weir_port_received_packets_total{port="gen",kind="generator"}']

        tries = []
        for _ in range(12):
            end = lab.run(text("max"), "--set", "stop-after=1s", prefix=first)
            half = int(end.port("gen")["received"] / end["running_seconds"] / 2)
            with lab.weir(text(f"{half}pps"), "--set", "listen=127.0.0.1:0", prefix=first) as w:
                (begin_s, begin), (end_s, received) = looked(w, 0.5), looked(w, 3)
                end = w.stop()
            port = end.port("gen")
            self.assertEqual(port["offered"], port["received"] + port["missed"], end)
            self.assertGreater(port["late_p99_ns"], 0)
            self.assertGreaterEqual(port["late_max_ns"], port["late_p50_ns"])
            tries.append((received - begin) / (end_s - begin_s) / half)
            if abs(tries[-1] - 1) < 0.005:
                print(f"note: achieved {100 * tries[-1]:.3f} % of half of the most, {half} packets a second", end=" ")
                return
        self.fail(f"achieved of offered: {tries}")

    def test_profiles_add_up(self):
        phases = ("timeline: [{for: 200ms, poisson: yes}, {for: 200ms, burst: 64}, {for: 100ms, on-off: {on: 10ms, off: 10ms}},"
                  " {for: 500ms, ramp: {to: 200kpps, for: 250ms}, spike: [{at: 400ms, for: 100ms, times: 0}]}]")
        text, due = SINK.format(queues=2, generator=f"{{flows: 100, rate: 100kpps, {phases}}}"), 20000 + 20000 + 5000 + 37500 + 30000
        end = lab.again_unless(lambda end: abs(end.port("gen")["offered"] - due) < 3000,  # it may be stopped late
                               lambda: lab.run(text, "--set", "stop-after=1s"))
        self.assertEqual(end.code, 0, end)
        self.assertAlmostEqual(end.port("gen")["offered"], due, delta=3000)

    def test_generate_says_what_is_wrong_with_its_file(self):
        for text, said in (("version: 1\nports: {a: {generator: {}}, b: {generator: {}}}\n", "needs `pools`"),
                           ("version: 1\nports: {a: {generator: {flos: 1}}}\n", "unknown key `flos`"),
                           ("version: 1\nports: {a: {generator: {rate: 1Mpps, ramp: {to: 1Gbps, for: 1s}}}}\n", "write both in packets")):
            done = subprocess.run([lab.WEIR, "generate", self.write(text)], capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
