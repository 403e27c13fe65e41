#!/usr/bin/env python3
"""The closing line of scripts/test: single tests are counted, and no failure is lost."""

import subprocess
import sys
import tempfile
from pathlib import Path

COUNTER = Path(__file__).parents[2] / "scripts" / "count-tests"

OK = "[ RUN      ] a\n[       OK ] a\n"
BAD = "[ RUN      ] b\n[  ERROR   ] --- 0x1 != 0x2\n[  FAILED  ] b\n"
SKIP = "[ RUN      ] c\n[  SKIPPED ] c\n"
BAD_END = "[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] b\n[  FAILED  ] b\n"
SKIP_END = "[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] c\n"

# what, output of the program p, is it in ctest's list of failures, of skips, ctest's status, line
CASES = [
    ("two groups", OK + SKIP + SKIP_END + OK, 0, 0, 0, "2 passed, 0 failed, 1 skipped"),
    ("two failed", OK + BAD + BAD + BAD_END, 1, 0, 8, "1 passed, 2 failed, 0 skipped"),
    ("crashed", OK + "[ RUN      ] b\n", 1, 0, 8, "1 passed, 1 failed, 0 skipped"),
    ("p crashed, q failed", OK + "2/2 Testing: q\n" + BAD + BAD + BAD_END, 1, 0, 8,
     "1 passed, 3 failed, 0 skipped"),
    ("leaked", OK + "LeakSanitizer: detected memory leaks\n", 1, 0, 8,
     "1 passed, 1 failed, 0 skipped"),
    ("plain", "", 0, 0, 0, "1 passed, 0 failed, 0 skipped"),
    ("plain failed", "no\n", 1, 0, 8, "0 passed, 1 failed, 0 skipped"),
    ("plain skipped", "no server\n", 0, 1, 0, "0 passed, 0 failed, 1 skipped"),
    ("ctest failed", OK, 0, 0, 8, "1 passed, 1 failed, 0 skipped"),
    ("nothing ran", None, 0, 0, 8, "0 passed, 1 failed, 0 skipped"),
]


def closing_line(output, is_failed, is_skipped, ctest_status):
    with tempfile.TemporaryDirectory() as folder:
        if output is not None:
            log = f"1/1 Testing: p\n1/1 Test: p\n{output}<end of output>\nTest Passed.\n"
            Path(folder, "LastTest.log").write_text(log, encoding="utf-8")
        if is_failed:
            Path(folder, "LastTestsFailed.log").write_text("7:p\n8:q\n", encoding="utf-8")
        if is_skipped:
            Path(folder, "LastTestsDisabled.log").write_text("7:p\n", encoding="utf-8")
        done = subprocess.run([sys.executable, "-B", str(COUNTER), folder, str(ctest_status)],
                              check=False, stdout=subprocess.PIPE)
        return done.returncode, done.stdout.decode().strip()


def main():
    failures = 0
    for what, output, is_failed, is_skipped, ctest_status, line in CASES:
        expected = (0 if " 0 failed" in line else 1, line)
        got = closing_line(output, is_failed, is_skipped, ctest_status)
        if got != expected:
            failures += 1
            print(f"{what}: expected {expected}, got {got}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
