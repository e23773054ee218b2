"""A gRPC client that is not ours: Node.js with @grpc/grpc-js, which learns the API by reflection."""

import functools
import json
import os
import subprocess

import lab

FOLDER = lab.ROOT / "tests" / "client"
TRACE, CONTROL = "swaptrail.v1.TraceService", "swaptrail.v1.ControlService"


@functools.cache
def packages():
    """(folder of the npm packages, "") or (None, why not)."""
    done = subprocess.run([lab.ROOT / "tests" / "npm.sh", FOLDER], capture_output=True, text=True)
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[-1]
    return done.stdout.strip(), ""


class Failed(Exception):
    """The server's status: `code` is its name, such as "NOT_FOUND"."""

    def __init__(self, code, details):
        super().__init__(f"{code}: {details}")
        self.code, self.details = code, details


class Client:
    """`target` as gRPC has it; `environment` for NODE_MODULES, TLS_CA, TLS_CERT, TLS_KEY, DEADLINE_MS."""

    def __init__(self, target, **environment):
        self.target = target
        self.environment = {**os.environ, "NODE_MODULES": packages()[0], **environment}

    def start(self, *arguments, **popen):
        command = ["node", FOLDER / "client.cjs", self.target, *arguments]
        return subprocess.Popen(command, env=self.environment, text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)

    def lines(self, *arguments, **popen):
        with self.start(*arguments, **popen) as process:
            out, err = process.communicate(timeout=120)
        lines = [json.loads(line) for line in out.splitlines()]
        if process.returncode != 0:
            last = lines[-1] if lines else {"status": "NOTHING", "details": err}
            raise Failed(last["status"], last["details"])
        return lines

    def services(self):
        return {one["service"]: one for one in self.lines("list")}

    def call(self, method, request=None, service=TRACE, **popen):
        """The one answer."""
        return self.lines("call", f"{service}/{method}", json.dumps(request or {}), **popen)[0]

    def call_file(self, method, path, service=TRACE):
        """The request is in a file: it may be longer than a command line."""
        return self.lines("call", f"{service}/{method}", f"@{path}")[0]

    def stream(self, method, request=None, limit=0, service=TRACE):
        return self.lines("call", f"{service}/{method}", json.dumps(request or {}), str(limit))
