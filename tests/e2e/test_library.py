# SPDX-License-Identifier: BSD-3-Clause
"""rings/ is a library of its own: built without DPDK, installed, found by pkg-config, used from C and from C++."""
import os
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)

PROGRAM = """
#include <rings/counter.h>
#include <rings/doorbell.h>
#include <rings/ring.h>
#include <rings/word.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    void *memory = aligned_alloc(WEIR_APART, weir_ring_bytes(8, sizeof(int)));
    struct weir_ring *ring = weir_ring_init(memory, 8, sizeof(int), 0);
    struct weir_doorbell bell;
    weir_doorbell_init(&bell);
    int items[] = {1, 2, 3}, got[8];
    unsigned pushed = weir_ring_push(&ring->producer, items, 3);
    weir_ring_close(&ring->producer);
    weir_doorbell_ring(&bell);
    unsigned popped = weir_ring_pop(&ring->consumer, got, 8);
    printf("%u %u %d %d\\n", pushed, popped, got[2], weir_ring_ended(&ring->consumer));
    free(memory);
    return 0;
}
"""


class Library(unittest.TestCase):
    def run_in(self, folder, *command, **environment):
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=120, env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    @lab.needs_program("meson", "ninja", "pkg-config", "gcc", "g++")
    def test_a_program_in_c_and_in_cpp(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix = os.path.join(folder, "there")
            # No pkg-config file but ours can be found: DPDK is not needed.
            self.run_in(folder, "meson", "setup", "-Dparts=rings", "-Dtests=false", f"--prefix={prefix}", "--libdir=lib",
                        "build", lab.ROOT, PKG_CONFIG_LIBDIR="/nonexistent")
            self.run_in(folder, "ninja", "-C", "build", "install")
            flags = self.run_in(folder, "pkg-config", "--cflags", "--libs", "weir-rings",
                                PKG_CONFIG_PATH=os.path.join(prefix, "lib", "pkgconfig")).split()
            for compiler, name in (("gcc", "program.c"), ("g++", "program.cc")):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(PROGRAM)
                self.run_in(folder, compiler, "-Wall", "-Wextra", "-Werror", "-O2", name, "-o", "program", *flags)
                self.assertEqual(self.run_in(folder, "./program"), "3 3 3 1\n", name)


if __name__ == "__main__":
    unittest.main()
