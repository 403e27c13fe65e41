#!/usr/bin/env python3
"""Holds docs/traps.md and the tests together.

    check_traps.py [TREE]

Each trap has a test whose name begins with trap_NN_, and its row in docs/traps.md names it. Every
test that the page names is a function of a test program that this program runs; every patch that
it names is there. Prints each offence, and fails if there is one.
"""

import re
import sys
from pathlib import Path

TRAPS = range(1, 26)

TEST = re.compile(r"^static void (\w+)\(void \*\*\w+\)", re.MULTILINE)
ROW = re.compile(r"^\| *(\d+) *\|(.*)$", re.MULTILINE)
NAMED = re.compile(r"`([^`]+)`")


def running_tests(tree):
    """Names of test functions that are defined and put into a list of tests of the same file."""
    names = set()
    for path in sorted((tree / "tests").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        for name in TEST.findall(text):
            # Once as the definition, once in the list.
            if len(re.findall(rf"\b{name}\b", text)) > 1:
                names.add(name)
    return names


def offences_of_trap(tree, trap, row, tests):
    own = sorted(name for name in tests if name.startswith(f"trap_{trap:02}_"))
    if not own:
        yield f"trap {trap}: no test begins with trap_{trap:02}_"
    if row is None:
        yield f"trap {trap}: docs/traps.md has no row"
        return
    named = [name for name in NAMED.findall(row.rpartition("|")[0].rpartition("|")[2])]
    for name in own:
        if name not in named:
            yield f"trap {trap}: docs/traps.md does not name {name}"
    for name in named:
        if "/" in name:
            if not (tree / name).is_file():
                yield f"trap {trap}: docs/traps.md names {name}, which does not exist"
        elif name not in tests:
            yield f"trap {trap}: docs/traps.md names {name}, which no program runs"
        elif name.startswith("trap_") and name not in own:
            yield f"trap {trap}: docs/traps.md names {name}, which belongs to another"


def offences(tree):
    tests = running_tests(tree)
    page = (tree / "docs" / "traps.md").read_text(encoding="utf-8")
    rows = {int(number): row for number, row in ROW.findall(page)}
    for trap in TRAPS:
        yield from offences_of_trap(tree, trap, rows.get(trap), tests)
    for number in sorted(set(rows).difference(TRAPS)):
        yield f"docs/traps.md has a row {number}, which is no trap"
    for name in sorted(tests):
        match = re.match(r"trap_(\d\d)_", name)
        if match and int(match.group(1)) not in TRAPS:
            yield f"{name} is of no trap"


def main(arguments):
    tree = Path(arguments[0]) if arguments else Path(__file__).parents[2]
    found = list(offences(tree))
    for offence in found:
        print(offence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
