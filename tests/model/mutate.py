#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Weakens every atomic operation of rings/ in turn, and shows that the explorer notices each.

    python3 tests/model/mutate.py            makes the table and compares it with docs/memory-model.md
    python3 tests/model/mutate.py --write    puts it there

An operation is found, not listed: one that is added has a row at once, and a row "NOT CAUGHT" until a scenario needs
its order. A mutant that does not compile, or that only a time limit ends, is not caught. Exit: 0, or 1.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = os.path.join(ROOT, "docs", "memory-model.md")
BEGIN, END = "<!-- made by tests/model/mutate.py -->", "<!-- end -->"
SEAM = '-DWEIR_SEAM="tests/model/seam.h"'
FLAGS = ["-O1", "-D_GNU_SOURCE", SEAM]
LIMIT_S = 120
VIOLATED = 3
ITEMS = "4"  # enough to go round a ring of two

# How an operation is weakened: (pattern of its name, what it becomes, how the table says it).
WEAKENED = [
    (r"(load)_acquire", r"\1_relaxed", "relaxed"),
    (r"(store)_release", r"\1_relaxed", "relaxed"),
    (r"(load|store|exchange)_relaxed", r"\1_plain", "not atomic"),
    (r"(?:membarrier|compiler_barrier|futex_wake)", None, "left out"),
]
OPERATION = re.compile(r"\bweir_((?:load|store|exchange)_\w+|membarrier|compiler_barrier|futex_wake)\(")

# Orders that are in the sequence of the statements: (file, function, from, to, what).
REORDERED = [
    ("ring.h", "weir_ring_append_sized", "    weir_slot_write(p->slots + ",
     "    weir_store_release(&p->out->index, p->tail + n);\n    weir_slot_write(p->slots + ",
     "the tail is published before the slots are written"),
    ("ring.h", "weir_ring_pop_sized", "    weir_slot_read(items, ",
     "    weir_store_release(&c->out->index, c->head + n);\n    weir_slot_read(items, ",
     "the head is published before the slots are read"),
    ("ring.h", "weir_ring_ready", "        weir_ring_settle(c);", "        ;",
     "a ring found empty keeps its head to itself"),
    ("ring.c", "weir_ring_close", "    weir_store_release(&p->out->ended, 1);", "",
     "the end is never told"),
    ("ring.c", "weir_ring_ended", " && weir_ring_ready(c, 1) == 0", "",
     "the end counts before the last item is taken"),
    ("doorbell.c", "weir_doorbell_arm", "    weir_store_relaxed(&b->armed, 1);",
     "    (void)weir_membarrier();\n    weir_store_relaxed(&b->armed, 1);\n    return;",
     "the bell is armed after the barrier"),
    ("doorbell.c", "weir_doorbell_ring_slow", "weir_exchange_relaxed(&b->armed, 0) != 0", "weir_load_relaxed(&b->armed) == 0",
     "a ring that finds the bell armed wakes nobody"),
]


class Mutant:
    def __init__(self, file, function, what, text):
        self.file, self.function, self.what, self.text = file, function, what, text


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def function_at(text, position):
    """The definition around a position: the last line before it that starts in the first column and has a `(`."""
    heads = re.findall(r"^(?!static_assert|#)\w[^;=\n]*?(\w+)\(", text[:position], re.M)
    return heads[-1]


def sources():
    folder = os.path.join(ROOT, "rings")
    for name in sorted(os.listdir(folder)):
        if name.endswith((".c", ".h")) and name != "atomic.h":
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                yield name, file.read()


def of_operations(name, text):
    code = without_comments(text)
    for match in OPERATION.finditer(code):
        if code[:match.start()].rpartition("\n")[2].startswith("static"):
            continue  # its definition, for the kernel
        pattern, becomes, what = next(w for w in WEAKENED if re.match(w[0], match.group(1)))
        if becomes is None:
            end = code.index(")", match.end()) + 1
            mutated = text[:match.start()] + "0" + text[end:]
        else:
            weaker = re.sub(pattern, becomes, match.group(1), count=1)
            mutated = text[:match.start()] + f"weir_{weaker}(" + text[match.end():]
        operation = re.sub(r"_u64$", "", match.group(1))
        yield Mutant(name, function_at(code, match.start()), f"`{operation}` {what}", mutated)


