#!/usr/bin/env python3
"""Checks the source tree against the project's own rules, one line a breach.

In: the tracked Swift files under Sources and Tests. Out: `file:line: what is wrong`, then a count.
Exit code 1 when anything was found. `--self-test` plants one breach of each rule and fails unless
every one is reported, so that a rule cannot stop working unseen.
"""
import pathlib
import re
import sys

WIDTH = 100
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# What each module may import, besides the standard library. A module that is not listed may not exist.
IMPORTS = {
    "Bytes": {"CChecksum", "CLZ4"},
    "RaftCore": set(),
    "HoldfastWire": {"NIOCore"},
    "SessionMachine": {"Bytes"},
    "Sealing": {"Bytes", "Crypto", "Foundation", "Glibc", "Synchronization"},
    "Replica": {"Bytes", "RaftCore", "SessionMachine"},
    "PeerWire": {"Bytes", "RaftCore", "NIOCore"},
    "HoldfastServer": {
        "Bytes", "Commands", "HoldfastWire", "LogStore", "PeerWire", "RaftCore", "Replica",
        "Sealing", "SessionMachine", "Crypto", "Glibc", "Logging", "Metrics", "NIOConcurrencyHelpers",
        "NIOCore", "NIOPosix", "ServiceLifecycle", "Synchronization", "Yams",
    },
    "Checkers": set(),
    "Simulation": {
        "Bytes", "Checkers", "PeerWire", "RaftCore", "Replica", "SessionMachine", "NIOCore",
    },
    "simulate": {"Simulation", "ArgumentParser", "Glibc"},
    "LogStore": {"Bytes", "CLogStore", "RaftCore", "Sealing", "GRDB", "Glibc", "Foundation"},
    "Commands": {"HoldfastWire", "SessionMachine"},
    "HoldfastClient": {
        "HoldfastWire", "Logging", "NIOConcurrencyHelpers", "NIOCore", "NIOPosix",
        "ServiceLifecycle", "Synchronization", "Glibc",
    },
    "holdfastd": {
        "HoldfastServer", "ArgumentParser", "Logging", "ServiceLifecycle", "UnixSignals",
    },
    "holdfast": {
        "HoldfastClient", "HoldfastServer", "RaftCore", "Sealing", "ArgumentParser", "Glibc",
        "Logging",
    },
}
PURE = {"Bytes", "RaftCore", "SessionMachine", "Replica", "Checkers", "Simulation"}
# word -> what to use instead, in pure modules
PURE_BANNED = {
    r"\bDate\(\)": "the time that the input carries",
    r"\b(ContinuousClock|SuspendingClock|DispatchTime)\b": "the time that the input carries",
    r"\.random\(|\.shuffled\(|SystemRandomNumberGenerator": "randomness that the input carries",
    r"\bUUID\(": "an id that the input carries",
    r"\bhashValue\b": "a hash of your own: Swift's is seeded per process",
    r"\b(async|await|Task)\b|\bactor [A-Z]": "plain calls: a pure module has no concurrency",
    r"\bDouble\b|\bFloat\b": "integers",
}
EVERYWHERE_BANNED = {
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "an issue",
    r"catch\s*\{\s*\}": "a catch that handles, wraps or stops",
    r"\btry!": "a thrown error",
}
FUNCTION = re.compile(r"^(\s*)(?:@\w+(?:\([^)]*\))?\s+)*(?:[a-z]+(?:\([a-z]+\))?\s+)*(?:func\b|init[?(<])")


def strip(line):
    """The line without comment and string contents, near enough for word rules."""
    line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
    return line.split("//", 1)[0]


def check(path, text):
    """Yields (line number, message) for each breach in one file."""
    parts = pathlib.PurePosixPath(path).parts
    lines = text.split("\n")
    module = parts[1] if parts[0] == "Sources" else None
    if module is not None and not lines[0].startswith("//"):
        yield 1, "a file opens with its design in a few lines of comment"
    if len(lines) - 1 > FILE_LINES_MAX:
        yield FILE_LINES_MAX, f"{len(lines) - 1} lines; at most {FILE_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH:
            yield number, f"{len(line)} columns; at most {WIDTH}"
        yield from check_words(module, number, line)
    yield from check_functions(lines)


