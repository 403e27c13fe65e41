#!/usr/bin/env python3
"""check_traps.py names each offence: a tree that is right is broken in one place at a time."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_traps  # noqa: E402


def write_tree(tree, sources, page):
    for folder in ("docs", "tests"):
        (tree / folder).mkdir(parents=True)
    (tree / "tests" / "test_all.c").write_text(sources, encoding="utf-8")
    (tree / "docs" / "traps.md").write_text(page, encoding="utf-8")


def test_of(trap):
    name = f"trap_{trap:02}_is_avoided"
    return f"static void {name}(void **state)\n{{\n}}\n", f"    cmocka_unit_test({name}),\n"


def right():
    parts = [test_of(trap) for trap in check_traps.TRAPS]
    sources = "".join(p[0] for p in parts) + "int main(void)\n{\n" + "".join(p[1] for p in parts)
    rows = [f"| {trap} | bad | good | `trap_{trap:02}_is_avoided` |" for trap in check_traps.TRAPS]
    return sources, "\n".join(rows) + "\n"


SOURCES, PAGE = right()

# what is wrong, sources, page, what is said about it
CASES = [
    ("not run", SOURCES.replace("    cmocka_unit_test(trap_07_is_avoided),\n", ""), PAGE,
     ["trap 7: no test begins with trap_07_",
      "trap 7: docs/traps.md names trap_07_is_avoided, which no program runs"]),
    ("not named", SOURCES, PAGE.replace("`trap_03_is_avoided`", "-"),
     ["trap 3: docs/traps.md does not name trap_03_is_avoided"]),
    ("no row", SOURCES, PAGE.replace("| 25 |", "  25 |"), ["trap 25: docs/traps.md has no row"]),
    ("another's", SOURCES, PAGE.replace("`trap_04_is_avoided`",
                                        "`trap_04_is_avoided`, `trap_05_is_avoided`"),
     ["trap 4: docs/traps.md names trap_05_is_avoided, which belongs to another"]),
    ("no patch", SOURCES, PAGE.replace("`trap_01_is_avoided`",
                                       "`trap_01_is_avoided`, `sim/p.patch`"),
     ["trap 1: docs/traps.md names sim/p.patch, which does not exist"]),
    ("no trap", SOURCES, PAGE + "| 26 | bad | good | - |\n",
     ["docs/traps.md has a row 26, which is no trap"]),
    ("right", SOURCES, PAGE, []),
]


def main():
    failed = 0
    for what, sources, page, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder), sources, page)
            found = list(check_traps.offences(Path(folder)))
        if found != expected:
            print(f"{what}: {found}, not {expected}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
