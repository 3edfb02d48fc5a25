#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The laws of the tree: who may include whom, where atomics live, what every file carries.

    python3 tests/law.py            as unittest; scripts/test runs it first

Each check takes a path and its text and returns what is wrong, so that the second half of this file can plant
violations and see them caught.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# An arrow never turns back.
MAY_INCLUDE = {
    "rings": {"rings"},
    "dataplane": {"dataplane", "rings"},
    "config": {"config"},
    "workers": {"workers", "rings", "dataplane", "config"},
    "monitor": {"monitor", "workers", "rings", "dataplane", "config"},
    "cli": {"cli", "monitor", "workers", "rings", "dataplane", "config"},
    "tests": {"tests", "cli", "monitor", "workers", "rings", "dataplane", "config"},
}
PRODUCT = [folder for folder in MAY_INCLUDE if folder != "tests"]

# Library header -> the only places that may see it.
LIBRARIES = [
    (r"(rte_|ethdev_|bus_vdev)\w*\.h", r"(dataplane|workers|monitor|cli|tests)/", "DPDK"),
    (r"hwloc(/.*|\.h)", r"workers/topology\.c$", "hwloc"),
    (r"yaml\.h", r"config/", "libyaml"),
    (r"microhttpd\.h", r"monitor/", "libmicrohttpd"),
    (r"pcap(/.*|\.h)", r"(dataplane|tests)/", "libpcap"),
    (r"curl/.*\.h", r"cli/", "libcurl"),
    (r"jansson\.h", r"(monitor|cli|tests)/", "jansson"),
]

# Outside rings/. A test may be a C++ program with threads of its own, but spells no builtin either.
ATOMICS = re.compile(
    r"__atomic_\w+|__ATOMIC_\w+|__sync_\w+|__c11_atomic_\w+|\b_Atomic\b|\batomic_\w+\s*\(|\bmemory_order_\w+"
    r"|\brte_(?:smp_|io_|cio_)?[rw]?mb\b|\brte_atomic\w*|__atomic_thread_fence|_mm_[lsm]fence"
    r"|\b(?:__)?asm(?:__)?\s+(?:__)?volatile|std::atomic\w*|<stdatomic\.h>|<atomic>|rte_atomic\.h")
ATOMICS_OF_TESTS = re.compile(r"std::atomic\w*|<atomic>|memory_order_\w+")

# The words of rings/atomic.h: a protocol between two cores is a type of rings/, not a call somewhere else.
WORDS = re.compile(r"\bweir_(?:load|store|exchange)_(?:relaxed|acquire|release|acq_rel)\w*\s*\(")

# Where the simulator, which has one thread, gives these words a meaning of its own.
SEAM = "workers/virtual.h"

BUDGET_LINES = 23000  # docs/design/006-budget.md
C_FILES = (".c", ".h", ".cc")

# In pieces, or this file would break its own law.
FOREIGN = re.compile(
    "/" r"work/(?:main|shared)|/" r"root/|/" r"home/\w+|/" r"tmp/(?:build-|bash_)"
    r"|https?://(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|[\w.-]*\.(?:internal|local|lan|corp)\b"
    r"|[\w.-]*(?:registry|artifactory|nexus|proxy)[\w.-]*)")


# ---- the checks: (path, text) -> list of complaints ----

