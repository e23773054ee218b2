#!/usr/bin/env python3
"""The libraries as layers, from the link graph of a configured build.

    rooms.py BUILD            prints docs/ROOMS.md
    rooms.py BUILD --check    exits 1 if docs/ROOMS.md is another, or if the graph has a cycle

A library stands above all that it links, so there is no arrow up; what a library does not link, its files can't
include (room() in CMakeLists.txt).
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "ROOMS.md"
HEAD = """# Rooms

A folder is a library: one duty, and only the headers of what it links. The layers are those of the link graph; a library
stands above all that it links. Written by `tests/lint/rooms.py build/dev >docs/ROOMS.md`, and checked by a test.

| layer | library | folder | links of these |
|---|---|---|---|
"""


def folders():
    """{library: folder}, by who calls room()."""
    found = {}
    for path in ROOT.rglob("CMakeLists.txt"):
        if "build" not in path.relative_to(ROOT).parts:
            for name in re.findall(r"^room\((\w+)\)", path.read_text(), re.MULTILINE):
                found[name] = path.parent.relative_to(ROOT).as_posix()
    return found


def links(build):
    """{library: the libraries that it links itself}."""
    with tempfile.TemporaryDirectory() as folder:
        dot = pathlib.Path(folder) / "graph.dot"
        subprocess.run(["cmake", f"--graphviz={dot}", build], check=True, capture_output=True)
        text = dot.read_text()
    names = dict(re.findall(r'"(node\d+)" \[ label = "(\w+)', text))
    rooms = folders()
    graph = {name: set() for name in rooms}
    for one, other in re.findall(r'"(node\d+)" -> "(node\d+)"', text):
        if names.get(one) in rooms and names.get(other) in rooms:
            graph[names[one]].add(names[other])
    return graph


def layers(graph):
    """{library: its layer, from 0}. A cycle is a ValueError."""
    levels = {}

    def level(name, path):
        if name in path:
            raise ValueError("a cycle: " + " -> ".join((*path, name)))
        if name not in levels:
            levels[name] = 1 + max((level(other, (*path, name)) for other in graph[name]), default=-1)
        return levels[name]

    for name in graph:
        level(name, ())
    return levels


def page(graph):
    where, levels = folders(), layers(graph)
    short = lambda name: name.removeprefix("swaptrail_")
    rows = sorted(graph, key=lambda name: (levels[name], name))
    return HEAD + "".join(f"| {levels[name]} | {short(name)} | `{where[name]}/` | "
                          f"{', '.join(sorted(map(short, graph[name]))) or '-'} |\n" for name in rows)


def main():
    text = page(links(sys.argv[1]))
    if "--check" not in sys.argv:
        print(text, end="")
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/ROOMS.md is of another link graph: tests/lint/rooms.py build/dev >docs/ROOMS.md")


if __name__ == "__main__":
    main()
