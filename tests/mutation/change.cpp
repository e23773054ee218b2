#include "tests/mutation/change.h"

#include <algorithm>
#include <map>
#include <utility>

namespace swaptrail::mutation {

void Place::add(const swaptrail_event& event) {
  from_ns = std::min<uint64_t>(from_ns, event.time_ns);
  to_ns = std::max<uint64_t>(to_ns, event.time_ns);
  if (event.folio != 0) folios.push_back(event.folio);
  if (event.entry == 0) return;
  slots.push_back({event.entry, event.entry + std::max<uint64_t>(event.nr_pages, 1) - 1});
}

bool Place::has_folio(uint64_t folio) const {
  return folio != 0 && std::find(folios.begin(), folios.end(), folio) != folios.end();
}

bool Place::has_entry(uint64_t entry) const {
  return entry != 0 && std::any_of(slots.begin(), slots.end(), [entry](const Slots& range) {
           return entry >= range.first && entry <= range.last;
         });
}

Change::Change(const Original& original, Random& random, Damaged& damaged)
    : original_(original), random_(random), damaged_(damaged) {
  damaged_.stream = original.stream();
  damaged_.losses.clear();
  damaged_.lifecycle = {};
  damaged_.back = {};
  damaged_.start_ns = original.header().reconstruction.start_ns;
  damaged_.end_ns = original.end_ns();
  damaged_.place = {};
}

// The event is of the place as it was, and up to where a reader could know what is wrong.
void Change::touch(size_t at) {
  Place& place = damaged_.place;
  place.add(original_.event(at));
  const size_t end = original_.batch_end(at);
  const size_t last = end == kNone ? at : end;
  size_t again = original_.next_of_thread(last);
  while (again != kNone && original_.event(again).kind != SWAPTRAIL_RECLAIM_BEGIN)
    again = original_.next_of_thread(again);
  for (const size_t seen : {last, again, original_.next_of_cpu(at)}) {
    if (seen != kNone) place.to_ns = std::max<uint64_t>(place.to_ns, original_.event(seen).time_ns);
  }
}

swaptrail_event& Change::edit(size_t at) { return edit_step(at).event; }

Step& Change::edit_step(size_t at) {
  touch(at);
  edited_.push_back(at);
  return damaged_.stream[at];
}

void Change::take(size_t at) {
  touch(at);
  damaged_.stream.erase(damaged_.stream.begin() + at);
  renumber_ = true;
}

void Change::take_leaving_gap(size_t at, size_t count) {
  std::vector<size_t> gone;
  for (; at != kNone && gone.size() < count; at = original_.next_of_cpu(at)) {
    touch(at);
    gone.push_back(at);
  }
  for (size_t i = gone.size(); i-- > 0;) damaged_.stream.erase(damaged_.stream.begin() + gone[i]);
}

uint64_t Change::time_before(size_t before) const {
  if (before == 0) return original_.event(0).time_ns;
  const uint64_t earlier = original_.event(before - 1).time_ns;
  if (before == original_.size()) return earlier;
  return earlier + (original_.event(before).time_ns - earlier) / 2;
}

void Change::add(size_t before, const swaptrail_event& event) {
  touch(before == 0 ? 0 : before - 1);
  Step step{event, 0};
  step.event.time_ns = time_before(before);
  damaged_.place.add(step.event);
  damaged_.stream.insert(damaged_.stream.begin() + before, step);
  renumber_ = true;
}

void Change::repeat_with_sequence(size_t at) {
  touch(at);
  const Step again = damaged_.stream[at];
  damaged_.stream.insert(damaged_.stream.begin() + at + 1, again);
}

void Change::move(size_t from, size_t before) {
  touch(from);
  Step step = damaged_.stream[from];
  step.event.time_ns = time_before(before);
  damaged_.place.add(step.event);
  damaged_.stream.erase(damaged_.stream.begin() + from);
  damaged_.stream.insert(damaged_.stream.begin() + before - (from < before ? 1 : 0), step);
  renumber_ = true;
}

void Change::exchange(size_t a, size_t b) {
  touch(a);
  touch(b);
  swaptrail_event& first = damaged_.stream[a].event;
  swaptrail_event& second = damaged_.stream[b].event;
  std::swap(first, second);
  std::swap(first.time_ns, second.time_ns);
  std::swap(first.cpu, second.cpu);
  std::swap(first.lost, second.lost);
}

void Change::move_to_cpu(size_t at, uint16_t cpu) {
  edit(at).cpu = cpu;
  renumber_ = true;
}

void Change::tell_lifecycle(size_t at, size_t times,
                            Lifecycle (*as)(const Lifecycle&, uint64_t choice)) {
  touch(at);
  const swaptrail_event& closing = original_.event(at);
  damaged_.lifecycle = {closing.folio, closing.time_ns, times, as, random_.below(1 << 20)};
}

void Change::tell_return(size_t at, size_t times, Return (*as)(const Return&, uint64_t choice)) {
  touch(at);
  const swaptrail_event& event = original_.event(at);
  damaged_.place.slots.push_back({event.entry & ~uint64_t{1}, event.entry | 1});
  const uint32_t reader = event.kind == SWAPTRAIL_SLOT_FREED ? 0 : event.tid;
  damaged_.back = {event.time_ns, reader, times, as, random_.below(1 << 20)};
}

void Change::tell_loss(size_t at, size_t count) {
  const swaptrail_event first = original_.event(at);
  take_leaving_gap(at, count);
  Stream& stream = damaged_.stream;
  const size_t previous = original_.prev_of_cpu(at);
  bool told = false;
  for (size_t i = at; i < stream.size(); ++i) {
    swaptrail_event& event = stream[i].event;
    if (event.cpu != first.cpu) continue;
    event.lost += count;
    if (std::exchange(told, true)) continue;
    damaged_.losses.push_back(
        {i,
         {.from_ns = previous == kNone ? damaged_.start_ns : original_.event(previous).time_ns,
          .to_ns = event.time_ns,
          .count = count,
          .cpu = first.cpu}});
  }
}

void Change::cut_before(size_t at) {
  damaged_.stream.erase(damaged_.stream.begin(), damaged_.stream.begin() + at);
  damaged_.start_ns = original_.event(at).time_ns;
}

void Change::cut_behind(size_t at) {
  damaged_.stream.resize(at + 1);
  damaged_.end_ns = original_.event(at).time_ns + 1;
}

void Change::renumber() {
  std::map<uint16_t, uint64_t> next;
  for (const Step& step : original_.stream()) next.try_emplace(step.event.cpu, step.sequence);
  for (Step& step : damaged_.stream) step.sequence = next[step.event.cpu]++;
}

void Change::finish() {
  for (const size_t at : edited_) damaged_.place.add(damaged_.stream[at].event);
  if (renumber_) renumber();
}

uint64_t new_folio(Change& change) {
  const uint64_t page = change.original().header().reconstruction.page_struct_size;
  uint64_t folio = change.original().first_folio();
  do {
    folio += page * change.random().between(1, 1 << 16);
  } while (change.original().names_folio(folio));
  return folio;
}

}  // namespace swaptrail::mutation