def without_comments(text, and_strings=False):
    """C with its comments, and perhaps strings, blanked; line numbers stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        piece = match.group()
        keep = piece[0] in "\"'" and not and_strings
        return piece if keep else re.sub(r"[^\n]", " ", piece)

    return re.sub(pattern, blank, text, flags=re.S)


def found(path, text, position, what):
    return f"{path}:{text.count(chr(10), 0, position) + 1}: {what}"


def check_arrows(path, text):
    folder = path.split("/")[0]
    if folder not in MAY_INCLUDE or not path.endswith(C_FILES):
        return []
    wrong, text = [], without_comments(text)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*<([^>/]*)/[^>]*>', text, re.M):
        if match.group(1) in MAY_INCLUDE:
            wrong.append(found(path, text, match.start(), "write our own headers in quotes"))
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*"([^"]*)"', text, re.M):
        target = match.group(1).split("/")[0]
        if "/" not in match.group(1):
            what = f'"{match.group(1)}": write includes from the root'
            wrong.append(found(path, text, match.start(), what))
        elif target not in MAY_INCLUDE[folder]:
            wrong.append(found(path, text, match.start(), f"{folder}/ may not include {target}/"))
    return wrong


def check_libraries(path, text):
    if path.split("/")[0] not in MAY_INCLUDE or not path.endswith(C_FILES):
        return []
    wrong, text = [], without_comments(text)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]*)[>"]', text, re.M):
        for header, where, name in LIBRARIES:
            if re.fullmatch(header, match.group(1)) and not re.match(where, path):
                wrong.append(found(path, text, match.start(), f"{name} is not for here"))
    return wrong


def check_atomics(path, text):
    folder = path.split("/")[0]
    if folder not in MAY_INCLUDE or not path.endswith(C_FILES) or path == "rings/atomic.h":
        return []
    text = without_comments(text, and_strings=True)
    where = "rings/atomic.h" if folder == "rings" else "rings/"
    return [found(path, text, match.start(), f"`{match.group()}`: atomics and fences belong in {where}")
            for pattern in ([ATOMICS] if folder in ("rings", "tests") or path == SEAM else [ATOMICS, WORDS])
            for match in pattern.finditer(text)
            if not (folder == "tests" and ATOMICS_OF_TESTS.fullmatch(match.group()))]


def is_source(path):
    return (path.endswith((*C_FILES, ".py", ".go", "meson.build", "meson_options.txt")) or
            path.startswith(("scripts/", ".ci/")))


def check_license(path, text):
    if not is_source(path):
        return []
    lines = text.split("\n")
    first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
    return [] if "SPDX-License-Identifier: BSD-3-Clause" in first else [f"{path}:1: no SPDX line"]


def check_foreign(path, text):
    return [found(path, text, match.start(), f"`{match.group()}` is of one machine or network")
            for match in FOREIGN.finditer(text)]


def literals(text):
    """(position, value) of each string of a C file, neighbours joined."""
    text = without_comments(text)
    for match in re.finditer(r'"(?:\\.|[^"\\\n])*"(?:\s*"(?:\\.|[^"\\\n])*")*', text):
        inner = re.sub(r'"\s*"', "", match.group()[1:-1])
        yield match.start(), inner.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def unsaid(path, text, said):
    """Sentences of config/ that no test expects, each cut at its printf conversions. What helps is no message."""
    if not re.fullmatch(r"config/(?!document|print)\w+\.c", path):
        return []
    text = re.sub(r'^\s*#\s*include.*|\.help\s*=\s*(?:"(?:\\.|[^"\\\n])*"\s*)+',
                  lambda match: re.sub(r"[^\n]", " ", match.group()), without_comments(text), flags=re.M)
    return [found(path, text, position, f"no row of tests/config/mistakes_test.cc expects `{piece.strip()}`")
            for position, literal in literals(text)
            for piece in re.split(r"%[-0-9.*]*(?:ll|l|z)?[a-zA-Z]", literal)
            if re.search(r"\w \w", piece) and piece.strip() not in said]


# ---- the tree ----

def tree(root):
    """(path, text) of each text file that is not built."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".git", "__pycache__", "build")))
        for name in sorted(set(files) - {".git"}):  # of a worktree it is a file
            full = os.path.join(folder, name)
            try:
                with open(full, encoding="utf-8") as file:
                    yield os.path.relpath(full, root), file.read()
            except (UnicodeDecodeError, OSError):
                pass  # a capture, a fuzz seed, a socket


def walk(root, check):
    return [complaint for path, text in tree(root) for complaint in check(path, text)]


def clang_format():
    """The formatter of Debian 12, which .clang-format is written for; another version formats otherwise."""
    for name in ("clang-format-14", "clang-format"):
        program = shutil.which(name)
        if program is not None:
            version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True)
            if " 14." in version.stdout:
                return program
    return None


