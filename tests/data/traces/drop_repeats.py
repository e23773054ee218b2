#!/usr/bin/env python3
"""Makes a trace by valgrind's lackey small: standard input to standard output.

What is dropped is what no memory of FRAMES pages or more can notice: instructions, and of three accesses to a page the
one in the middle, if less than FRAMES other pages were accessed between the first and the last, and if it is not the
first to write. That leaves the misses of LRU as they are, and those of Belady's optimum (Kaplan, Smaragdakis, Wilson: "Trace
reduction for virtual memory simulations", 1999: Safely Allowed Drop). What is written is lackey's syntax again, with
the first byte of the page as the address.
"""

import collections
import sys

FRAMES = 64  # the smallest memory of a generation is twice that
PAGE_BITS = 12


def touches(lines):
    """(page, whether it is written) of each access to data; both pages of one that lies in two."""
    for line in lines:
        if line[0] != " ":
            continue
        address, size = line[3:].split(",")
        address = int(address, 16)
        page = address >> PAGE_BITS
        yield page, line[1] != "L"
        last = (address + int(size) - 1) >> PAGE_BITS
        if last != page:
            yield last, line[1] != "L"


class Kept:
    """An access that is written out, unless it turns out to be one in the middle."""
    __slots__ = ("time", "page", "write", "dropped")

    def __init__(self, time, page, write):
        self.time, self.page, self.write, self.dropped = time, page, write, False


def without_repeats(accesses):
    recent = collections.OrderedDict()  # the last FRAMES + 1 pages, with the time of their last access
    last_two = {}  # by page: the accesses to it that were kept last, the older one first
    waiting = collections.deque()  # that may still be dropped
    before = (None, False)
    for time, (page, write) in enumerate(accesses):
        if page == before[0] and write <= before[1]:
            continue
        before = (page, write)
        recent[page] = time
        recent.move_to_end(page)
        if len(recent) > FRAMES + 1:
            recent.popitem(last=False)
        # Of an access at this time or later, less than FRAMES other pages were accessed since.
        since = next(iter(recent.values())) + 1 if len(recent) > FRAMES else 0
        now = Kept(time, page, write)
        first, middle = last_two.get(page, (None, None))
        if first is not None and first.time >= since and first.write >= middle.write:
            middle.dropped = True
            middle = first
        last_two[page] = (middle, now)
        waiting.append(now)
        while waiting and (waiting[0].time < since or waiting[0].dropped):
            one = waiting.popleft()
            if not one.dropped:
                yield one
    yield from (one for one in waiting if not one.dropped)


def main():
    before = (None, False)
    for one in without_repeats(touches(sys.stdin)):
        if one.page == before[0] and one.write <= before[1]:
            continue
        before = (one.page, one.write)
        sys.stdout.write(f" {'S' if one.write else 'L'} {one.page << PAGE_BITS:08x},1\n")


if __name__ == "__main__":
    main()
