# SPDX-License-Identifier: BSD-3-Clause
"""Cables pulled, interfaces and namespaces deleted and made again, a device that is not there yet, links that follow
each other, kill -9: the port's state shows, everybody else goes on, it recovers without a restart, the books balance."""
import json
import os
import re
import time
import unittest

import lab

VARIANTS = ("release", "asan")
KILLS = 100 if lab.LONG else 8 if lab.VARIANT == "release" else 3

BRIDGE = """
version: 1
memory: normal  # whoever reserves hugepages meanwhile is not our business
ports:
  a: {{KIND {a}EXTRA_A}}
  b: {{KIND {b}EXTRA_B}}
  gen: {{generator: {{flows: 100, rate: 10kpps}}}}
pools:
  ingress:
    from: [a, b]
    stages: [validate]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages: [meter, {{transmit: {{a: b, b: a}}}}]
  other: {{from: [gen], stages: [validate, {{sink: {{check: order}}}}]}}
"""
KINDS = {"AF_PACKET": ('vdev: "net_af_packet0,iface=', '"'), "AF_XDP": ("interface: ", "")}


def bridge(kind, left, right, follow=False):
    begin, end = KINDS[kind]
    text = BRIDGE.format(a=left.outer, b=right.outer)
    for port, other, number in (("a", "b", 0), ("b", "a", 1)):
        extra = end + (f", link-follows: {other}" if follow else "")
        text = text.replace(f"EXTRA_{port.upper()}", extra)
        text = re.sub(rf"  {port}: {{KIND ", f"  {port}: {{" + begin.replace("packet0", f"packet{number}"), text)
    return text


def up(port):
    return f'weir_port_up{{port="{port}",kind='