class Law(unittest.TestCase):
    maxDiff = None

    def keeps(self, check):
        complaints = walk(ROOT, check)
        self.assertFalse(complaints, "\n" + "\n".join(complaints))

    def test_an_arrow_never_turns_back(self):
        self.keeps(check_arrows)

    def test_each_library_stays_in_its_room(self):
        self.keeps(check_libraries)

    def test_atomics_and_fences_are_only_in_rings(self):
        self.keeps(check_atomics)

    def test_each_source_file_names_its_license(self):
        self.keeps(check_license)

    def test_nothing_is_of_one_machine(self):
        self.keeps(check_foreign)

    def test_each_message_of_the_configuration_has_its_test(self):
        said = "\n".join(value for path, text in tree(ROOT) if re.match(r"tests/config/.*\.cc$", path)
                         for _, value in literals(text) if re.search(r"t\.yaml|^--set ", value))
        self.keeps(lambda path, text: unsaid(path, text, said))

    def test_scripts_can_be_run(self):
        dull = [f"{d}/{n}" for d in ("scripts", ".ci") for n in os.listdir(os.path.join(ROOT, d))
                if not os.access(os.path.join(ROOT, d, n), os.X_OK)]
        self.assertFalse(dull)

    def test_c_is_formatted(self):
        program = clang_format()
        if program is None:
            self.skipTest("no clang-format 14")
        files = [path for path, _ in tree(ROOT) if path.endswith(C_FILES)]
        done = subprocess.run(
            [program, "--dry-run", "--Werror", "--ferror-limit=1", *files],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout)

    def test_the_product_stays_within_its_budget(self):
        texts = [text for path, text in tree(ROOT) if path.split("/")[0] in PRODUCT and path.endswith((".c", ".h"))]
        # A comment is no complication: what it explains is.
        code = sum(bool(line.strip()) for text in texts for line in without_comments(text).splitlines())
        print(f"\nnote: {code} lines of C code in the product, of at most {BUDGET_LINES}"
              f" ({sum(text.count(chr(10)) for text in texts)} with comments and empty lines)")
        self.assertGreater(code, 0)
        self.assertLessEqual(code, BUDGET_LINES)


# ---- does the law see? ----

