# SPDX-License-Identifier: BSD-3-Clause
"""How many branches of the parser its own test takes, by gcov."""
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)
LEAST_PERCENT = 95


class Coverage(unittest.TestCase):
    @lab.needs_program("gcc", "g++", "gcov", "pkg-config")
    def test_the_parser(self):
        with tempfile.TemporaryDirectory(prefix="weir-coverage-") as folder:
            def run(*command):
                done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:])
                return done.stdout

            dpdk = shlex.split(run("pkg-config", "--cflags", "libdpdk"))
            flags = ["-O0", "-D_GNU_SOURCE", f"-I{lab.ROOT}", *dpdk, "-march=native"]
            run("gcc", "--coverage", "-std=gnu11", *flags, "-c", os.path.join(lab.ROOT, "dataplane", "parse.c"), "-o", "parse.o")
            run("g++", "-std=gnu++17", *flags, "-c", os.path.join(lab.ROOT, "tests", "dataplane", "parse_test.cc"), "-o", "test.o")
            run("g++", "--coverage", "parse.o", "test.o", "-lgtest_main", "-lgtest", "-lpthread", "-o", "test")
            run("./test")
            said = run("gcov", "--branch-probabilities", "parse.o")
        taken = re.search(r"parse\.c'\n.*\n.*\nTaken at least once:([\d.]+)% of (\d+)", said)
        self.assertIsNotNone(taken, said)
        print(f"note: dataplane/parse.c: {taken[1]} % of {taken[2]} branches taken")
        self.assertGreaterEqual(float(taken[1]), LEAST_PERCENT)


if __name__ == "__main__":
    unittest.main()
