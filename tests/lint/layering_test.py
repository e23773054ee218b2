#!/usr/bin/env python3
"""Each rule of layering.py can fail, and does not fail where it should not."""

import pathlib
import tempfile
import unittest

import layering

BROKEN = {  # path: (text, a word of the complaint)
    "trace/a.h": ('#include "daemon/capture/ring.h"\n', "must not include daemon/capture/ring.h"),
    "trace/b.cpp": ("#include <bpf/libbpf.h>\n", "must not include bpf/libbpf.h"),
    "trace/c.cpp": ("#include <unistd.h>\n", "must not include unistd.h"),
    "trace/d.cpp": ("#include <chrono>\n", "no chrono"),
    "trace/e.cpp": ('#include "absl/time/clock.h"\n', "no absl/time/clock.h"),
    "trace/f.cpp": ('#include "engine/model.h"\n', "must not include engine/model.h"),
    "trace/g.cpp": ('#include "bpf/emit.bpf.h"\n', "must not include bpf/emit.bpf.h"),
    "trace/h.cpp": ('#include "decode.h"\n', "must not include decode.h"),
    "engine/a.cpp": ('#include "trace/lifecycles/reconstructor.h"\n', "must not include trace/lifecycles/reconstructor.h"),
    "engine/b.cpp": ("#include <random>\nstd::random_device seed;\n", "no random_device"),
    "engine/c.cpp": ("#include <thread>\n", "no thread"),
    "bpf/a.bpf.c": ('#include "trace/decode.h"\n', "must not include trace/decode.h"),
    "cli/a.cpp": ('#include "daemon/capture/session.h"\n', "must not include daemon/capture/session.h"),
    "cli/b.cpp": ('#include "bpf/event.h"\n', "must not include bpf/event.h"),
    "daemon/swap_utils.cpp": ("", "'utils'"),
    "daemon/b.h": ("class SwapManager {\n};\n", "'manager' (SwapManager)"),
    "daemon/c.h": ("  using EventHelper = int;\n", "'helper' (EventHelper)"),
    "daemon/d.cpp": ('#include "cli/offline/replay.h"\n', "must not include cli/offline/replay.h"),
    "manual/a.cpp": ('#include "cli/offline/replay.h"\n', "must not include cli/offline/replay.h"),
    "validate/a.cpp": ('#include "daemon/capture/session.h"\n', "must not include daemon/capture/session.h"),
    "validate/b.cpp": ("#include <unistd.h>\n", "must not include unistd.h"),
    "cli/c.h": ("#ifndef SWAPTRAIL_CLI_C_H_\n", "#pragma once"),
    "cli/d.cpp": ("  count_++;\n", "++x, not x++"),
    "cli/e.cpp": ("  for (int i = 0; i < 3; i++) f(i);\n", "++x, not x++"),
    "cli/f.cpp": ("  char* name = NULL;\n", "nullptr"),
    "cli/g.cpp": ("typedef int Number;\n", "using"),
    "daemon/host/a.h": ("namespace swaptrail {\n}\n", "its namespace is swaptrail::host"),
    "cli/top/a.cpp": ("namespace swaptrail::online {\n}\n", "its namespace is swaptrail::top"),
    "trace/report/a.h": ("namespace swaptrail::reports {\n}\n", "its namespace is swaptrail::report"),
    "tests/system/helper.py": ("", "'helper'"),
}
FINE = {
    "trace/ok.cpp": '#include "trace/decode.h"\n#include "bpf/event.h"\n#include <vector>\n'
                    '#include "absl/status/status.h"\n// #include "daemon/capture/ring.h"\n'
                    "struct swap_info_struct;\nvoid f(struct page_data *);\nclass EventHandler {\n};\n",
    "engine/ok.cpp": '#include "trace/lifecycle.h"\n#include "engine/slots/slot.h"\n#include <random>\n',
    "bpf/ok.bpf.c": '#include "emit.bpf.h"\n#include <bpf/bpf_helpers.h>\n',
    "bpf/kernel_types.h": "struct swap_info_struct {\n\tint type;\n};\n",
    "daemon/ok.cpp": '#include "engine/slots/slot.h"\n#include <bpf/libbpf.h>\n#include <thread>\n',
    "cli/ok.cpp": '#include "daemon/probe/attach_plan.h"\n#include "trace/report/print.h"\n#include <CLI/CLI.hpp>\n',
    "tests/data/kernels/6.1.btf": "",
    "trace/i.h": "namespace swaptrail {\n}\n",
    "trace/report/i.h": "namespace swaptrail::report::json {\n}\n",
    "engine/slots/i.h": "namespace swaptrail::engine {\n}\n",
    "cli/base/i.h": "namespace swaptrail::cli {\n}\n",
    "cli/online/i.h": "namespace swaptrail::top {\nvoid f();\n}\nnamespace swaptrail::online {\n}\n",
}


class Layering(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def test_broken_rules_are_told(self):
        for path, (text, complaint) in BROKEN.items():
            with self.subTest(path=path):
                self.write(path, text)
                complaints, _ = layering.check(self.root)
                (self.root / path).unlink()
                self.assertEqual(len(complaints), 1, complaints)
                self.assertIn(path, complaints[0])
                self.assertIn(complaint, complaints[0])

    def test_what_is_fine_is_not_told(self):
        for path, text in FINE.items():
            self.write(path, text)
        self.assertEqual(layering.check(self.root), ([], []))

    def test_lengths_warn(self):
        self.write("daemon/long.cpp", "int f() {\n" + "  g();\n" * 80 + "}\n" + "\n" * 400)
        broken, warnings = layering.check(self.root)
        self.assertEqual(broken, [])
        self.assertEqual(len(warnings), 2, warnings)


if __name__ == "__main__":
    unittest.main()
