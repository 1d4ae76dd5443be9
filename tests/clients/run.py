"""Runs the client tests: every test_*.py here, and every test_*.mjs, which prints one JSON line a test.

    run.py [WORD...]     only tests whose name holds one of the words

The last line is `N passed, M failed`.
"""

import json
import os
import subprocess
import sys
import time
import traceback
import unittest
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self.bad = False

    def startTest(self, test):
        super().startTest(test)
        self.begun, self.bad = time.monotonic(), False

    def _trouble(self, test, error):
        self.bad = True
        print(f"  {test}: {''.join(traceback.format_exception(*error, limit=-4))}", flush=True)

    def addError(self, test, error):
        super().addError(test, error)
        self._trouble(test, error)
        if not hasattr(test, "_testMethodName") or test._testMethodName == "runTest":
            # A file that cannot be read, or a class that cannot be set up: no test of its own ends.
            self.failed += 1

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._trouble(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._trouble(subtest, error)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.bad = True
        print(f"  {test}: skipped, and nothing here may be: {reason}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        say(not self.bad, test.id(), time.monotonic() - self.begun)
        if self.bad:
            self.failed += 1
        else:
            self.passed += 1


def say(good, name, seconds):
    print(f"{'ok' if good else 'FAILED':<6} {seconds:6.2f} s  {name}", flush=True)


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def scripts(words):
    """The tests written in JavaScript: each line of output that is JSON is one test."""
    passed = failed = 0
    environment = {**os.environ, "PHASEGATE_BINARY": str(harness.BINARY), "PHASEGATE_TOOLS": str(harness.TOOLS)}
    for script in sorted(HERE.glob("test_*.mjs")):
        if words and not any(word in script.name for word in words):
            continue
        done = subprocess.run(
            ["node", str(script)], capture_output=True, text=True, timeout=300, env=environment, stdin=subprocess.DEVNULL
        )
        seen = 0
        for line in done.stdout.splitlines():
            try:
                test = json.loads(line)
            except ValueError:
                print(f"  {line}")
                continue
            seen += 1
            say(test["ok"], f"{script.stem}.{test['name']}", test["seconds"])
            if test["ok"]:
                passed += 1
            else:
                failed += 1
                print(f"  {test['why']}")
        if done.returncode != 0 or seen == 0:
            print(f"  {script.name} ended with {done.returncode}: {done.stderr[-2000:]}")
            failed += done.returncode != 0 and not failed or seen == 0
    return passed, failed


def main(words):
    if not harness.BINARY.is_file():
        sys.exit(f"there is no {harness.BINARY}; build it with `cargo build`")
    sys.path.insert(0, str(HERE))
    found = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py", top_level_dir=str(HERE))
    chosen = unittest.TestSuite(test for test in each(found) if not words or any(word in test.id() for word in words))
    result = Result()
    chosen.run(result)
    passed, failed = scripts(words)
    passed, failed = passed + result.passed, failed + result.failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
