# SPDX-License-Identifier: BSD-3-Clause
"""`memory: shared`: DPDK's own programs attach to a running weir, and nothing stays behind."""
import glob
import os
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)
NR = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
FREE = NR.replace("nr_", "free_")
PAGES = 128

TEXT = """
version: 1
name: weir-e2e-shared
memory: shared
ports:
  a: {vdev: "net_null0,size=64"}
pools:
  all:
    from: [a]
    stages: [validate, {burn: {cycles: 20000}}, sink]
"""
# A mount of hugetlbfs that nobody else sees.
PRIVATE = ("unshare", "--mount", "sh", "-c", 'mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages && exec "$@"', "sh")


def number(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


@lab.needs_root
@lab.needs_program("unshare", "nsenter", "dpdk-proc-info", "dpdk-dumpcap", "tcpdump")
class Shared(unittest.TestCase):
    def setUp(self):
        alone = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
        if alone.returncode != 0:
            self.skipTest(f"needs a root that is a mount: {alone.stderr.strip()}")
        there = os.path.isdir("/dev/hugepages")
        before, free = number(NR), number(FREE)
        if free < PAGES:
            with open(NR, "w", encoding="ascii") as file:
                file.write(str(before + PAGES - free))
        self.addCleanup(lambda: subprocess.run(["sh", "-c", f"echo {before} > {NR}"], check=True))
        if not there:
            self.addCleanup(lambda: os.path.isdir("/dev/hugepages") and os.rmdir("/dev/hugepages"))
        if number(FREE) < PAGES:
            self.skipTest(f"needs {PAGES} free hugepages")

    def attach(self, w, program, *words):
        return lab.call("timeout", "-s", "INT", "60", "nsenter", "-t", str(w.pid), "-m", "-r", program, "--file-prefix=weir-e2e-shared", *words)

    def test_they_attach_and_nothing_stays_behind(self):
        free = number(FREE)
        with tempfile.TemporaryDirectory() as folder, lab.weir(TEXT, prefix=PRIVATE) as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > 1000)
            self.assertLess(number(FREE), free)
            said = self.attach(w, "dpdk-proc-info", "--", "--stats").stdout
            self.assertRegex(said, r"RX-packets: [1-9]\d{3}")
            capture = os.path.join(folder, "dump.pcapng")
            done = self.attach(w, "dpdk-dumpcap", "-i", "net_null0", "-c", "50", "-w", capture)
            self.assertEqual(done.returncode, 0, done)
            lines = lab.call("tcpdump", "-nr", capture).stdout.splitlines()
            self.assertGreaterEqual(len(lines), 50)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        self.assertEqual(number(FREE), free, "pages stay behind")
        self.assertEqual(glob.glob("/var/run/dpdk/weir-e2e-shared/*"), [])

    def test_without_the_mount_the_remedy_is_named(self):
        bare = ("unshare", "--mount", "sh", "-c", 'umount -a -t hugetlbfs; exec "$@"', "sh")
        end = lab.run(TEXT, prefix=bare)
        self.assertEqual(end.code, 71, end)
        self.assertIn("needs a mount of hugetlbfs", end.err)


if __name__ == "__main__":
    unittest.main()
