"""Panels, rows and dashboards in Grafana's JSON (schema 42), all in one style. Used by generate.py."""

import dataclasses
import json

SCHEMA = 42
PLUGIN = "13.2.3"  # the Grafana whose panel options these are
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'job=~"$job", instance=~"$instance"'
WIDTH = 24
GREEN, YELLOW, RED = "green", "yellow", "red"


# ---- PromQL ------------------------------------------------------------------------------------

def sel(metric, more="", prefix="swaptrail_"):
    """The series of the chosen jobs and instances."""
    return f"{prefix}{metric}{{{CHOSEN}{', ' if more else ''}{more}}}"


def rate(metric, more="", prefix="swaptrail_"):
    return f"rate({sel(metric, more, prefix)}[$__rate_interval])"


def over_range(metric, more=""):
    """The increase over all of the time that is on the screen."""
    return f"increase({sel(metric, more)}[$__range])"


def quantile(share, metric, labels="", more=""):
    """Of a classic histogram, for each value of the labels."""
    kept = "le" + (f", {labels}" if labels else "")
    return f"histogram_quantile({share}, sum by ({kept}) ({rate(metric + '_bucket', more)}))"


# ---- panels ------------------------------------------------------------------------------------

def targets(queries, **more):
    names = "ABCDEFGH"
    return [{"datasource": SOURCE, "editorMode": "code", "expr": expression, "legendFormat": legend,
             "refId": names[i], **more} for i, (expression, legend) in enumerate(queries)]


def thresholds(warn=None, bad=None, red_below=None):
    steps = [{"color": RED if red_below is not None else GREEN, "value": None}]
    if red_below is not None:
        steps.append({"color": GREEN, "value": red_below})
    for colour, value in ((YELLOW, warn), (RED, bad)):
        if value is not None:
            steps.append({"color": colour, "value": value})
    return {"mode": "absolute", "steps": steps}


def panel(kind, title, description, width, field, options, queries, overrides=(), **more):
    return {"type": kind, "title": title, "description": description, "datasource": SOURCE, "interval": "15s",
            "pluginVersion": PLUGIN, "width": width,
            "fieldConfig": {"defaults": field, "overrides": list(overrides)},
            "options": options, "targets": queries, **more}


def stat(title, description, expression, legend, unit="none", warn=None, bad=None, red_below=None, decimals=None):
    """One number and its past, coloured once it is worth a look."""
    field = {"unit": unit, "color": {"mode": "thresholds"}, "mappings": [], "noValue": "none",
             "thresholds": thresholds(warn, bad, red_below)}
    if decimals is not None:
        field["decimals"] = decimals
    options = {"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
               "percentChangeColorMode": "standard", "showPercentChange": False, "textMode": "auto", "wideLayout": True,
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return panel("stat", title, description, 4, field, options, targets([(expression, legend)]))


def graph(title, description, queries, unit, stack=False, minimum=0, maximum=None):
    """Lines over time; stacked areas where the parts make a whole."""
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 30 if stack else 10,
              "gradientMode": "none", "showPoints": "never", "spanNulls": False, "axisPlacement": "auto",
              "axisLabel": "", "scaleDistribution": {"type": "linear"},
              "stacking": {"group": "A", "mode": "normal" if stack else "none"},
              "thresholdsStyle": {"mode": "off"}}
    field = {"unit": unit, "color": {"mode": "palette-classic"}, "custom": custom, "mappings": [],
             "thresholds": thresholds()}
    field.update({key: value for key, value in (("min", minimum), ("max", maximum)) if value is not None})
    options = {"legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom",
                          "showLegend": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, 12, field, options, targets(queries))


def heatmap(title, description, histogram, more=""):
    query = f"sum by (le) ({rate(histogram + '_bucket', more)})"
    options = {"calculate": False, "cellGap": 1, "cellValues": {"unit": "ops"},
               "color": {"exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False,
                         "scale": "exponential", "scheme": "Oranges", "steps": 64},
               "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9},
               "legend": {"show": True}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
               "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
               "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"}}
    field = {"unit": "ops", "custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False},
                                       "scaleDistribution": {"type": "linear"}}}
    return panel("heatmap", title, description, 12, field, options, targets([(query, "{{le}}")], format="heatmap"))


