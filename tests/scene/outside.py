#!/usr/bin/env python3
"""Python's own reading of what is printed for tools.

    outside.py json FILE...    one document, or a document a line, in strict UTF-8
    outside.py csv FILE        rows, strictly; printed as JSON
"""

import csv
import io
import json
import sys
import unicodedata

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def refuse(what):
    sys.exit(f"outside.py: {what}")


def check_text(text, allowed):
    """No control, no separator of lines, nothing that changes the direction, but what is allowed."""
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if character in allowed:
            continue
        if category in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(character) in BIDI:
            refuse(f"{character!r} at {place}: {text[max(0, place - 40):place + 20]!r}")


def documents(text):
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line]


def main(how, *paths):
    for path in paths:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "strict")
        if how == "json":
            check_text(text, "\n")
            print(len(documents(text)))
        else:
            check_text(text, "\r\n")
            json.dump(list(csv.reader(io.StringIO(text, newline=""), strict=True)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
