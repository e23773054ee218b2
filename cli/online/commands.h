// The commands that ask a running swaptraild, in the order of --help: one table. A test checks docs/CLI.md against it.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::top {
void add_top(CLI::App& app, int& code);  // in a room of its own, above this one
}  // namespace swaptrail::top

namespace swaptrail::online {

// Each adds its subcommand. `code` gets the exit code and must outlive `app`.
void add_status(CLI::App& app, int& code);
void add_trace(CLI::App& app, int& code);
void add_list(CLI::App& app, int& code);
void add_page(CLI::App& app, int& code);
void add_stats(CLI::App& app, int& code);
void add_matrix(CLI::App& app, int& code);
void add_areas(CLI::App& app, int& code);
void add_holders(CLI::App& app, int& code);
void add_swapoff_plan(CLI::App& app, int& code);
void add_readahead(CLI::App& app, int& code);
void add_violations(CLI::App& app, int& code);
void add_pageout(CLI::App& app, int& code);
void add_flight(CLI::App& app, int& code);

struct Command {
  const char* name;
  void (*add)(CLI::App& app, int& code);
  const char* overhead;  // what it costs: a section of its manual page
};

inline constexpr const char* kOfStore =
    "The answer comes from swaptraild's memory; reclaim is not touched, and no hook runs more often. "
    "A query looks at each lifecycle in the store once, or only at the parts whose time fits --since "
    "and --until. It does so on a thread of its own at the cost of one CPU for that time, and what it "
    "looks at can't be thrown away meanwhile.";
inline constexpr const char* kOfReading =
    "A single small answer from what swaptraild keeps anyway. A call each second is no load.";

inline constexpr Command kCommands[] = {
    {"status", add_status, kOfReading},
    {"trace", add_trace,
     "Each lifecycle that matches is read from the store for each watcher, and sent. A reader "
     "that is too slow loses lifecycles, which is reported; it never slows swaptraild's pipeline or the "
     "kernel. On a host that swaps out 100,000 pages a second a filter saves most of the cost: what "
     "does not match is not sent."},
    {"list", add_list, kOfStore},
    {"page", add_page,
     "Reads one entry of /proc/PID/pagemap and of /proc/kpageflags, asks the pipeline for what is in "
     "flight, and looks the page up in the store."},
    {"top", top::add_top,
     "A copy of one table of swaptraild's counters in each interval: at most 4096 rows, whatever the "
     "store holds and however much is swapped. Nothing is asked while it pauses."},
    {"stats", add_stats, kOfStore},
    {"matrix", add_matrix, kOfStore},
    {"areas", add_areas,
     "Sums up a table of who holds swap that swaptraild keeps anyway, and reads /proc/swaps. For the ages it "
     "looks at each used slot, at most every five seconds: some 10 ms for a million."},
    {"holders", add_holders,
     "Sums up a table of who holds swap that swaptraild keeps anyway, as large as there are owners, "
     "and reads /proc/swaps. A call each second is no load: the ages, for which each used slot is looked at, are up "
     "to five seconds old."},
    {"swapoff-plan", add_swapoff_plan,
     "As holders; and it reads two files of /sys/fs/cgroup for each cgroup that it shows, and those above."},
    {"readahead", add_readahead, kOfReading},
    {"violations", add_violations, kOfReading},
    {"pageout", add_pageout,
     "Not free, and meant so: the kernel unmaps and writes each page of the range, and the process "
     "waits for a fault each time it needs one again. Writing a GiB to a slow device can hold up "
     "other I/O for seconds."},
    {"flight", add_flight,
     "Writes up to the flight recorder's size to the disk at once; the pipeline thread does it, so "
     "rings fill meanwhile."},
};

}  // namespace swaptrail::online
