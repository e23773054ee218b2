#!/usr/bin/env python3
"""Rules for the dashboards: those of Grafana's dashboard-linter, and ours.

    check.py [--self-test] [DASHBOARD.json ...]     all of dashboards/ by default

Prints a line for each broken rule; exit code 1 if there is one. Expressions are parsed by promtool, and
left unparsed, with a word about it, where that is missing. --self-test breaks each rule once and exits 1
if that is not noticed.
"""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from exporter import AREAS, METRICS, OTHERS, SIZES, label_names, served  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = "${datasource}"
UNITS = {"none", "short", "percentunit", "s", "bytes", "Bps", "pps", "ops"}  # the linter knows more; we need these
CHOSEN = {"job": "$job", "instance": "$instance"}
PLACES = {"__rate_interval": "1m", "__range": "1h", "__interval": "15s"}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}(\[[^]]*\])?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel, target["expr"]


def frame(dashboard, name):
    wanted = {"uid": f"swaptrail-{name}", "editable": False, "refresh": "30s", "timezone": "browser", "id": None}
    for key, value in wanted.items():
        if dashboard.get(key, "?") != value:
            yield f"{key} is not {value!r}"
    if "swaptrail" not in dashboard.get("tags", []):
        yield "no tag swaptrail"
    if not any("swaptrail" in link["tags"] for link in dashboard.get("links", [])):
        yield "no link to the other dashboards"
    if not dashboard.get("description"):
        yield "no description"


def variables(dashboard, _):
    known = {each["name"]: each for each in dashboard["templating"]["list"]}
    source = known.get("datasource", {})
    if (source.get("type"), source.get("query"), source.get("label")) != ("datasource", "prometheus", "Data source"):
        yield "template-datasource: no variable for the data source"
    for name in CHOSEN:
        each = known.get(name, {})
        if each.get("type") != "query" or each.get("datasource", {}).get("uid") != SOURCE:
            yield f"template-{name}: no query variable {name}"
        elif not (each.get("multi") and each.get("includeAll") and each.get("allValue") == ".+"):
            yield f"template-{name}: not several values, or its All is not .+"
        elif each.get("label") != name.capitalize():
            yield f"template-{name}: not labelled {name.capitalize()}"
    for each in known.values():
        if each["type"] == "query" and each.get("refresh") != 2:
            yield f"template-on-time-change-reload: {each['name']}"
    text = json.dumps([dashboard["panels"], [each.get("query") for each in known.values()]])
    for name in known:
        if f"${name}" not in text and f"${{{name}}}" not in text:
            yield f"template-unused: {name}"


def texts(dashboard, _):
    titles = [panel["title"] for panel in panels(dashboard)]
    for panel in panels(dashboard):
        title = panel.get("title")
        if not title or not panel.get("description"):
            yield f"panel-title-description: {title or 'panel ' + str(panel['id'])}"
        elif titles.count(title) > 1:
            yield f"two panels are called {title}"
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"panel-units: {title}"
        if panel.get("interval") != "15s":
            yield f"{title}: no minimum interval"


def queries(dashboard, _):
    for panel in panels(dashboard):
        title = panel["title"]
        if not panel.get("targets"):
            yield f"panel-no-targets: {title}"
        for target in panel.get("targets", []):
            if panel["datasource"]["uid"] != SOURCE or target["datasource"]["uid"] != SOURCE:
                yield f"panel-datasource: {title}"
            if not target["legendFormat"] and panel["type"] != "table":
                yield f"{title}: no legend"


def placing(dashboard, _):
    taken, ids = {}, set()
    for panel in dashboard["panels"]:
        if panel["id"] in ids:
            yield f"two panels have the number {panel['id']}"
        ids.add(panel["id"])
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{panel['title']}: beyond the right edge"
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            if cell in taken:
                yield f"{panel['title']} lies on {taken[cell]}"
                break
            taken[cell] = panel["title"]


def selectors(dashboard, _):
    for panel, text in expressions(dashboard):
        for metric, inside, span in SELECTOR.findall(text):
            where = f"{panel['title']}: {metric}"
            matchers = {name: (how, value) for name, how, value in MATCHER.findall(inside)}
            for label, value in CHOSEN.items():
                if matchers.get(label) != ("=~", value):
                    yield f"target-{label}: {where}"
            labels = {"job", "instance"} if metric == "up" else label_names(metric)
            if labels is None:
                yield f"{where}: no such metric"
                continue
            for label in sorted(matchers.keys() - labels - CHOSEN.keys()):
                yield f"{where}: has no label {label}"
            before = re.search(r"(\w+)\($", text[:text.index(f"{metric}{{{inside}}}{span}")])
            if re.search(r"_(total|bucket|sum|count)$", metric) and (
                    not span or before is None or before[1] not in ("rate", "increase")):
                yield f"target-counter-agg: {where}"
            if before and before[1] in ("rate", "irate") and span != "[$__rate_interval]":
                yield f"target-rate-interval: {where}"
        if re.search(r"(swaptrail|process)_\w+(?![\w{])", text):
            yield f"{panel['title']}: a metric without job and instance"


def filled_in(text, values):
    """The expression as Prometheus gets it."""
    for name, value in {**PLACES, **values}.items():
        text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _, value=value: value, text)
    return text


def parsed(dashboard, name):
    """target-promql: as if they were rules, which promtool parses."""
    if not shutil.which("promtool"):
        return
    rules = [{"record": f"panel{panel['id']}", "expr": filled_in(text, {"job": ".+", "instance": ".+", "stage": "x"})}
             for panel, text in expressions(dashboard)]
    for i, rule in enumerate(rules):
        rule["labels"] = {"number": str(i)}  # or they would be duplicates
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix=name) as file:  # JSON is YAML
        json.dump({"groups": [{"name": "all", "rules": rules}]}, file)
        file.flush()
        done = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if done.returncode != 0:
        yield f"target-promql: {done.stderr.strip() or done.stdout.strip()}"


