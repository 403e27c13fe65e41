#!/usr/bin/env python3
"""Plants offenders of each rule in a small clean tree, and expects the rule to name the line."""

import subprocess
import sys
import tempfile
from pathlib import Path

CHECKER = Path(__file__).with_name("check_style.py")

HEADER = "/*\n * a.h - a.\n */\n/* Adds one. */\nint a_next(int a);\n"
SOURCE = '#include "a.h"\n\n#include <stdint.h>\n\nint a_next(int a)\n{\n    return a + 1;\n}\n'
CLEAN = {
    "core/a.h": HEADER,
    "core/a.c": SOURCE,
    "server/http.c": "#include <civetweb.h>\n#include \"a.h\"\n",
    "server/settings.h": "/* settings.h */\n",
    "adapters/bus.c": '#include "a.h"\n#include <stdlib.h>\n',
}


def function(name, lines):
    """A function of that many lines, signature and braces included."""
    return f"static int {name}(int a)\n{{\n" + "    a++;\n" * (lines - 3) + "}\n"


# rule, file, its text, the line that must be named
OFFENDERS = [
    ("functions_are_short", "sim/b.c", "\n" + function("b", 71), 2),
    ("functions_are_short", "tests/b.c", "int\nb(void)\n{\n" + "\n" * 68 + "}\n", 1),
    ("core_functions_are_small", "core/b.c", function("b", 16) + "\n" + function("c", 16), 1),
    ("core_functions_are_small", "core/b.c", function("b", 51), 1),
    ("files_are_short", "fakes/b.c", "\n" * 501, 501),
    ("lines_fit", "sim/b.c", "\n/* " + "x" * 95 + " */\n", 2),
    ("dependencies_point_inwards", "core/b.c", '#include "../server/settings.h"\n', 1),
    ("dependencies_point_inwards", "adapters/b.c", '\n#include "settings.h"\n', 2),
    ("dependencies_point_inwards", "sim/b.c", '#include "settings.h"\n', 1),
    ("core_includes_little", "core/b.h", "/* b.h */\n#include <stdlib.h>\n", 2),
    ("core_includes_little", "core/b.h", '/* b.h */\n#include "settings.h"\n', 2),
    ("core_is_pure", "core/b.c", "void *b(void)\n{\n    return malloc(1);\n}\n", 3),
    ("core_is_pure", "core/b.c", "long b(void)\n{\n    return time (0);\n}\n", 3),
    ("core_is_pure", "core/b.c", "int b(void)\n{\n    return rand();\n}\n", 3),
    ("one_file_includes_civetweb", "server/b.c", "#include <civetweb.h>\n", 1),
    ("nothing_is_promised", "scripts/b", "true\n# TO" + "DO: b\n", 2),
    ("nothing_is_promised", "core/b.c", "/* FIX" + "ME */\n", 1),
    ("headers_are_commented", "fakes/b.h", "/* b.h */\nstruct b {\n  int b;\n};\nint b(int);", 5),
    ("headers_are_commented", "fakes/b.h", "#define B 1\n", 1),
]

# What looks like an offender and is none.
HARMLESS = [
    ("functions_are_short", "sim/b.c", function("b", 70)),
    ("core_functions_are_small", "core/b.c", function("b", 15)),
    ("files_are_short", "fakes/b.c", "\n" * 500),
    ("lines_fit", "sim/b.c", "/* " + "x" * 94 + " */\n"),
    ("dependencies_point_inwards", "adapters/b.c", '/*\n#include "settings.h"\n*/\n'),
    ("core_is_pure", "core/b.c", '/* no malloc() */\nconst char *b = "time(0)";\nint due_time;\n'),
    ("one_file_includes_civetweb", "server/b.c", "/*\n#include <civetweb.h>\n*/\n"),
    ("headers_are_commented", "fakes/b.h", "/* b.h */\n/* Both. */\nint b(void);\nint c(int);"),
    ("headers_are_commented", "fakes/b.h", "/* b.h */\nstruct b {\n    int (*open)(void);\n};\n"),
    ("headers_are_commented", "fakes/b_internal.h", "/* b_internal.h */\n\nint b(void);\n"),
]


def run(rule, files):
    """The checker's exit status and output on a tree that holds just these files."""
    with tempfile.TemporaryDirectory() as tree:
        for name, text in files.items():
            path = Path(tree, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, str(CHECKER), rule, tree], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()


def main():
    failures = 0
    for rule, name, text, line in OFFENDERS:
        status, output = run(rule, {**CLEAN, name: text})
        if status != 1 or f"{name}:{line}: " not in output:
            failures += 1
            print(f"{rule} does not name {name}:{line}; status {status}, it says:\n{output}")
    for rule, name, text in HARMLESS:
        status, output = run(rule, {**CLEAN, name: text})
        if status != 0:
            failures += 1
            print(f"{rule} complains about a harmless {name}:\n{output}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