def of_statements(files):
    for name, function, before, after, what in REORDERED:
        text = files[name]
        start = re.search(rf"^\w[^;\n]*\b{function}\([^;]*?\)\n\{{", text, re.M).start()
        at = text.index(before, start)
        assert at < text.index("\n}", start), f"{function} has no `{before}`"
        yield Mutant(name, function, what, text[:at] + after + text[at + len(before):])


def mutants():
    files = dict(sources())
    found = [m for name, text in files.items() for m in of_operations(name, text)]
    return found + list(of_statements(files))


# ---- build and run one ----

def explorer(folder):
    """What does not change from one mutant to the next."""
    objects = []
    for name in ("explorer", "main"):
        objects.append(os.path.join(folder, name + ".o"))
        subprocess.run(["g++", "-std=gnu++17", "-O2", SEAM, "-I", ROOT, "-c", f"tests/model/{name}.cc", "-o", objects[-1]],
                       cwd=ROOT, check=True)
    return objects


def compile_with(folder, objects):
    commands = [
        ["gcc", "-std=gnu11", *FLAGS, "-I", folder, "-I", ROOT, "-c", f"{folder}/rings/{name}.c", "-o", f"{folder}/{name}.o"]
        for name in ("ring", "doorbell")]
    commands.append(["g++", "-std=gnu++17", *FLAGS, "-I", folder, "-I", ROOT, "-o", f"{folder}/model",
                     "tests/model/scenarios.cc", f"{folder}/ring.o", f"{folder}/doorbell.o", *objects])
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            return done.stderr
    return None


def verdict(mutant, folder, objects):
    """Who caught it, for the table; "NOT CAUGHT: …" otherwise."""
    shutil.copytree(os.path.join(ROOT, "rings"), os.path.join(folder, "rings"))
    if mutant is not None:
        with open(os.path.join(folder, "rings", mutant.file), "w", encoding="utf-8") as file:
            file.write(mutant.text)
    wrong = compile_with(folder, objects)
    if wrong is not None:
        return "NOT CAUGHT: it does not compile: " + wrong.splitlines()[0]
    try:
        done = subprocess.run([f"{folder}/model", "--first", "--items", ITEMS], stdout=subprocess.PIPE, text=True,
                              timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"NOT CAUGHT: it ran longer than {LIMIT_S} s"
    if done.returncode != VIOLATED:
        return f"NOT CAUGHT: exit code {done.returncode}"
    scenario = next(line for line in done.stdout.splitlines() if line.endswith("VIOLATED")).split()[0]
    kind, _, said = done.stdout.rstrip().splitlines()[-1].strip().partition(": ")
    return f"`{scenario}`: {kind}, {said}"


def run_all():
    """[(mutant, who caught it)]; the first is the source as it is, which nobody may catch."""
    with tempfile.TemporaryDirectory() as folder:
        objects = explorer(folder)

        def one(numbered):
            number, mutant = numbered
            mine = os.path.join(folder, str(number))
            os.mkdir(mine)
            return mutant, verdict(mutant, mine, objects)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(one, enumerate([None, *mutants()])))


def table(results):
    lines = ["| File | Function | Mutant | Caught by the scenario of the explorer |", "|---|---|---|---|"]
    lines += [f"| `{m.file}` | `{m.function}` | {m.what} | {who} |" for m, who in results if m is not None]
    return "\n".join(lines) + "\n"


def document():
    with open(DOCUMENT, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN + "\n")
    there, _, after = rest.partition(END)
    return before, there, after


def main():
    results = run_all()
    made = table(results)
    wrong = [f"{m.file} {m.function}: {m.what}: {who}" for m, who in results if m is not None and "NOT CAUGHT" in who]
    if results[0][1] != "NOT CAUGHT: exit code 0":
        wrong.append(f"the source as it is: {results[0][1]}")
    before, there, after = document()
    if "--write" in sys.argv[1:]:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(f"{before}{BEGIN}\n{made}{END}{after}")
    elif there != made:
        print(made)
        wrong.append("docs/memory-model.md has another table: tests/model/mutate.py --write")
    print("\n".join(wrong))
    print(f"note: {len(results) - 1} mutants of rings/, {sum('NOT CAUGHT' not in who for _, who in results)} caught")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
