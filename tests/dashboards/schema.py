#!/usr/bin/env python3
"""Are the dashboards what Grafana's own schema says a dashboard is? Asks its TypeScript types.

    schema.py [DASHBOARD.json ...]     all of dashboards/ by default

Each panel is written out as a literal of the type for its kind, and the rest of the dashboard as one
more; tsc reports what is missing, misspelt or has a wrong value. @grafana/schema and tsc come from npm,
in the versions of package.json, into the cache folder of tests/npm.sh.
Exit codes: 0 they are, 1 they are not, 75 npm or node can't be had.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(75)


def packages():
    """The node_modules folder with what package.json names."""
    done = subprocess.run([HERE.parent / "npm.sh", HERE], capture_output=True, text=True)
    if done.returncode == 75:
        skip((done.stderr.strip().splitlines() or ["npm install failed"])[-1])
    done.check_returncode()
    return pathlib.Path(done.stdout.strip())


def literals(path):
    """The dashboard as TypeScript, and for each line the panel that it is about."""
    dashboard = json.loads(path.read_text())
    panels = dashboard.pop("panels")
    lines = ["import type { Frame, Panels } from './panels';"]
    about = ["the file"]
    for variable, kind, value in [("frame", "Frame", dashboard)] + [
            (f"panel{i}", f"Panels[{json.dumps(panel['type'])}]", panel) for i, panel in enumerate(panels)]:
        text = f"export const {variable}: {kind} = {json.dumps(value, indent=1, ensure_ascii=False)};"
        name = f"panel '{value['title']}'" if variable != "frame" else "dashboard"
        lines += text.split("\n")
        about += [name] * text.count("\n") + [name]
    return "\n".join(lines) + "\n", about


def main():
    paths = [pathlib.Path(name) for name in sys.argv[1:]] or sorted((HERE.parents[1] / "dashboards").glob("*.json"))
    if not shutil.which("node"):
        skip("node is missing")
    modules = packages()
    abouts = {}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "node_modules").symlink_to(modules)
        shutil.copy(HERE / "panels.ts", work)
        for path in paths:
            text, abouts[path.stem] = literals(path)
            (work / f"{path.stem}.ts").write_text(text)
        (work / "tsconfig.json").write_text(json.dumps({
            "compilerOptions": {"strict": True, "noEmit": True, "module": "esnext", "moduleResolution": "bundler",
                                "target": "es2022", "types": [], "skipLibCheck": True},
            "files": [f"{path.stem}.ts" for path in paths]}))
        done = subprocess.run(["node", modules / "typescript/bin/tsc", "-p", work, "--pretty", "false"],
                              cwd=work, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        found = re.match(r"([\w-]+)\.ts\((\d+),\d+\): (.*)", line)
        print(f"{found[1]}.json: {abouts[found[1]][int(found[2]) - 1]}: {found[3]}" if found else line)
    if done.returncode == 0:
        print(f"{len(paths)} dashboards are of the schema of Grafana "
              f"{json.loads((HERE / 'package.json').read_text())['dependencies']['@grafana/schema']}")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
