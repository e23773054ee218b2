#!/usr/bin/env python3
"""Asks a running Prometheus everything that the dashboards and rules ask, and names what stays empty.

    evaluate.py [--url URL] [--minutes N] [--vmstat BEFORE AFTER]

Variables are filled in as Grafana does, with all jobs and instances, and with each value in turn where
only one is chosen at a time. A panel is empty if no expression of it has a value in the last N minutes
(10), or if a label of its legend is missing in a result. --vmstat: two copies of /proc/vmstat, before
the daemon started and after all was quiet again: the counters have to agree with them to the page. Exit codes: 0, 1 something is empty or differs, 2 Prometheus does not answer.
"""

import argparse
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
from check import ROOT, filled_in, panels  # noqa: E402

STEP_S = 15


class Prometheus:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def ask(self, path, **parameters):
        data = urllib.parse.urlencode(parameters).encode()
        question = f"{self.url}/api/v1/{path}" + (f"?{data.decode()}" if parameters and path == "rules" else "")
        try:
            with urllib.request.urlopen(question, data if path.startswith("query") else None, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error

    def values(self, expression, seconds):
        """The series that have a number at some time within the last so many seconds."""
        now = time.time()
        series = self.ask("query_range", query=expression, start=now - seconds, end=now, step=STEP_S)["result"]
        return [each for each in series if any(not math.isnan(float(value)) for _, value in each["values"])]

    def newest(self, expression):
        """The sum of the newest values; None if there are none."""
        series = self.ask("query", query=expression)["result"]
        return sum(float(each["value"][1]) for each in series) if series else None


def choices(dashboard, prometheus):
    """The variables of which one value is chosen at a time, and each of their values."""
    result = [{}]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query" or variable["multi"]:
            continue
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        found = prometheus.ask("query", query=f"count by ({label}) ({filled_in(metric, ALL)})")["result"]
        result = [{variable["name"]: each["metric"][label]} for each in found] or [{variable["name"]: "none"}]
    return result


ALL = {"job": ".+", "instance": ".+"}


def target_problem(prometheus, target, values, seconds):
    """Why a query shows nothing, or None."""
    expression = filled_in(target["expr"], {**ALL, **values, "__range": f"{seconds}s"})
    try:
        found = prometheus.values(expression, seconds)
    except ValueError as error:
        return f"{error}: {expression}"
    if not found:
        return f"no value: {expression}"
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        if not any(label in each["metric"] for each in found):
            return f"no label {label}: {expression}"
    return None


def panel_problems(prometheus, path, seconds):
    dashboard = json.loads(path.read_text())
    for panel in panels(dashboard):
        for target in panel["targets"]:
            answers = [target_problem(prometheus, target, values, seconds) for values in choices(dashboard, prometheus)]
            if all(answers):
                yield f"{path.stem}/{panel['title']}", answers[0]


def rule_problems(prometheus, seconds):
    """Recording rules have recorded something, and for alerts each metric is there, firing or not."""
    groups = prometheus.ask("rules")["groups"]
    if not groups:
        yield "rules", "Prometheus has none"
    for rule in [rule for group in groups for rule in group["rules"]]:
        if rule["health"] != "ok":
            yield f"rule/{rule['name']}", f"{rule['health']} {rule.get('lastError', '')}"
        needed = [rule["name"]] if rule["type"] == "recording" else sorted(
            set(re.findall(r"\b[\w:]*swaptrail_\w+[\w:]*|\bup\b", rule["query"])))
        for metric in needed:
            if not prometheus.values(metric, seconds):
                yield f"rule/{rule['name']}", f"no value: {metric}"


def firing(prometheus):
    """No alert fires on a machine that is only a little busy, but for those about swap itself."""
    for group in prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "alerting" and rule["state"] == "firing" and group["name"] != "swaptrail.swap":
                yield f"alert/{rule['name']}", "fires"


def vmstat_problems(prometheus, before, after):
    first, last = (dict(line.split() for line in pathlib.Path(path).read_text().splitlines()) for path in (before, after))
    for counter in ("pswpout", "pswpin"):
        delta = int(last[counter]) - int(first[counter])
        for side in ("kernel", "observed"):
            found = prometheus.newest(f'swaptrail_reconciliation_{side}_pages_total{{counter="{counter}"}}')
            if found != delta:
                yield f"vmstat/{counter}", f"{side} says {found}, /proc/vmstat {delta}"
        print(f"/proc/vmstat: {delta} pages {counter}")
    written = int(last["pswpout"]) - int(first["pswpout"])
    freed = prometheus.newest('swaptrail_swapped_out_pages_total{backend="device"}')
    # What was written is freed, unless it was needed again in between.
    if freed is None or not 0.5 * written <= freed <= written:
        yield "vmstat/freed", f"{freed} pages freed after {written} writes"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--vmstat", nargs=2)
    options = parser.parse_args()
    prometheus, seconds = Prometheus(options.url), int(options.minutes * 60)
    try:
        found = [problem for path in sorted((ROOT / "dashboards").glob("*.json"))
                 for problem in panel_problems(prometheus, path, seconds)]
        found += list(rule_problems(prometheus, seconds)) + list(firing(prometheus))
        found += list(vmstat_problems(prometheus, *options.vmstat)) if options.vmstat else []
    except (urllib.error.URLError, ConnectionError) as error:
        print(f"Prometheus at {options.url} does not answer: {error}")
        return 2
    for where, why in found:
        print(f"{where}: {why}")
    print(f"{len(found)} empty or wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
