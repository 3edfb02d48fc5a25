#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""unittest_counts.py FILE COUNTS: run the tests of FILE; COUNTS becomes {"passed": 1, "failed": 0, "skipped": 0}."""
import importlib.util
import json
import os
import signal
import sys
import unittest


class Counts(unittest.TextTestResult):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.passed = 0
        signal.signal(signal.SIGTERM, self.out_of_time)

    def out_of_time(self, *_):
        """The test that runs fails, and shows what it waited for; the others do not begin."""
        self.stop()
        raise AssertionError("the time limit of this suite")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.passed += 1


def main():
    file, counts = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(file))[0], file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Counts).run(tests)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    with open(counts, "w", encoding="utf-8") as out:
        json.dump({"passed": result.passed, "failed": failed, "skipped": len(result.skipped)}, out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
