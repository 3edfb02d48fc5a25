# SPDX-License-Identifier: BSD-3-Clause
"""What users do with a wire, through both kinds of port: a file fetched by HTTP is the same file, TCP in both directions,
IPv6 finds its neighbour, jumbo frames pass whole."""
import hashlib
import json
import os
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)
FILE_BYTES = 10**9 if lab.LONG else 10**8

BRIDGE = """
version: 1
ports:
  a: {{KIND {a}END}}
  b: {{KIND {b}END}}
pools:
  ingress: {{from: [a, b], stages: [validate]}}
  work: {{from: [ingress], shard-by: flow, on-full: block, stages: [meter, {{transmit: {{a: b, b: a}}}}]}}
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log; user root;
events {{}}
http {{ access_log off; sendfile on; server {{ listen {address}:80; root {folder}/www; }} }}
"""


class Transfer:
    begin = end = None

    def through(self, left, right):
        text = BRIDGE.replace("END", self.end)
        for port in "ab":
            text = text.replace(f"{port}: {{{{KIND ", f"{port}: {{{{" + self.begin.replace("N,", "0," if port == "a" else "1,"))
        return lab.weir(text.format(a=left.outer, b=right.outer))

    def check_books(self, end):
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)

    def listens(self, namespace, port):
        lab.wait_until(lambda: f":{port} " in namespace.run("ss", "-ltn").stdout, 30, f"somebody on port {port}")

    @lab.needs_program("nginx", "curl")
    def test_a_file_is_the_same_on_the_other_side(self):
        with lab.namespaces("10.79.0.1/24", "10.79.0.2/24") as (left, right), tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            os.mkdir(f"{folder}/www")
            want, got = hashlib.sha256(), hashlib.sha256()
            with open(f"{folder}/www/file", "wb") as file:
                for at in range(0, FILE_BYTES, 10**7):
                    part = os.urandom(min(10**7, FILE_BYTES - at))
                    want.update(part)
                    file.write(part)
            with open(f"{folder}/conf", "w", encoding="ascii") as file:
                file.write(NGINX.format(folder=folder, address=right.address))
            with self.through(left, right) as w:
                w.url()
                server = right.popen("nginx", "-p", folder, "-e", f"{folder}/log", "-c", f"{folder}/conf")
                self.listens(right, 80)
                client = left.popen("curl", "-s", "-S", "--fail", "--max-time", "900", f"http://{right.address}/file",
                                    stdout=subprocess.PIPE)
                n = 0
                with client.stdout:
                    while part := client.stdout.read(10**6):
                        got.update(part)
                        n += len(part)
                self.assertEqual((client.wait(60), n), (0, FILE_BYTES), w.err())
                server.terminate()
                server.wait(30)
                end = w.stop()
        self.assertEqual(got.hexdigest(), want.hexdigest())
        self.check_books(end)

    @lab.needs_program("iperf3")
    def test_tcp_both_ways(self):
        with lab.namespaces("10.79.1.1/24", "10.79.1.2/24") as (left, right), self.through(left, right) as w:
            w.url()
            for way in ([], ["-R"]):
                server = right.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL)
                self.listens(right, 5201)
                tcp = left.run("iperf3", "-J", "-c", right.address, "-t", "2", *way)
                self.assertEqual(tcp.returncode, 0, tcp.stdout)
                server.wait(30)
                received = json.loads(tcp.stdout)["end"]["sum_received"]
                self.assertGreater(received["bytes"], 10**6, tcp.stdout)
                print(f"note: {type(self).__name__}: TCP {' '.join(way) or 'there'} {received['bits_per_second'] / 1e9:.2f} Gbit/s")
            self.check_books(w.stop())

    def test_ipv6_finds_its_neighbour(self):
        with lab.namespaces("10.79.2.1/24", "10.79.2.2/24") as (left, right):
            for number, side in enumerate((left, right), 1):
                side.ip("-6", "addr", "add", f"fd00:79::{number}/64", "dev", "eth0", "nodad")
            with self.through(left, right) as w:
                w.url()
                ping = left.run("ping", "-6", "-c", "5", "-i", "0.2", "-W", "5", "fd00:79::2")
                self.assertEqual(ping.returncode, 0, ping.stdout)
                self.assertIn(" 0% packet loss", ping.stdout)
                self.check_books(w.stop())


@lab.needs_netns
@lab.needs_program("ip", "ss", "ethtool", "ping", "nsenter")
class AfXdp(Transfer, unittest.TestCase):
    begin, end = "interface: ", ""

    def test_a_jumbo_ping_passes_whole_by_af_packet(self):
        with lab.namespaces("10.79.3.1/24", "10.79.3.2/24") as (left, right):
            for side in (left, right):
                lab.ip("link", "set", side.outer, "mtu", "9000")
                side.ip("link", "set", "eth0", "mtu", "9000")
            with self.through(left, right) as w:
                w.wait_for("port a: AF_PACKET instead of AF_XDP")
                w.url()
                ping = left.run("ping", "-c", "5", "-i", "0.2", "-W", "5", "-M", "do", "-s", "8972", right.address)
                self.assertEqual(ping.returncode, 0, ping.stdout)
                self.assertIn(" 0% packet loss", ping.stdout)
                end = w.stop()
        self.check_books(end)
        self.assertEqual(end["dropped"], 0, end)


@lab.needs_netns
@lab.needs_program("ip", "ss", "ethtool", "ping", "nsenter")
class AfPacket(Transfer, unittest.TestCase):
    begin, end = 'vdev: "net_af_packetN,iface=', '"'


if __name__ == "__main__":
    unittest.main()
