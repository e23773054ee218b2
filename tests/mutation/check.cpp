#include "tests/mutation/check.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <vector>

namespace swaptrail::mutation {
namespace {

// What is left after removing the common begin and the common end of both, ignoring sequences.
struct Middle {
  size_t begin = 0;
  std::span<const Step> was;
  std::span<const Step> is;
};

Middle middle_of(const Stream& was, const Stream& is) {
  const auto same = [](const Step& a, const Step& b) {
    return (differing_fields(a, b) & ~kSequence) == 0;
  };
  const size_t most = std::min(was.size(), is.size());
  size_t front = 0, back = 0;
  while (front < most && same(was[front], is[front])) ++front;
  while (back < most - front && same(was[was.size() - 1 - back], is[is.size() - 1 - back])) ++back;
  return {front, std::span(was).subspan(front, was.size() - front - back),
          std::span(is).subspan(front, is.size() - front - back)};
}

bool in_order_of_time(const Stream& stream) {
  return std::is_sorted(stream.begin(), stream.end(), [](const Step& a, const Step& b) {
    return a.event.time_ns < b.event.time_ns;
  });
}

// An interrupt between the reservation of a record and its time can swap two of them: so the
// sequences of a CPU need not ascend, but each must occur once.
bool without_gaps(const Stream& stream) {
  std::map<uint16_t, std::vector<uint64_t>> all;
  for (const Step& step : stream) all[step.event.cpu].push_back(step.sequence);
  for (auto& [cpu, sequences] : all) {
    std::sort(sequences.begin(), sequences.end());
    for (size_t i = 1; i < sequences.size(); ++i) {
      if (sequences[i] != sequences[i - 1] + 1) return false;
    }
  }
  return true;
}

// Events without their place in the stream, in some fixed order.
std::vector<Step> sorted_contents(std::span<const Step> steps) {
  std::vector<Step> contents(steps.begin(), steps.end());
  for (Step& step : contents) {
    step.sequence = 0;
    step.event.time_ns = 0;
    step.event.cpu = 0;
  }
  std::sort(contents.begin(), contents.end(), [](const Step& a, const Step& b) {
    return std::memcmp(&a.event, &b.event, sizeof(a.event)) < 0;
  });
  return contents;
}

std::string check_edited(const Original& original, const Damaged& damaged, const Damage& damage) {
  if (original.size() != damaged.stream.size()) return "events more or less";
  uint32_t fields = 0;
  for (size_t i = 0; i < original.size(); ++i)
    fields |= differing_fields(original.stream()[i], damaged.stream[i]);
  if (fields == 0) return "nothing is changed";
  const uint32_t others = fields & ~damage.fields;
  return others == 0 ? "" : "other fields are changed: " + std::to_string(others);
}

std::string check_taken(const Middle& middle, const Damaged& damaged) {
  // if neighbours are alike, the end may have matched by chance
  if (middle.was.size() != middle.is.size() + 1) return "not one event less";
  if (!middle.is.empty()) return "other events are changed";
  return without_gaps(damaged.stream) ? "" : "the sequences show it";
}

std::string check_added(const Middle& middle, const Damaged& damaged) {
  if (middle.is.size() != middle.was.size() + 1) return "not one event more";
  if (!middle.was.empty()) return "other events are changed";
  if (!without_gaps(damaged.stream)) return "the sequences show it";
  return in_order_of_time(damaged.stream) ? "" : "the times show it";
}

std::string check_moved(const Middle& middle, const Damaged& damaged) {
  if (middle.was.empty() || middle.was.size() != middle.is.size()) return "nothing is moved";
  const std::vector<Step> was = sorted_contents(middle.was), is = sorted_contents(middle.is);
  for (size_t i = 0; i < was.size(); ++i) {
    if (differing_fields(was[i], is[i]) != 0) return "events are changed";
  }
  if (!without_gaps(damaged.stream)) return "the sequences show it";
  return in_order_of_time(damaged.stream) ? "" : "the times show it";
}

std::string check_gap(const Original& original, const Damaged& damaged, const Damage& damage) {
  if (original.size() <= damaged.stream.size()) return "no event is missing";
  if (without_gaps(damaged.stream)) return "the sequences do not show it";
  size_t from = 0;
  for (const Step& step : damaged.stream) {
    while (from < original.size() && original.stream()[from].sequence != step.sequence) ++from;
    while (from < original.size() && (differing_fields(original.stream()[from], step) & ~kLost))
      ++from;
    if (from == original.size()) return "other events are changed";
  }
  const bool told = !damaged.losses.empty();
  return told == damage.right.empty() ? "" : "a loss is told, or is not";
}

std::string check_repeated(const Middle& middle, const Damaged& damaged) {
  if (middle.is.size() != middle.was.size() + 1) return "not one event more";
  return without_gaps(damaged.stream) ? "the sequences do not show it" : "";
}

std::string check_untouched(const Middle& middle, const Damaged& damaged) {
  if (!middle.was.empty() || !middle.is.empty()) return "the stream is changed";
  const bool changed = damaged.lifecycle.folio != 0 || damaged.back.time_ns != 0;
  return changed ? "" : "no lifecycle and no return is changed";
}

std::string check_cut(const Original& original, const Damaged& damaged) {
  const Stream& whole = original.stream();
  const size_t cut = whole.size() - damaged.stream.size();
  const auto same = [](const Step& a, const Step& b) { return differing_fields(a, b) == 0; };
  const bool begin = std::equal(damaged.stream.begin(), damaged.stream.end(), whole.begin(), same);
  const bool end =
      std::equal(damaged.stream.begin(), damaged.stream.end(), whole.begin() + cut, same);
  return begin || end ? "" : "neither a begin nor an end of the original";
}

}  // namespace

uint32_t differing_fields(const Step& a, const Step& b) {
  const swaptrail_event &x = a.event, &y = b.event;
  uint32_t fields = 0;
  const auto note = [&fields](bool differs, uint32_t field) { fields |= differs ? field : 0; };
  note(x.time_ns != y.time_ns, kTime);
  note(x.folio != y.folio, kFolio);
  note(x.entry != y.entry, kEntry);
  note(x.batch_ns != y.batch_ns, kBatch);
  note(x.tid != y.tid || x.tgid != y.tgid, kThread);
  note(x.lost != y.lost, kLost);
  note(x.result != y.result, kResult);
  note(x.nr_pages != y.nr_pages, kPages);
  note(x.cpu != y.cpu, kCpu);
  note(x.state != y.state, kState);
  note(x.kind != y.kind, kKind);
  note(x.origin != y.origin, kOrigin);
  note(std::memcmp(&x.u, &y.u, sizeof(x.u)) != 0, kUnion);
  note(a.sequence != b.sequence, kSequence);
  return fields;
}

std::string deviation(const Original& original, const Damaged& damaged, const Damage& damage) {
  const Middle middle = middle_of(original.stream(), damaged.stream);
  switch (damage.shape) {
    case Shape::kTaken:
      return check_taken(middle, damaged);
    case Shape::kGap:
      return check_gap(original, damaged, damage);
    case Shape::kAdded:
      return check_added(middle, damaged);
    case Shape::kRepeated:
      return check_repeated(middle, damaged);
    case Shape::kMoved:
      return check_moved(middle, damaged);
    case Shape::kEdited:
      return check_edited(original, damaged, damage);
    case Shape::kNone:
      return check_untouched(middle, damaged);
    case Shape::kCut:
      return check_cut(original, damaged);
  }
  return "of no shape";
}

}  // namespace swaptrail::mutation
