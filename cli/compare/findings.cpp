#include "cli/compare/findings.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace swaptrail::compare {
namespace {

using engine::Comparison;
using engine::GenerationCounters;

constexpr double kFar = 2;            // times the optimum
constexpr double kNearlyEvery = 0.8;  // of the accesses
constexpr double kMost = 0.5;         // of what was read

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// "of 100": whole ones, and a decimal below 10.
std::string of_100(double share) {
  return absl::StrFormat("%.*f", share < 0.095 ? 1 : 0, share * 100);
}

struct Seen {
  const std::string& name;
  const GenerationCounters& counters;
  uint64_t best = 0;  // what the optimum reads
  double times() const { return share(counters.swapped_in, best); }
  // First touches can't be had from swap.
  uint64_t accesses() const { return counters.steps - counters.first_touches; }
};

std::optional<std::string> of_reads(const Seen& seen) {
  if (seen.best == 0 && seen.counters.swapped_in > 0)
    return absl::StrCat(seen.name, ": read ", seen.counters.swapped_in,
                        " pages, where the optimum reads none.");
  if (seen.times() < kFar) return std::nullopt;
  return absl::StrFormat(
      "%s: %.1f times the optimum. It read %s pages for 100 accesses, where %s have to be read.",
      seen.name, seen.times(), of_100(share(seen.counters.swapped_in, seen.accesses())),
      of_100(share(seen.best, seen.accesses())));
}

// Nearly every access needs a page that is not there. Of what readahead brings, only what was used counts.
bool is_like_a_queue(const Seen& seen) {
  const uint64_t needed = seen.counters.major_faults + seen.counters.readahead_hits;
  return seen.best > 0 && seen.times() >= kFar && share(needed, seen.accesses()) >= kNearlyEvery;
}

void add_queues(const std::vector<Seen>& all, std::vector<std::string>& lines) {
  std::string names;
  for (const Seen& seen : all)
    if (is_like_a_queue(seen)) absl::StrAppend(&names, names.empty() ? "" : ", ", seen.name);
  if (names.empty()) return;
  lines.push_back(absl::StrCat(
      "Like a queue on a loop that is just over the memory, what these throw away is what is needed "
      "next, at nearly every access: ",
      names, "."));
}

std::optional<std::string> of_readahead(const Seen& seen) {
  const uint64_t ahead = seen.counters.readahead;
  const double hits = share(seen.counters.readahead_hits, ahead);
  if (seen.times() < kFar || share(ahead, seen.counters.swapped_in) < kMost || hits >= kMost)
    return std::nullopt;
  return absl::StrFormat(
      "%s: of 100 pages that it read, %s came by readahead; of 100 of those, %s were used.",
      seen.name, of_100(share(ahead, seen.counters.swapped_in)), of_100(hits));
}

std::optional<std::string> of_writes(const Seen& seen) {
  if (seen.best != 0 || seen.counters.swapped_out == 0) return std::nullopt;
  return absl::StrCat(seen.name, ": wrote ", seen.counters.swapped_out,
                      " pages, where none would have to leave memory to be read again.");
}

std::optional<std::string> of_kills(const Seen& seen) {
  if (seen.counters.killed == 0) return std::nullopt;
  return absl::StrCat(
      seen.name, ": killed ", seen.counters.killed,
      seen.counters.killed == 1 ? " process" : " processes",
      " for want of memory; the steps that this left out are missing from its row.");
}

// Of those that killed nobody, who read least and most.
void add_summary(const std::vector<Seen>& all, std::vector<std::string>& lines) {
  std::vector<const Seen*> whole;
  for (const Seen& seen : all)
    if (seen.counters.killed == 0) whole.push_back(&seen);
  if (whole.empty()) return;
  const auto [least, most] = std::ranges::minmax_element(
      whole, {}, [](const Seen* seen) { return seen->counters.swapped_in; });
  const uint64_t best = whole.front()->best;
  if ((*most)->counters.swapped_in == best) {
    lines.push_back(
        absl::StrCat("Every generation reads as few pages as the optimum: ", best, "."));
    return;
  }
  if (best == 0 || whole.size() < 2) return;
  lines.push_back(
      absl::StrFormat("Nearest to the optimum: %s, %.2f times its reads. Farthest: %s, %.2f times.",
                      (*least)->name, (*least)->times(), (*most)->name, (*most)->times()));
}

}  // namespace

std::vector<std::string> findings(const Comparison& comparison) {
  std::vector<Seen> all;
  for (const Comparison::Column& column : comparison.columns())
    all.push_back(
        {column.name, column.generation->counters(), comparison.optimum().counters().reads});
  std::vector<std::string> lines;
  add_summary(all, lines);
  add_queues(all, lines);
  for (const Seen& seen : all)
    for (const auto& finding : {of_reads, of_readahead, of_writes, of_kills})
      if (std::optional<std::string> line = finding(seen)) lines.push_back(*std::move(line));
  return lines;
}

}  // namespace swaptrail::compare
