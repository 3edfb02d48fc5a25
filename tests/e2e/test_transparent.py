# SPDX-License-Identifier: BSD-3-Clause
"""What goes in on one side comes out on the other, bit by bit, whatever it is."""
import os
import struct
import tempfile
import time
import unittest

import lab

VARIANTS = ("release", "asan")

BRIDGE = """
version: 1
memory: normal
ports:
  a: {{{kind} {a}{end}}}
  b: {{{kind2} {b}{end}}}
pools:
  ingress:
    from: [a, b]
    stages: [validate]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages: [meter, {{transmit: {{a: b, b: a}}}}]
"""
US = bytes.fromhex("02000000000a")
THEM = bytes.fromhex("02000000000b")
ALL = b"\xff" * 6


def frame(to, kind, payload):
    return to + US + struct.pack("!H", kind) + payload


def ip4(protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, bytes([10, 79, 0, 1]), bytes([10, 79, 0, 9]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + head[12:] + payload


def udp(port, payload):
    return struct.pack("!HHHH", 49152, port, 8 + len(payload), 0) + payload


IPV6 = struct.pack("!IHBB", 6 << 28, 32, 58, 255) + bytes.fromhex("fe80" + "00" * 13 + "01") + bytes.fromhex("ff02" + "00" * 13 + "02")
SOLICIT = IPV6 + bytes([135, 0, 0, 0]) + b"\0" * 4 + bytes.fromhex("fe80" + "00" * 13 + "02") + bytes([1, 1]) + US

FRAMES = {
    "arp": frame(ALL, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + US + bytes([10, 79, 0, 1]) + b"\0" * 6 + bytes([10, 79, 0, 9])),
    "neighbour solicitation": frame(bytes.fromhex("333300000002"), 0x86dd, SOLICIT),
    "lldp": frame(bytes.fromhex("0180c200000e"), 0x88cc, bytes([2, 7, 4]) + US + bytes([4, 3, 7, 49, 50, 6, 2, 0, 120, 0, 0]) + b"\0" * 30),
    "lacp": frame(bytes.fromhex("0180c2000002"), 0x8809, bytes([1, 1, 1, 20]) + b"\1" * 106),
    "bpdu": bytes.fromhex("0180c2000000") + US + struct.pack("!H", 38) + bytes([0x42, 0x42, 3]) + b"\0" * 43,
    "bfd": frame(THEM, 0x0800, ip4(17, udp(3784, bytes([0x20, 0x40, 3, 24]) + b"\0" * 20))),
    "bgp": frame(THEM, 0x0800, ip4(6, struct.pack("!HHIIBBHHH", 49153, 179, 1, 0, 0x50, 2, 1024, 0, 0))),
    "pppoe discovery": frame(ALL, 0x8863, bytes([0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]) + b"\0" * 36),
    "pppoe session": frame(THEM, 0x8864, bytes([0x11, 0, 0, 1, 0, 30, 0, 0x21]) + ip4(17, udp(53, b"")) + b"\0" * 20),
    "mpls": frame(THEM, 0x8847, struct.pack("!I", 100 << 12 | 1 << 8 | 64) + ip4(17, udp(53, b"hello"))),
    "vlan": frame(THEM, 0x8100, struct.pack("!HH", 5, 0x0800) + ip4(17, udp(53, b"tagged")) + b"\0" * 20),
    "vlan, priority": frame(THEM, 0x8100, struct.pack("!HH", 0xe000, 0x0800) + ip4(17, udp(53, b"tagged")) + b"\0" * 20),
    "odd type": frame(THEM, 0x88b5, b"weir" * 12),
    "odd type, last": frame(THEM, 0xffff, b"weir" * 12),
    "802.3 length": THEM + US + struct.pack("!H", 48) + b"\xaa\xaa\x03\0\0\0\x08\0" + b"x" * 40,
    "runt, no payload": frame(THEM, 0x88b5, b""),
    "runt, one byte": frame(THEM, 0x88b5, b"1"),
    "full": frame(THEM, 0x0800, ip4(17, udp(9, b"f" * 1472))),
    "full, tagged": frame(THEM, 0x8100, struct.pack("!HH", 7, 0x0800) + ip4(17, udp(9, b"f" * 1472))),
    "padded": frame(THEM, 0x0800, ip4(17, udp(9, b"")) + b"padding not zero!!"),
}
ONLY_AF_XDP = {  # AF_PACKET's driver cannot: docs/wire.md
    "fragment": frame(THEM, 0x0800, ip4(17, b"later" * 8)[:6] + b"\x20\x02" + ip4(17, b"later" * 8)[8:]),
    "qinq": frame(THEM, 0x88a8, struct.pack("!HHHH", 100, 0x8100, 7, 0x0800) + ip4(17, udp(53, b"twice")) + b"\0" * 20),
}


def read_capture(name):
    """Frames of a pcap as tcpdump writes it."""
    with open(name, "rb") as file:
        data = file.read()
    at, frames = 24, []
    while at + 16 <= len(data):
        length = struct.unpack("<I", data[at + 8:at + 12])[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


@lab.needs_netns
@lab.needs_program("ip", "tcpdump", "nsenter")
class Transparent(unittest.TestCase):
    def send(self, namespace, frames):
        text = "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('eth0', 0))\n" \
               "for line in sys.argv[1:]: s.send(bytes.fromhex(line))\n"
        done = namespace.run("python3", "-c", text, *[f.hex() for f in frames])
        self.assertEqual(done.returncode, 0, done.stdout)

    def through(self, kind, frames, mtu=1500):
        with lab.namespaces("10.79.0.1/24", "10.79.0.2/24") as (left, right), tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
            for namespace in (left, right):
                lab.ip("link", "set", namespace.outer, "mtu", str(mtu))
                namespace.ip("link", "set", "eth0", "mtu", str(mtu))
            af_packet = kind == "AF_PACKET"
            text = BRIDGE.format(a=left.outer, b=right.outer, kind='vdev: "net_af_packet0,iface=' if af_packet else "interface:",
                                 kind2='vdev: "net_af_packet1,iface=' if af_packet else "interface:", end='"' if af_packet else "")
            text = text.replace("iface= ", "iface=")
            with lab.weir(text) as w:
                w.url()
                seen = right.popen("tcpdump", "-i", "eth0", "-Q", "in", "-U", "-s", "0", "-w", capture.name, "ether", "src",
                                   "02:00:00:00:00:0a", stderr=-1, text=True)
                self.assertIn("listening", "".join(seen.stderr.readline() for _ in range(1)))
                self.send(left, frames)
                limit = time.monotonic() + 60
                while len(read_capture(capture.name)) < len(frames) and time.monotonic() < limit:
                    time.sleep(0.1)
                seen.terminate()
                seen.communicate(timeout=60)
                end = w.stop()
            got = read_capture(capture.name)
        self.assertEqual((end.code, end["lost"], end["leaked"], end["dropped"]), (0, 0, 0, 0), end)
        return got, end

    def check(self, kind, named, mtu=1500):
        got, end = self.through(kind, list(named.values()), mtu)
        missing = [name for name, f in named.items() if f not in got]
        self.assertEqual(missing, [], f"{kind}: not as they were sent; came: {[f.hex() for f in got if f not in named.values()]}")
        self.assertEqual(got, list(named.values()), "in order, and nothing else")
        return end

    def test_af_packet(self):
        self.check("AF_PACKET", FRAMES)

    def test_af_xdp(self):
        end = self.check("AF_XDP", {**FRAMES, **ONLY_AF_XDP})
        self.assertNotIn("AF_PACKET", end.err)

    def test_jumbo_frames(self):
        jumbo = {"jumbo": frame(THEM, 0x0800, ip4(17, udp(9, b"j" * 8972))), "jumbo, tagged":
                 frame(THEM, 0x8100, struct.pack("!HH", 7, 0x0800) + ip4(17, udp(9, os.urandom(8972)))), "small": FRAMES["arp"]}
        end = self.check("interface", jumbo, mtu=9000)
        self.assertIn("AF_PACKET instead of AF_XDP", end.err)


if __name__ == "__main__":
    unittest.main()
