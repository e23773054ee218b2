#!/usr/bin/env python3
"""The rules for Prometheus in deploy/prometheus: promtool's checks and unit tests, and ours.

    check.py [--self-test]

Each alert needs a severity, a summary, a description, a section of docs/RUNBOOK.md, and in the unit tests
of this folder a moment when it fires and one when it is silent. Recording rules are named
level:metric:operation. Every metric exists. --self-test changes each alert so that it is wrong, and exits
1 if the unit tests do not notice. Exit codes: 0, 1, 75 promtool is missing.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "dashboards"))
from exporter import label_names  # noqa: E402

RULES = ROOT / "deploy/prometheus"
ALERTS = RULES / "swaptrail.alerts.yml"
TESTS = ["swap.yml", "daemon.yml", "trust.yml"]


def promtool(*arguments, folder=HERE):
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def blocks(text, key):
    """The parts of a list of rules, by the name that each begins with."""
    parts = re.split(rf"^ *- {key}: (\S+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def anchors(text):
    """Of the headings of a Markdown file, as the usual web sites make them."""
    return {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in re.findall(r"^#+ (.+)$", text, re.M)}


def alert_problems(name, body, sections, tests):
    for key in ("summary", "description"):
        if not re.search(rf"^ *{key}: \S", body, re.M):
            yield f"{name}: no {key}"
    if not re.search(r"severity: (info|warning|critical)\b", body):
        yield f"{name}: no severity"
    runbook = re.search(r"runbook: docs/RUNBOOK\.md#(\S+)$", body, re.M)
    if not runbook or runbook[1] != name.lower() or runbook[1] not in sections:
        yield f"{name}: no section of its name in docs/RUNBOOK.md"
    if not re.search(rf"alertname: {name}\n *exp_alerts: \[\]", tests):
        yield f"{name}: no test in which it is silent"
    if not re.search(rf"alertname: {name}\n *exp_alerts:\n", tests):
        yield f"{name}: no test in which it fires"


def metric_problems(text):
    recorded = set(blocks(text, "record"))
    for name in recorded:
        if not re.fullmatch(r"instance(_[a-z]+)?:swaptrail_[a-z_]+:[a-z0-9_]+", name):
            yield f"{name}: not named level:metric:operation"
    used = set(re.findall(r"[\w:]*swaptrail_\w+[\w:]*", re.sub(r"(record|alert|#).*|swaptrail\.\w+", "", text)))
    for metric in sorted(used - recorded):
        if label_names(metric) is None:
            yield f"{metric}: no such metric"


def series_problems(tests):
    """Series of the unit tests are those that a scrape of swaptraild has: all its labels, and no others."""
    for name, inside in re.findall(r"series: '(\w+)\{(.*)\}'", tests):
        labels = set(re.findall(r'(\w+)="', inside)) - {"job", "instance"}
        known = set() if name == "up" else label_names(name)
        if labels != known:
            yield f"{name} with the labels {sorted(labels)}: swaptraild has {known and sorted(known)}"


def own_problems():
    alerts = ALERTS.read_text()
    tests = "".join((HERE / name).read_text() for name in TESTS)
    sections = anchors((ROOT / "docs/RUNBOOK.md").read_text())
    found = blocks(alerts, "alert")
    for name, body in found.items():
        yield from alert_problems(name, body, sections, tests)
    yield from series_problems(tests)
    yield from metric_problems((RULES / "swaptrail.rules.yml").read_text() + alerts)
    if not found:
        yield "no alert was found"


def wrong(alerts, what):
    """All alerts, each with a threshold that is never reached, or always, or what it watches for taken away."""
    changed = ""
    for part in re.split(r"^(?= *- alert: )", alerts, flags=re.M):
        expression, labels, rest = part.partition("labels: ")
        if not part.lstrip().startswith("- alert: "):
            changed += part
            continue
        if "absent(" in expression:
            expression = re.sub(r"absent.*", "vector(1) < 0" if what == "never" else "vector(1)", expression)
        elif what == "never":
            expression = re.sub(r"(> |== )[\d.]+", r"\g<1>1e9", expression)
        else:
            expression = re.sub(r" (>|==) (-?[\d.]+)\b(?! \*)", r" >= bool 0", expression.replace('{state="missing"}', ""))
        changed += expression + labels + rest
    return changed


def self_test():
    code = tried = 0
    alerts = ALERTS.read_text()
    names = set(blocks(alerts, "alert"))
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for part in ("deploy/prometheus", "tests/alerts"):
            shutil.copytree(ROOT / part, work / part, ignore=shutil.ignore_patterns("__pycache__"))
        for what in ("never", "always"):
            (work / "deploy/prometheus/swaptrail.alerts.yml").write_text(wrong(alerts, what))
            tried += len(names)
            refused, complaint = promtool("check", "rules", "swaptrail.alerts.yml", folder=work / "deploy/prometheus")
            if refused:
                print(f"{what}: not even rules: {complaint}")
                code = 1
                continue
            # each is tested by itself: what another one does makes no difference
            said = promtool("test", "rules", *TESTS, folder=work / "tests/alerts")[1]
            for name in sorted(names - set(re.findall(r"alertname: ?(\w+), time: ", said))):
                print(f"not noticed: {name} {what}")
                code = 1
    for series in ("swaptrail_violations{job=\"a\"}", "swaptrail_aborts_total{job=\"a\", cause=\"b\"}"):
        tried += 1
        if len(list(series_problems(f"series: '{series}'"))) != 1:
            print(f"not noticed: {series}")
            code = 1
    print(f"{tried} wrong alerts and series were tried")
    return code


def main():
    if not shutil.which("promtool"):
        print("skipped: promtool (Debian's package prometheus) is missing")
        return 75
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    problems = list(own_problems())
    for arguments in (["check", "rules", *sorted(map(str, RULES.glob("*.rules.yml"))), str(ALERTS)],
                      ["check", "config", str(RULES / "prometheus.yml")], ["test", "rules", *TESTS]):
        code, text = promtool(*arguments)
        if code != 0:
            problems.append(text)
    count = len(blocks(ALERTS.read_text(), "alert"))
    print("\n".join(problems + [f"{count} alerts, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