def check_words(module, number, line):
    code = strip(line)
    for pattern, instead in EVERYWHERE_BANNED.items():
        if re.search(pattern, line if "TODO" in pattern else code):
            yield number, f"/{pattern}/ is banned: use {instead}"
    if module is None:
        return
    imported = re.match(r"\s*(?:@\w+(?:\(\w+\))?\s+)?(?:\w+\s+)?import\s+(?:\w+\s+)?(\w+)", code)
    if imported and imported[1] not in IMPORTS.get(module, set()):
        yield number, f"{module} may not import {imported[1]}"
    if module in PURE:
        for pattern, instead in PURE_BANNED.items():
            if re.search(pattern, code):
                yield number, f"/{pattern}/ is banned in pure modules: use {instead}"


def check_functions(lines):
    start = indent = None
    for number, line in enumerate(lines, 1):
        match = FUNCTION.match(line)
        if match and start is None:
            start, indent = number, match[1]
        if start is not None and (line == indent + "}" or (number == start and line.endswith("}"))):
            length = number - start + 1
            if length > FUNCTION_LINES_MAX:
                yield start, f"a function of {length} lines; at most {FUNCTION_LINES_MAX}"
            start = None


PLANTED = [
    ("Sources/RaftCore/A.swift", "// x\nimport Foundation\n", "may not import"),
    ("Sources/RaftCore/A.swift", "// x\npackage import NIOCore\n", "may not import"),
    ("Sources/RaftCore/A.swift", "let a = 1\n", "opens with its design"),
    ("Sources/RaftCore/A.swift", "// x\nlet a = Int.random(in: 0..<2)\n", "randomness"),
    ("Sources/RaftCore/A.swift", "// x\nfunc a() async {}\n", "no concurrency"),
    ("Sources/RaftCore/A.swift", "// x\nlet a: Double = 0\n", "integers"),
    ("Sources/RaftCore/A.swift", "// x\ndo {} catch {}\n", "catch"),
    ("Sources/RaftCore/A.swift", "// x\n// TODO: later\n", "an issue"),
    ("Sources/RaftCore/A.swift", "// x\nlet a = try! b()\n", "thrown error"),
    ("Sources/RaftCore/A.swift", "// " + "x" * 100 + "\n", "columns"),
    ("Sources/RaftCore/A.swift", "// x\n" * 601, "lines; at most"),
    ("Tests/RaftCoreTests/A.swift", "    func a() {\n" + "\n" * 70 + "    }\n", "a function of"),
]


def self_test():
    for path, text, wanted in PLANTED:
        found = [message for _, message in check(path, text)]
        if not any(wanted in message for message in found):
            sys.exit(f"tidy: the rule «{wanted}» did not see its planted breach; found {found}")
    clean = "// x\npackage struct A {\n    func a() {\n    }\n}\n"
    if list(check("Sources/RaftCore/A.swift", clean)):
        sys.exit("tidy: a clean file was reported")
    print(f"tidy: {len(PLANTED)} planted breaches, all reported")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    root = pathlib.Path(__file__).resolve().parent.parent
    files = sorted(p for top in ("Sources", "Tests") for p in (root / top).rglob("*.swift"))
    breaches = 0
    for file in files:
        path = file.relative_to(root).as_posix()
        for number, message in check(path, file.read_text()):
            print(f"{path}:{number}: {message}")
            breaches += 1
    modules = {p.name for p in (root / "Sources").iterdir() if any(p.glob("*.swift"))}
    for module in sorted(modules - set(IMPORTS)):
        print(f"Sources/{module}: not in the table of imports in scripts/tidy.py")
        breaches += 1
    print(f"tidy: {len(files)} files, {breaches} breaches")
    if not files or breaches:
        sys.exit(1)


main()