class Link:
    """All of it for one kind of port."""

    kind = None

    def is_up(self, metrics, port):
        return next(value for name, value in metrics.items() if name.startswith(up(port)))

    @staticmethod
    def sent(metrics, port):
        return next(v for k, v in metrics.items() if k.startswith(f'weir_port_sent_packets_total{{port="{port}"'))

    @staticmethod
    def dropped_closed(metrics):
        return sum(v for k, v in metrics.items() if 'reason="port_closed"' in k)

    def await_state(self, w, port, value):
        start = time.monotonic()
        w.wait_for_metrics(lambda m: self.is_up(m, port) == value)
        return time.monotonic() - start

    def passes(self, w, left, right):
        start = time.monotonic()
        lab.wait_until(lambda: left.run("ping", "-c", "1", "-W", "1", right.address).returncode == 0, 60,
                       lambda: f"ping; {w.err()}\n{w.metrics()}")
        return time.monotonic() - start

    def others_go_on(self, w):
        def made(m):
            return sum(v for k, v in m.items() if k.startswith("weir_port_received_packets_total") and "gen" in k)
        before = made(w.metrics())
        w.wait_for_metrics(lambda m: made(m) > before + 100)

    def balanced(self, end):
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)

    def pair(self):
        return lab.namespaces("10.78.0.1/24", "10.78.0.2/24")

    def test_a_cable_pulled_shows_and_comes_back(self):
        with self.pair() as (left, right):
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.passes(w, left, right)
                right.ip("link", "set", "eth0", "down")
                down_s = self.await_state(w, "b", 0)
                self.assertEqual(self.is_up(w.metrics(), "a"), 1)
                self.others_go_on(w)
                before = w.metrics()
                self.assertNotEqual(left.run("ping", "-c", "5", "-i", "0.2", "-W", "1", right.address).returncode, 0)
                after = w.wait_for_metrics(lambda m: self.dropped_closed(m) >= self.dropped_closed(before) + 1)
                self.assertEqual(self.sent(after, "b"), self.sent(before, "b"), "sent to who has no carrier")
                right.ip("link", "set", "eth0", "up")
                self.await_state(w, "b", 1)
                up_s = self.passes(w, left, right)
                self.assertGreater(self.sent(w.metrics(), "b"), self.sent(after, "b"))
                end = w.stop()
            self.balanced(end)
            self.assertIn("port b: link down", end.err)
            self.assertIn("port b: link up after", end.err)
            print(f"note: {self.kind}: link down shown after {down_s:.2f} s, passing {up_s:.2f} s after link up")

    def test_an_interface_deleted_and_made_again(self):
        with self.pair() as (left, right):
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.passes(w, left, right)
                for _ in range(2):
                    right.unplug()
                    gone_s = self.await_state(w, "b", 0)
                    self.others_go_on(w)
                    left.run("ping", "-c", "2", "-i", "0.2", "-W", "1", right.address)  # into nothing, counted
                    right.plug()
                    back_s = self.passes(w, left, right)
                    self.await_state(w, "b", 1)
                end = w.stop()
            self.balanced(end)
            self.assertEqual((end.port("b")["reopened"], end.port("a")["reopened"], end.port("b")["condition"]), (2, 0, "up"), end)
            self.assertIn(f"port b: {right.outer} is gone", end.err)
            print(f"note: {self.kind}: gone shown after {gone_s:.2f} s, passing {back_s:.2f} s after it was made again")

    def test_a_namespace_deleted_and_made_again(self):
        with self.pair() as (left, right):
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.passes(w, left, right)
                right.close()
                self.await_state(w, "b", 0)
                right.open()
                self.passes(w, left, right)
                self.balanced(w.stop())

    def test_a_device_that_is_not_there_at_start(self):
        with self.pair() as (left, right):
            right.unplug()
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.assertEqual((self.is_up(w.metrics(), "a"), self.is_up(w.metrics(), "b")), (1, 0))
                self.others_go_on(w)
                self.assertIn(f"there is no interface {right.outer}", w.err())
                right.plug()
                self.passes(w, left, right)
                self.balanced(w.stop())

    def test_nothing_at_all_is_there_and_it_still_stops(self):
        with self.pair() as (left, right):
            left.unplug()
            right.unplug()
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.others_go_on(w)
                end = w.stop()
            self.balanced(end)
            self.assertEqual((end.port("a")["condition"], end.port("b")["condition"]), ("gone", "gone"))
            left.plug()
            right.plug()

    def test_links_follow_each_other(self):
        def carrier(namespace):
            return "LOWER_UP" in json.loads(namespace.run("ip", "-j", "link", "show", "eth0").stdout)[0]["flags"]

        with self.pair() as (left, right):
            with lab.weir(bridge(self.kind, left, right, follow=True)) as w:
                w.url()
                self.passes(w, left, right)
                for near, far in ((left, right), (right, left)):
                    far.ip("link", "set", "eth0", "down")
                    start = time.monotonic()
                    lab.wait_until(lambda n=near: not carrier(n), 60, "the other side's carrier to go")
                    gone_s = time.monotonic() - start
                    far.ip("link", "set", "eth0", "up")
                    lab.wait_until(lambda n=near: carrier(n), 60, "the other side's carrier to come")
                    for port in "ab":
                        self.await_state(w, port, 1)
                    self.passes(w, left, right)
                right.unplug()
                lab.wait_until(lambda: not carrier(left), 60, "the carrier to go with the interface")
                end = w.stop()
            self.balanced(end)
            lab.wait_until(lambda: carrier(left), 60, "a link that was held down to be given back")
            print(f"note: {self.kind}: link-follows after {gone_s:.2f} s")
            right.plug()

    def test_kill_9_and_restart(self):
        with self.pair() as (left, right):
            for _ in range(KILLS):
                with lab.weir(bridge(self.kind, left, right)) as w:
                    w.url()
                    self.passes(w, left, right)
                    os.kill(w.pid, 9)
            with lab.weir(bridge(self.kind, left, right)) as w:
                w.url()
                self.passes(w, left, right)
                self.balanced(w.stop())
            shown = lab.ip("link", "show", left.outer)
            self.assertNotIn("xdp", shown)


@lab.needs_netns
@lab.needs_program("ip", "ethtool", "ping", "nsenter")
class AfPacket(Link, unittest.TestCase):
    kind = "AF_PACKET"


@lab.needs_netns
@lab.needs_program("ip", "ethtool", "ping", "nsenter")
class AfXdp(Link, unittest.TestCase):
    kind = "AF_XDP"


if __name__ == "__main__":
    unittest.main()