def bars(title, description, expression, legend, unit):
    """The largest, longest bar first."""
    field = {"unit": unit, "min": 0, "decimals": 0, "color": {"mode": "continuous-BlPu"}, "mappings": [],
             "thresholds": thresholds()}
    options = {"displayMode": "basic", "maxVizHeight": 300, "minVizHeight": 16, "minVizWidth": 8,
               "namePlacement": "auto", "orientation": "horizontal", "showUnfilled": True, "sizing": "auto",
               "valueMode": "color", "legend": {"calcs": [], "displayMode": "list", "placement": "bottom",
                                                "showLegend": False},
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return panel("bargauge", title, description, 12, field, options,
                 targets([(expression, legend)], instant=True, range=False))


def table_of(title, description, queries, width, unit, cells, mode, steps, overrides=()):
    custom = {"align": "auto", "inspect": False, "cellOptions": cells}
    field = {"unit": unit, "custom": custom, "mappings": [], "thresholds": thresholds(), "color": {"mode": mode}}
    asked = targets([(expression, "") for _, expression in queries], format="table", instant=True, range=False)
    for target, (name, _) in zip(asked, queries):
        target["refId"] = name
    return panel("table", title, description, width, field,
                 {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}, asked, overrides, transformations=steps)


def table(title, description, queries, hide=(), names=None, units=None):
    """The newest values. queries: (name, expression); several are merged into rows by their common labels.
    hide, names, units: by the name of the column, `Value #NAME` where there are several queries."""
    steps = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    steps.append({"id": "organize", "options": {"excludeByName": {name: True for name in ["Time", *hide]},
                                                "indexByName": {}, "renameByName": names or {}}})
    # The override is matched after the column has got its name.
    overrides = [{"matcher": {"id": "byName", "options": (names or {}).get(name, name)},
                  "properties": [{"id": "unit", "value": unit}]} for name, unit in (units or {}).items()]
    return table_of(title, description, queries, 12, "none", {"type": "auto"}, "thresholds", steps, overrides)


def matrix(title, description, expression, rows, columns, unit="short"):
    """The newest values, with a label for the rows and one for the columns; the larger, the redder."""
    steps = [{"id": "groupingToMatrix", "options": {"rowField": rows, "columnField": columns, "valueField": "Value",
                                                    "emptyValue": "zero"}}]
    return table_of(title, description, [("A", expression)], WIDTH, unit,
                    {"type": "color-background", "mode": "gradient"}, "continuous-YlRd", steps)


# ---- dashboards --------------------------------------------------------------------------------

@dataclasses.dataclass
class Row:
    title: str
    panels: list
    height: int = 8


def placed(rows):
    """Left to right, then down; the order of the panels is theirs in the row."""
    result, y, number = [], 0, 1
    for row in rows:
        result.append({"type": "row", "id": number, "title": row.title, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}})
        number, y, x = number + 1, y + 1, 0
        for each in row.panels:
            width = each["width"]
            if x + width > WIDTH:
                x, y = 0, y + row.height
            result.append({"id": number, "gridPos": {"h": row.height, "w": width, "x": x, "y": y},
                           **{key: value for key, value in each.items() if key != "width"}})
            number, x = number + 1, x + width
        y += row.height
    return result


def choice(name, label, query, several=True):
    """A variable whose values Prometheus knows."""
    variable = {"name": name, "label": label, "type": "query", "datasource": SOURCE, "hide": 0, "refresh": 2, "sort": 1,
                "regex": "", "options": [], "skipUrlSync": False, "includeAll": several, "multi": several,
                "definition": query, "query": {"qryType": 1, "query": query, "refId": f"{name}-values"}}
    if several:
        variable.update({"allValue": ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}})
    return variable


@dataclasses.dataclass
class Dashboard:
    name: str
    title: str
    description: str
    rows: list
    variables: tuple = ()  # (name, label, metric that has it, several at once)

    def asked(self):
        source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
                  "refresh": 1, "regex": "", "options": [], "includeAll": False, "multi": False, "skipUrlSync": False}
        job = choice("job", "Job", "label_values(swaptrail_build_info, job)")
        instance = choice("instance", "Instance", 'label_values(swaptrail_build_info{job=~"$job"}, instance)')
        return [source, job, instance] + [
            choice(name, label, f"label_values({sel(metric)}, {name})", several)
            for name, label, metric, several in self.variables]

    def json(self):
        others = {"title": "swaptrail", "type": "dashboards", "tags": ["swaptrail"], "icon": "external link",
                  "asDropdown": False, "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "",
                  "url": ""}
        restarts = {"name": "Attached", "datasource": SOURCE, "enable": True, "hide": False, "iconColor": "purple",
                    "target": {"expr": f"changes({sel('start_time_seconds')}[$__rate_interval]) > 0",
                               "interval": "15s", "refId": "Attached"},
                    "titleFormat": "swaptraild attached", "textFormat": "{{instance}}"}
        return json.dumps({
            "uid": f"swaptrail-{self.name}", "title": self.title, "description": self.description, "id": None,
            "tags": ["swaptrail", "swap", "memory"], "schemaVersion": SCHEMA, "version": 1, "editable": False,
            "timezone": "browser", "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
            "graphTooltip": 1, "fiscalYearStartMonth": 0, "weekStart": "", "liveNow": False, "preload": False,
            "links": [others], "annotations": {"list": [restarts]}, "templating": {"list": self.asked()},
            "panels": placed(self.rows)}, indent=2, ensure_ascii=False) + "\n"
