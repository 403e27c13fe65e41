#!/usr/bin/env python3
"""The limits of the house style that no compiler checks.

    check_style.py RULE [TREE]

Prints each offender as file:line with the limit it breaks, and fails if there is one. RULE is a
name in RULES below. Needs the modules of Debian's python3-minimal only.
"""

import re
import sys
from pathlib import Path

FUNCTION_LINES_MAX = 70
CORE_MEDIAN_LINES_MAX = 15
CORE_LONG_LINES = 50  # 90 % of core's functions have no more
CORE_LONG_SHARE_MAX = 0.10
FILE_LINES_MAX = 500
COLUMNS_MAX = 100

FOLDERS = ("adapters", "bench", "core", "fakes", "server", "sim", "tests")

CORE_SYSTEM_HEADERS = {"stdint.h", "stdbool.h", "stddef.h", "limits.h", "string.h"}

# Whose headers a folder may not include. tests and bench stand outside and may include all.
FORBIDDEN_FOLDERS = {
    "core": ("adapters", "fakes", "sim", "server", "tests", "bench"),
    "adapters": ("sim", "server", "tests", "bench"),
    "fakes": ("sim", "server", "tests", "bench"),
    "sim": ("server", "tests", "bench"),
    "server": ("sim", "tests", "bench"),
}

# Calls that core never makes: allocation, clock, randomness, I/O, environment, leaving.
IMPURE_CALL = re.compile(
    r"\b((?:m|c|re)alloc|aligned_alloc|alloca|free|strn?dup|time|clock|clock_gettime|gettimeofday"
    r"|nanosleep|u?sleep|s?rand(?:om)?|rand_r|getrandom|arc4random\w*|v?f?printf|v?s?n?printf"
    r"|puts|fopen|open|read|write|getenv|exit|abort|assert)\s*\("
)

# Written apart, so that this file does not offend.
PROMISES = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")

COMMENT_OR_LITERAL = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
DECLARATION = re.compile(r"^[A-Za-z_][\w\s*]*?\b(\w+)\s*\(.*\)[\w\s()\",]*$", re.DOTALL)


class Source:
    """One C file: its lines as they are, and as code without comments, literals, directives."""

    def __init__(self, tree, path):
        self.name = path.relative_to(tree).as_posix()
        self.folder = self.name.split("/")[0]
        text = path.read_text(encoding="utf-8")
        self.lines = text.splitlines()
        self.code = COMMENT_OR_LITERAL.sub(blank, text)
        self.declarations = DIRECTIVE.sub(blank, self.code)
        self.code_lines = self.code.splitlines()


def blank(match):
    """Keeps the line breaks (line numbers stay true) and a mark for a literal."""
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] * 2
    return re.sub(r"[^\n]", " ", text)