class Planted(unittest.TestCase):
    """A checker that never complains is no checker."""

    def caught(self, check, path, text):
        self.assertTrue(check(path, text), f"not caught in {path}: {text}")

    def passes(self, check, path, text):
        self.assertEqual(check(path, text), [], f"wrongly caught in {path}: {text}")

    def test_arrows(self):
        self.caught(check_arrows, "rings/x.h", '#include "dataplane/batch.h"\n')
        self.caught(check_arrows, "dataplane/stages/x.c", '#include "config/config.h"\n')
        self.caught(check_arrows, "dataplane/x.c", 'int x;\n  # include "workers/plan.h"\n')
        self.caught(check_arrows, "config/x.c", '#include "rings/ring.h"\n')
        self.caught(check_arrows, "monitor/x.c", '#include "cli/cli.h"\n')
        self.caught(check_arrows, "workers/x.c", '#include "tests/sample.h"\n')
        self.caught(check_arrows, "workers/x.c", '#include "plan.h"\n')
        self.caught(check_arrows, "workers/x.c", '/* a "quote */\n#include "monitor/http.h"\n')
        self.caught(check_arrows, "rings/x.c", "#include <workers/plan.h>\n")
        self.passes(check_arrows, "rings/x.c", "#include <sys/types.h>\n#include <stdint.h>\n")
        self.passes(check_arrows, "workers/x.c", '#include "config/config.h"\n#include "rings/ring.h"\n')
        self.passes(check_arrows, "rings/x.c", '/*\n#include "cli/cli.h"\n*/\n')
        self.assertEqual(check_arrows("rings/x.c", '\n\n#include "cli/cli.h"\n'), [
            "rings/x.c:3: rings/ may not include cli/"])

    def test_libraries(self):
        self.caught(check_libraries, "rings/x.c", "#include <rte_ring.h>\n")
        self.caught(check_libraries, "config/x.c", "#include <rte_common.h>\n")
        self.caught(check_libraries, "workers/plan.c", "#include <hwloc.h>\n")
        self.caught(check_libraries, "cli/x.c", "#include <yaml.h>\n")
        self.caught(check_libraries, "workers/x.c", "#include <microhttpd.h>\n")
        self.caught(check_libraries, "monitor/x.c", "#include <pcap/pcap.h>\n")
        self.passes(check_libraries, "workers/topology.c", "#include <hwloc.h>\n")
        self.passes(check_libraries, "dataplane/x.c", "#include <rte_mbuf.h>\n#include <pcap.h>\n")

    def test_atomics(self):
        for text in ("__atomic_load_n(&x, 0);", "__sync_synchronize();", "_Atomic int x;", "atomic_store(&x, 1);",
                     "rte_smp_wmb();", "rte_mb();", "rte_atomic32_inc(&x);", "rte_atomic_thread_fence(0);",
                     'asm volatile("" ::: "memory");', "__asm__ __volatile__(x);", "_mm_mfence();",
                     "#include <stdatomic.h>", "#include <atomic>", "#include <rte_atomic.h>"):
            self.caught(check_atomics, "workers/x.c", text)
        self.caught(check_atomics, "tests/x.cc", "__atomic_load_n(&x, 0);")
        self.passes(check_atomics, "tests/x.cc", "#include <atomic>\nstd::atomic<int> x;")
        self.passes(check_atomics, "rings/atomic.h", "__atomic_load_n(p, __ATOMIC_RELAXED);")
        self.passes(check_atomics, "workers/x.c", '/* rte_smp_wmb() */ puts("rte_mb()"); // __atomic_x')
        self.caught(check_atomics, "rings/ring.c", "__atomic_load_n(p, __ATOMIC_RELAXED);")
        self.caught(check_atomics, "workers/x.c", "weir_load_acquire(&x);")
        self.passes(check_atomics, "rings/ring.c", "weir_load_acquire(&x);")
        self.passes(check_atomics, "tests/bench/x.c", "weir_store_release(&x, 1);")
        self.passes(check_atomics, SEAM, "static inline void weir_store_release(uint32_t *p, uint32_t value)")
        self.caught(check_atomics, SEAM, "__atomic_load_n(&x, 0);")
        self.passes(check_atomics, "workers/x.c", "weir_word_read(&x); int lamb; int wmb_count;")

    def test_license(self):
        self.caught(check_license, "rings/x.c", "int x;\n")
        self.caught(check_license, "scripts/x", "#!/bin/sh\necho\n")
        self.passes(check_license, "scripts/x", "#!/bin/sh\n# SPDX-License-Identifier: BSD-3-Clause\n")
        self.passes(check_license, "rings/x.c", "/* SPDX-License-Identifier: BSD-3-Clause */\n")

    def test_foreign(self):
        self.caught(check_foreign, "README.md", "see /wo" "rk/main/x")
        self.caught(check_foreign, "scripts/x", "curl http:/" "/10.1.2.3/x")
        self.caught(check_foreign, "scripts/x", "https:/" "/pypi-proxy.example.org/simple")
        self.passes(check_foreign, "README.md", "http://127.0.0.1:9476/metrics https://www.dpdk.org")

    def test_unsaid(self):
        said = 't.yaml:1:1: port `a` is no map; allowed: b\n'
        for text in ('f(c, "port `%s` is no list", x);', 'f(to, " is no "\n  "list");', 'x = y ? "is no map" : "is no list";'):
            self.assertEqual(len(unsaid("config/load.c", text, said)), 1, text)
        for text in ('f(c, "port `%s` is no "\n "map; allowed: %.*s", x);', '.help = "Is no "\n "list at all",',
                     '/* "is no list" */ f("list");', '#include "is no list"\n'):
            self.assertEqual(unsaid("config/load.c", text, said), [], text)
        self.assertEqual(unsaid("config/document.c", 'f("is no list");', said), [])

    def test_a_violation_in_a_copied_tree(self):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(os.path.join(ROOT, "rings"), os.path.join(copy, "rings"))
            self.assertEqual(walk(copy, check_arrows), [])
            with open(os.path.join(copy, "rings", "planted.c"), "w", encoding="utf-8") as file:
                file.write('#include "workers/worker.h"\n')
            self.assertEqual(walk(copy, check_arrows), ["rings/planted.c:1: rings/ may not include workers/"])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