RULES = [frame, variables, texts, queries, placing, selectors, parsed]


def problems(dashboard, name):
    return [f"{name}: {text}" for rule in RULES for text in rule(dashboard, name)]


def unshown(paths):
    """Metrics that no panel shows: perhaps forgotten."""
    text = "".join(path.read_text() for path in paths)
    fine = {"process_virtual_memory_bytes", "process_max_fds", "process_start_time_seconds"}
    return [f"no panel shows {metric}" for metric in METRICS if metric not in text and metric not in fine]


def made_for_nothing(sizes, others, areas):
    """What the exporter makes up for metrics and labels that the daemon has not."""
    labels = {name: set(names) for name, (_, names) in served().items()}
    given = {**{name: set() for name in sizes}, **{name: set(own) for name, own in others.items()},
             "swaptrail_swap_area_info": set(areas[0])}
    for name, own in sorted(given.items()):
        if name not in labels:
            yield f"exporter.py: no such metric: {name}"
        else:
            yield from (f"exporter.py: {name} has no label {label}" for label in sorted(own - labels[name]))


def break_expression(old, new):
    def change(dashboard):
        target = next(target for panel in panels(dashboard) for target in panel["targets"] if old in target["expr"])
        target["expr"] = target["expr"].replace(old, new)
    return change


def break_key(key, value, first=lambda dashboard: dashboard):
    return lambda dashboard: first(dashboard).update({key: value})


FIRST = lambda dashboard: panels(dashboard)[0]  # noqa: E731
VARIABLE = lambda i: lambda dashboard: dashboard["templating"]["list"][i]  # noqa: E731
BREAKS = {
    "uid": break_key("uid", "x"), "editable": break_key("editable", True), "refresh": break_key("refresh", "5s"),
    "timezone": break_key("timezone", "utc"), "id is": break_key("id", 7), "no tag": break_key("tags", []),
    "no link": break_key("links", []), "no description": break_key("description", ""),
    "template-datasource": break_key("query", "loki", VARIABLE(0)),
    "template-job": break_key("allValue", ".*", VARIABLE(1)),
    "template-instance": break_key("multi", False, VARIABLE(2)),
    "template-on-time-change-reload": break_key("refresh", 1, VARIABLE(2)),
    "template-unused": lambda dashboard: dashboard["templating"]["list"].append({"name": "x", "type": "textbox"}),
    "panel-title-description": break_key("description", "", FIRST), "are called": break_key("title", "Fault latency", FIRST),
    "panel-units": lambda dashboard: FIRST(dashboard)["fieldConfig"]["defaults"].pop("unit"),
    "no minimum interval": break_key("interval", "", FIRST), "panel-no-targets": break_key("targets", [], FIRST),
    "panel-datasource": break_key("datasource", {"uid": "mine"}, FIRST),
    "no legend": lambda dashboard: FIRST(dashboard)["targets"][0].update(legendFormat=""),
    "two panels have the number": break_key("id", 3, FIRST), "lies on": break_key("gridPos", {"h": 4, "w": 9, "x": 0, "y": 1}, FIRST),
    "beyond": break_key("gridPos", {"h": 1, "w": 5, "x": 22, "y": 900}, FIRST),
    "target-job": break_expression('job=~"$job", ', ""), "target-instance": break_expression('"$instance"', '"a"'),
    "no such metric": break_expression("swaptrail_swap_area_used_bytes", "swaptrail_swap_area_unused_bytes"),
    "has no label": break_expression('outcome=~', 'kind=~'), "target-counter-agg": break_expression("rate(", "avg_over_time("),
    "target-rate-interval": break_expression("$__rate_interval", "5m"),
    "a metric without": break_expression('swaptrail_swap_area_info{job=~"$job", instance=~"$instance"}', "swaptrail_swap_area_info"),
    "target-promql": break_expression("sum(", "summ("),
}


def self_test():
    whole = json.loads((ROOT / "dashboards/overview.json").read_text())
    code = 0
    for word, change in BREAKS.items():
        broken = copy.deepcopy(whole)
        change(broken)
        if not any(word in text for text in problems(broken, "overview")):
            print(f"not noticed: {word}")
            code = 1
    name = "swaptrail_failed_faults_total"
    made = {"no metric": ({**SIZES, "swaptrail_x": 1}, OTHERS, AREAS), "no metric's label": (SIZES, {"swaptrail_x": {}}, AREAS),
            "no label": (SIZES, {**OTHERS, name: {"x": []}}, AREAS), "no area's label": (SIZES, OTHERS, [{"area": "", "x": ""}])}
    for word, given in made.items():
        if len(list(made_for_nothing(*given))) != 1:
            print(f"not noticed: {word} in the exporter")
            code = 1
    print(f"{len(BREAKS)} ways to break a dashboard were tried, {len(made)} to break the exporter")
    return code


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    given = [pathlib.Path(name) for name in sys.argv[1:]]
    paths = given or sorted((ROOT / "dashboards").glob("*.json"))
    found = [text for path in paths for text in problems(json.loads(path.read_text()), path.stem)]
    found += [] if given else [*unshown(paths), *made_for_nothing(SIZES, OTHERS, AREAS)]
    print("\n".join(found + [f"{len(paths)} dashboards, {len(found)} rules broken" +
                             ("" if shutil.which("promtool") else "; promtool is missing, nothing was parsed")]))
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