def sources(tree, *suffixes):
    for folder in FOLDERS:
        for path in sorted((tree / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield Source(tree, path)


def functions(source):
    """Yields (name, first line, lines) of each function, from its signature to its brace.

    Relies on what clang-format sees to: a function's braces stand at column 0.
    """
    lines = source.declarations.splitlines()
    at = 0
    while at < len(lines):
        opens = re.match(r"\{", lines[at]) or re.match(r"[A-Za-z_].*\)\s*\{", lines[at])
        signature_end = at if opens and lines[at][0] != "{" else at - 1
        if not opens or signature_end < 0 or ")" not in lines[signature_end]:
            at += 1
            continue
        first = signature_end
        while first > 0 and re.search(r"[^\s;}]\s*$", lines[first - 1]):
            first -= 1
        last = at
        while last + 1 < len(lines) and not lines[last].startswith("}"):
            last += 1
        signature = " ".join(lines[first : signature_end + 1])
        name = re.search(r"(\w+)\s*\(", signature)
        yield (name.group(1) if name else "?", first + 1, last - first + 1)
        at = last + 1


def functions_are_short(tree):
    for source in sources(tree, ".c", ".h"):
        for name, line, count in functions(source):
            if count > FUNCTION_LINES_MAX:
                yield source.name, line, f"{name} has {count} lines, limit {FUNCTION_LINES_MAX}"


def core_functions_are_small(tree):
    found = []
    for source in sources(tree, ".c", ".h"):
        if source.folder == "core":
            found += [(count, source.name, line, name) for name, line, count in functions(source)]
    found.sort(reverse=True)
    if not found:
        return
    median = found[len(found) // 2][0]
    long = [row for row in found if row[0] > CORE_LONG_LINES]
    print(f"core: {len(found)} functions, median {median}, over {CORE_LONG_LINES}: {len(long)}")
    if median > CORE_MEDIAN_LINES_MAX:
        limit = f"core's median is {median} lines, limit {CORE_MEDIAN_LINES_MAX}"
        for count, name, line, function in found:
            if count > CORE_MEDIAN_LINES_MAX:
                yield name, line, f"{function} has {count} lines; {limit}"
    if len(long) > CORE_LONG_SHARE_MAX * len(found):
        limit = f"{len(long)} of {len(found)} are over {CORE_LONG_LINES} lines, limit 10 %"
        for count, name, line, function in long:
            yield name, line, f"{function} has {count} lines; {limit}"


def files_are_short(tree):
    for source in sources(tree, ".c", ".h"):
        if len(source.lines) > FILE_LINES_MAX:
            yield source.name, len(source.lines), f"file has more than {FILE_LINES_MAX} lines"


def lines_fit(tree):
    for source in sources(tree, ".c", ".h", ".py", ".sh"):
        for number, line in enumerate(source.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield source.name, number, f"line has {len(line)} columns, limit {COLUMNS_MAX}"


def includes(source):
    for number, line in enumerate(source.lines, 1):
        # A directive inside a comment is no directive.
        if source.code_lines[number - 1].lstrip().startswith("#"):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == "<", match.group(2)


def owners_of_headers(tree):
    """The folders that hold a header of this name, by file name and by path."""
    owners = {}
    for source in sources(tree, ".h"):
        parts = source.name.split("/")
        for start in range(len(parts)):
            owners.setdefault("/".join(parts[start:]), set()).add(source.folder)
    return owners


def dependencies_point_inwards(tree):
    owners = owners_of_headers(tree)
    for source in sources(tree, ".c", ".h"):
        forbidden = FORBIDDEN_FOLDERS.get(source.folder, ())
        for line, _, header in includes(source):
            name = header
            while name.startswith("../"):
                name = name[3:]
            targets = owners.get(name, set())
            if source.folder in targets:
                continue
            for target in sorted(targets.intersection(forbidden)):
                yield source.name, line, f"{source.folder} includes {header} of {target}"


def core_includes_little(tree):
    owners = owners_of_headers(tree)
    for source in sources(tree, ".c", ".h"):
        if source.folder != "core":
            continue
        for line, is_system, header in includes(source):
            if is_system and header not in CORE_SYSTEM_HEADERS:
                allowed = ", ".join(sorted(CORE_SYSTEM_HEADERS))
                yield source.name, line, f"core includes <{header}>, allowed: {allowed}"
            if not is_system and "core" not in owners.get(header, set()):
                yield source.name, line, f"core includes {header}, which is none of core's headers"


def core_is_pure(tree):
    for source in sources(tree, ".c", ".h"):
        if source.folder != "core":
            continue
        for number, line in enumerate(source.code_lines, 1):
            for match in IMPURE_CALL.finditer(line):
                yield source.name, number, f"core calls {match.group(1)}"


def one_file_includes_civetweb(tree):
    users = []
    for source in sources(tree, ".c", ".h"):
        users += [(source.name, n) for n, _, header in includes(source) if header == "civetweb.h"]
    for name, line in users:
        if len(users) > 1:
            yield name, line, f"one of {len(users)} files that include civetweb.h, limit 1"


def nothing_is_promised(tree):
    paths = [path for folder in FOLDERS + ("scripts", "cmake", ".ci") if (tree / folder).is_dir()
             for path in sorted((tree / folder).rglob("*")) if path.is_file()]
    for path in paths:
        if path.suffix in (".pyc", ".tsv", ".jsonl"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for match in PROMISES.finditer(line):
                yield path.relative_to(tree).as_posix(), number, f"says {match.group(1)}"


def statements(source):
    """Yields (first line, text) of each statement at the top level that ends with a semicolon."""
    depth, start, line = 0, None, 1
    text = []
    for char in source.declarations:
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                text.append(char)
                if re.search(r"\)\s*\{\}$", "".join(text)):  # a function: no semicolon follows
                    text, start = [], None
                line += char == "\n"
                continue
        if depth == 0 or char in "{":
            if char == ";" and depth == 0:
                if start is not None:
                    yield start, "".join(text).strip()
                text, start = [], None
            else:
                if start is None and not char.isspace():
                    start = line
                if start is not None:
                    text.append(char)
        line += char == "\n"


def headers_are_commented(tree):
    """The header opens with a comment; each function it declares has one right above.

    Declarations that follow one another without an empty line share the comment of the first.
    A header X_internal.h is no interface: its functions say what they do where they are defined.
    """
    for source in sources(tree, ".h"):
        if source.name.endswith("_internal.h"):
            continue
        if not source.lines or not source.lines[0].startswith("/*"):
            yield source.name, 1, "header does not open with a comment"
        commented_until = 0  # the last line of the last declaration that has a comment
        for line, text in statements(source):
            match = DECLARATION.match(text)
            if not match or text.startswith(("typedef", "_Static_assert")) or "{" in text:
                continue
            above = source.lines[line - 2].rstrip() if line > 1 else ""
            if above.endswith("*/") or above.startswith("//") or line == commented_until + 1:
                commented_until = line + text.count("\n")
            else:
                yield source.name, line, f"{match.group(1)} is declared without a comment above it"


RULES = {
    rule.__name__: rule
    for rule in (
        functions_are_short,
        core_functions_are_small,
        files_are_short,
        lines_fit,
        dependencies_point_inwards,
        core_includes_little,
        core_is_pure,
        one_file_includes_civetweb,
        nothing_is_promised,
        headers_are_commented,
    )
}


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0] not in RULES:
        print(__doc__, "RULE is one of:", *RULES, sep="\n    ", file=sys.stderr)
        return 2
    tree = Path(arguments[1] if len(arguments) == 2 else Path(__file__).parents[2]).resolve()
    offences = list(RULES[arguments[0]](tree))
    for name, line, what in offences:
        print(f"{name}:{line}: {what}")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
