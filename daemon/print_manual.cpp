// Writes swaptraild(8) to standard output.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "daemon/options/options.h"
#include "manual/manual.h"

int main() {
  swaptrail::options::Options options;
  CLI::App app("", "swaptraild");
  swaptrail::options::define_options(app, options);
  swaptrail::manual::ManualTexts texts;
  texts.section = 8;
  texts.version = SWAPTRAIL_VERSION;
  texts.overhead = {
      "While nothing is swapped swaptraild wakes 40 times a second to look at the rings, and once a "
      "second to read its own totals and /proc/vmstat. Its memory is that of the rings (--ring-size for "
      "each CPU), of the store (--store), and of the pages that are on their way or in swap.",
      "For each page that is swapped out some ten records of 104 bytes are made. docs/KERNELS.md has "
      "what that costs the workload, measured by kernel and mode. --bpf-statistics and --validate cost "
      "more; --print=none costs least.",
      "A full ring loses records, never the kernel's time: what was lost is counted, reported in the "
      "lifecycles that it touches, and shown in the metrics."};
  texts.see_also = {"swaptrail(1)", "swaptrail-status(1)", "swaptrail-top(1)", "bpf(2)",
                    "swapon(8)"};
  const bool written = std::fputs(swaptrail::manual::manual_page(app, texts).c_str(), stdout) >= 0;
  return written && std::fflush(stdout) == 0 ? 0 : 1;
}
