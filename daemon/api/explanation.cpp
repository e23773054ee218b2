#include "daemon/api/explanation.h"

#include <linux/kernel-page-flags.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/api/explanation_way_back.h"
#include "daemon/api/explanation_words.h"
#include "trace/decode.h"
#include "trace/lifecycles/slot_time.h"
#include "trace/text.h"

namespace swaptrail::api {
namespace {

using State = host::PageEntry::State;
using store::StoredLifecycle;

class Explainer {
 public:
  explicit Explainer(const PageFacts& facts) : facts_(facts) {}

  Explanation explain();

 private:
  template <typename... Parts>
  void say(const Parts&... parts) {
    out_.sentences.push_back(absl::StrCat(parts...));
  }
  bool by_address() const { return facts_.named_by == NamedBy::kAddress; }
  bool is(State state) const { return by_address() && facts_.page.state == state; }
  bool flag(int bit) const { return (facts_.frame_flags.value_or(0) >> bit & 1) != 0; }
  std::string ago(uint64_t then_ns) const { return api::ago(facts_.now_ns, then_ns); }

  std::string_view not_mapped_words() const;
  void describe_place();
  void name_older_area();
  void describe_in_flight(const Lifecycle& life);
  void describe_progress(const Lifecycle& life, Stage last);
  void describe_written(const Lifecycle& life);
  void describe_outstanding();
  void describe_past();
  void describe_newest(const StoredLifecycle& newest);
  void describe_freed(const StoredLifecycle& newest);
  void describe_nothing_known();
  void describe_slot(const ledger::SlotHeld& slot);
  void describe_loss(const StoredLifecycle& newest);
  void describe_aborted(const Lifecycle& life);
  void describe_gaps(const Lifecycle& life);
  void describe_frame();
  void describe_swap_cache();
  void describe_reach();

  const PageFacts& facts_;
  Explanation out_;
};

// The last stage that was seen, in the order in which a page passes them.
Stage last_stage(const Lifecycle& life) {
  for (size_t at = kStageCount; at-- > 0;) {
    if (life.stage_ns[at] != 0) return static_cast<Stage>(at);
  }
  return Stage::kIsolated;
}

bool is_elsewhere(const Lifecycle& life) {  // where no device has to be waited for
  return life.backend == SWAPTRAIL_BACKEND_ZSWAP || life.backend == SWAPTRAIL_BACKEND_ZERO;
}

// A stage without a hook on this kernel may be over without our knowing.
std::vector<Stage> outstanding_of(const Lifecycle& life) {
  std::vector<Stage> out;
  const bool no_device = life.at(Stage::kWriteEnd) != 0 && is_elsewhere(life);
  for (auto at = static_cast<size_t>(last_stage(life)) + 1; at < kStageCount; ++at) {
    const auto stage = static_cast<Stage>(at);
    const bool of_device = stage == Stage::kWriteIssued || stage == Stage::kWriteCompleted;
    if ((life.visible_stages >> at & 1) != 0 && !(no_device && of_device)) out.push_back(stage);
  }
  return out;
}

// Page tables hold no entries for shared memory that is not in memory: mm/shmem.c keeps them in the file.
std::string_view Explainer::not_mapped_words() const {
  const Lifecycle* life = facts_.in_flight         ? &*facts_.in_flight
                          : facts_.history.empty() ? nullptr
                                                   : &facts_.history.front().lifecycle;
  if (life == nullptr) {
    return ": it was never touched, or it was freed or unmapped since; or it is of shared memory, whose "
           "page table entries are empty also while it is in swap";
  }
  return life->shmem ? ", as for all shared memory that is not in memory"
                     : ": it was freed or unmapped since";
}

// After swapoff the number of an area goes to another device.
void Explainer::name_older_area() {
  if (!facts_.area_path || facts_.history.empty()) return;
  const uint32_t type = entry_type(facts_.entry);
  const std::string now = facts_.area_path(type, facts_.now_ns);
  const std::string then =
      facts_.area_path(type, lifecycles::slot_time_ns(facts_.history.front().lifecycle));
  if (!then.empty() && then != now)
    say("What follows was on ", then, ", which had that number then.");
}

void Explainer::describe_place() {
  if (facts_.named_by == NamedBy::kFrame) {
    say("Frame ", facts_.pfn, " was asked for, whatever page is in it.");
    return;
  }
  if (facts_.named_by == NamedBy::kEntry) {
    say("The ", slot_words(facts_.entry, facts_.now_ns, facts_),
        " was asked for, whatever page is there.");
    name_older_area();
    return;
  }
  const std::string page = absl::StrCat("Page 0x", absl::Hex(facts_.address), " of ",
                                        process_words(facts_.pid, facts_.comm));
  switch (facts_.page.state) {
    case State::kResident:
      say(page, " is in memory and mapped",
          facts_.page.pfn != 0 ? absl::StrCat(", in frame ", facts_.page.pfn) : "", ".");
      break;
    case State::kSwapped:
      say(page, " is not mapped: its page table entry holds the ",
          slot_words(make_entry(facts_.page.swap_type, facts_.page.swap_offset), facts_.now_ns,
                     facts_),
          ".");
      break;
    case State::kNotMapped:
      say("Nothing is mapped at page 0x", absl::Hex(facts_.address), " of ",
          process_words(facts_.pid, facts_.comm), absl_view(not_mapped_words()), ".");
      break;
    case State::kSpecial:
      say(page,
          " has a special page table entry now (a migration, hardware poison or the like): it "
          "is neither mapped nor in swap. Ask again in a moment.");
      break;
  }
}

void Explainer::describe_in_flight(const Lifecycle& life) {
  const uint64_t begun_ns = *std::ranges::min_element(
      life.stage_ns, {}, [](uint64_t time) { return time == 0 ? ~uint64_t{0} : time; });
  say("Attempt ", life.id, " to swap it out is on its way: begun ",
      begun_ns == 0 ? "at a time that is not known" : ago(begun_ns), " ",
      reclaimer_words(life.first, facts_),
      life.passes > 1 ? absl::StrCat("; ", life.passes, " batches of reclaim have touched it") : "",
      ".");
  describe_progress(life, last_stage(life));
  if (is(State::kResident) && life.at(Stage::kUnmapped) != 0) {
    say("It is mapped again although it was unmapped ", ago(life.at(Stage::kUnmapped)),
        ": it was used meanwhile and found in the swap cache, so reclaim will keep it.");
  }
  if (life.kept_because != AbortReason::kNone) {
    say("A pass of reclaim could not free it yet: ", absl_view(abort_words(life.kept_because)),
        ".");
  }
  out_.outstanding = outstanding_of(life);
  describe_outstanding();
  describe_gaps(life);
}

void Explainer::describe_progress(const Lifecycle& life, Stage last) {
  const std::string since = ago(life.at(last));
  switch (last) {
    case Stage::kIsolated:
      say("Reclaim has taken it off its list; no slot is reserved for it yet.");
      break;
    case Stage::kSlotAllocated:
      say("A slot was reserved for it ", since, ", ",
          slot_words(slot_of(facts_, life), lifecycles::slot_time_ns(life), facts_),
          ", and it is in the swap cache. A slot is only a reservation: the page is present until it "
          "has been unmapped, written and removed from the swap cache.");
      break;
    case Stage::kUnmapped:
      say("It was unmapped ", since,
          ", and its write has not begun. Its content is still in memory, ",
          "in the swap cache: a fault now would find it there without I/O.");
      break;
    case Stage::kWriteBegin:
      say("Its write began ", since, " and the call has not returned yet.");
      break;
    case Stage::kWriteIssued:
      say("It is under writeback: it was handed to the device ", since,
          ". It has to stay in memory until the device has written it.");
      break;
    case Stage::kWriteEnd:
    case Stage::kWriteCompleted:
      describe_written(life);
      break;
    default:
      break;
  }
}

void Explainer::describe_written(const Lifecycle& life) {
  const uint64_t completed_ns = life.at(Stage::kWriteCompleted);
  const uint64_t end_ns = life.at(Stage::kWriteEnd);
  if (life.backend == SWAPTRAIL_BACKEND_ZERO) {
    say("It holds nothing but zeroes: that was recorded ", ago(end_ns),
        ", nothing is written, and it waits to be removed from the swap cache.");
  } else if (life.backend == SWAPTRAIL_BACKEND_ZSWAP) {
    say("zswap took its content ", ago(std::max(end_ns, completed_ns)),
        ", and it waits to be removed from the swap cache.");
  } else if (completed_ns != 0) {
    say("Its writeback ended ", ago(completed_ns),
        ". It is still in memory and waits for a later pass of reclaim: on a device that writes "
        "asynchronously, the pass that writes a page does not free it.");
  } else if (life.backend == SWAPTRAIL_BACKEND_DEVICE || life.waiting_for == Waiting::kWriteback) {
    const uint64_t issued_ns = life.at(Stage::kWriteIssued);
    say("It is under writeback: it was handed to the device ",
        ago(issued_ns != 0 ? issued_ns : end_ns),
        ". It has to stay in memory until the device has written it.");
  } else {
    say("Its write call returned ", ago(end_ns),
        ", and it waits to be removed from the swap cache.");
  }
}

void Explainer::describe_outstanding() {
  if (out_.outstanding.empty()) return;
  const auto word = [](std::string* text, Stage stage) {
    absl::StrAppend(text, absl_view(stage_words(stage)));
  };
  say("Still to come: ", absl::StrJoin(out_.outstanding, ", ", word), ".");
}

void Explainer::describe_past() {
  if (!facts_.history.empty()) {
    describe_newest(facts_.history.front());
  } else if (facts_.in_flight) {
    return;
  } else {
    describe_nothing_known();
  }
}

// No attempt is known, but the slot is.
void Explainer::describe_slot(const ledger::SlotHeld& slot) {
  if (!by_address()) say("It is in use, by ", owner_words(slot, facts_), ".");
  if (slot.by.tgid != 0) {
    const Reclaimer by{.tgid = slot.by.tgid, .origin = slot.origin, .comm = slot.by.comm};
    say("The page went there ", ago(slot.since_ns), " ", reclaimer_words(by, facts_),
        "; that attempt is not in the store.");
  } else if (slot.found) {
    say("The page was there before swaptraild was attached: its slot was found in a page table, that of ",
        process_words(slot.holder.tgid, comm_text(slot.holder.comm)), ".");
  } else {
    say("How the page went there is not known.");
  }
  if (slot.where == ledger::Where::kReserve)
    say("Nobody needs it any more: the kernel keeps the slot ready for a CPU.");
  if (slot.where == ledger::Where::kZswap) say("zswap has its content.");
  if (slot.where == ledger::Where::kZero)
    say("It holds nothing but zeroes, and lies on no device.");
  if (slot.presence != ledger::Presence::kAway) say("It is in memory too, in the swap cache.");
}

void Explainer::describe_nothing_known() {
  if (facts_.slot) {
    describe_slot(*facts_.slot);
  } else if (is(State::kSwapped)) {
    say("How it went there is not known: no attempt that swapped it out was seen, or none is in the "
        "store any more.");
  } else if (by_address() && facts_.unkept_mappings) {
    say("Whether it was ever swapped out is not known: of a page with more than ", kMaxMappings,
        " mappings only ", kMaxMappings, " are kept, and this may be one of those.");
  } else {
    say("No attempt to swap it out is known.");
  }
}

// A loss after the attempt may hide something.
void Explainer::describe_loss(const StoredLifecycle& newest) {
  const auto index = asked_page(facts_, newest.lifecycle);
  const Return* back = index ? newest.return_of(*index) : nullptr;
  const uint64_t known_ns = back != nullptr ? back->time_ns : newest.lifecycle.closed_ns;
  if (facts_.last_loss_ns <= known_ns || facts_.in_flight) return;
  say("Events were lost ", ago(facts_.last_loss_ns),
      ": what came of it since may be missing here.");
}

void Explainer::describe_newest(const StoredLifecycle& newest) {
  const Lifecycle& life = newest.lifecycle;
  if (facts_.in_flight) {
    say("It has been on its way before: ", facts_.history.size(), " older ",
        facts_.history.size() == 1 ? "attempt is" : "attempts are", " in the history.");
    return;
  }
  if (is_freed(life.outcome)) {
    describe_freed(newest);
  } else if (life.outcome == Outcome::kAborted) {
    describe_aborted(life);
  } else {
    say("Attempt ", life.id, " to swap it out, the last one, ended ", ago(life.closed_ns),
        "; how it ended is not known: ", absl_view(incomplete_words(life.incomplete)), ".");
  }
  if (is_freed(life.outcome) || life.outcome == Outcome::kAborted) describe_gaps(life);
  describe_loss(newest);
}

void Explainer::describe_freed(const StoredLifecycle& newest) {
  const Lifecycle& life = newest.lifecycle;
  const uint64_t removed_ns = life.at(Stage::kRemoved);
  const std::string when = ago(removed_ns != 0 ? removed_ns : life.closed_ns);
  say("It was swapped out ", when, " ", reclaimer_words(life.last, facts_), " (attempt ", life.id,
      ").");
  for (std::string& sentence : way_back(facts_, newest)) {
    out_.sentences.push_back(std::move(sentence));
  }
}

void Explainer::describe_aborted(const Lifecycle& life) {
  say("Attempt ", life.id, " to swap it out, begun ", reclaimer_words(life.first, facts_),
      ", was given up ", ago(life.closed_ns), ": ", absl_view(abort_words(life.abort_reason)), ".");
  if (life.kept_because != AbortReason::kNone && life.kept_because != life.abort_reason) {
    say("The pass before could not free it either: ", absl_view(abort_words(life.kept_because)),
        ".");
  }
  const bool gone = life.abort_reason == AbortReason::kSlotGone;
  if (life.at(Stage::kSlotAllocated) != 0 && life.entry != 0 && !gone) {
    say("A slot had been reserved for it, ",
        slot_words(slot_of(facts_, life), lifecycles::slot_time_ns(life), facts_),
        "; but a slot is only a reservation, and the page stayed.");
  }
  if (gone) {
    say("It did not stay in memory for that: it went with what it belonged to, and its slot is free.");
  } else if (is(State::kSwapped) && life.at(Stage::kUnmapped) != 0) {
    say("It had been unmapped before that, so its page table entry holds the slot; its content may ",
        "still be in memory, in the swap cache.");
  }
}

void Explainer::describe_gaps(const Lifecycle& life) {
  if (life.incomplete != IncompleteReason::kNone) {
    say("The account of that attempt is not complete: ",
        absl_view(incomplete_words(life.incomplete)), ".");
  }
  if (life.overlapped_loss) say("Events were lost on some CPU while it lasted.");
  if (life.owner_guessed) say("Whose page it is was guessed from the order of events.");
  if (life.shmem) {
    const std::string path = path_of(facts_, life.object);
    say("It is a page of shared memory or tmpfs: it belongs to no process",
        !path.empty()            ? absl::StrCat(", but to the file ", path)
        : life.object.inode != 0 ? absl::StrCat(", but to the file with inode ", life.object.inode)
                                 : "",
        ".");
  }
  const auto kept = static_cast<uint32_t>(
      std::ranges::count_if(life.mappings, [](const Mapping& one) { return one.tgid != 0; }));
  if (life.mapping_count > kMaxMappings) {
    say("It had ", life.mapping_count, " mappings, of which only ", kept, " are kept.");
  }
  if (life.fallback_from != 0) {
    say("It was part of a large folio of ", life.fallback_from,
        " pages, which had no room in swap as a whole and was split.");
  }
  if (life.ksm) say("It is merged by KSM: several mappings share it.");
}

// What the frame's flags show beyond the swap cache.
void Explainer::describe_frame() {
  if (!facts_.frame_flags || facts_.named_by == NamedBy::kEntry) return;
  describe_swap_cache();
  if (flag(KPF_UNEVICTABLE)) say("It is unevictable, as by mlock: reclaim passes it by.");
  if (flag(KPF_ZERO_PAGE)) say("It is the kernel's page of zeroes, which is never swapped out.");
  if (flag(KPF_LRU) && !flag(KPF_SWAPBACKED)) {
    say("It is a page of a file: reclaim takes it back to its file, never to swap.");
  }
}

void Explainer::describe_swap_cache() {
  const StoredLifecycle* newest = facts_.history.empty() ? nullptr : &facts_.history.front();
  const auto index = newest != nullptr ? asked_page(facts_, newest->lifecycle) : std::nullopt;
  const Return* back = index ? newest->return_of(*index) : nullptr;
  const bool came_back = back != nullptr && back->how == ReturnHow::kSwappedIn;
  if (!flag(KPF_SWAPCACHE)) {
    if (came_back && !facts_.in_flight && is(State::kResident)) {
      say("It has left the swap cache and has no slot any more: to swap it out once more takes a new "
          "slot and a new write.");
    }
    return;
  }
  if (facts_.in_flight) return;  // already said in that case
  if (flag(KPF_WRITEBACK)) {
    say("It is in the swap cache and under writeback at this moment.");
  } else if (flag(KPF_DIRTY)) {
    say("It is in the swap cache, so a slot is held for it; but it is dirty: what the slot holds is "
        "not its content, and it would have to be written again.");
  } else {
    say("It is still in the swap cache: its slot is held, with a clean copy in it. As long as nobody "
        "writes to it, it can be dropped again without any I/O.");
  }
}

void Explainer::describe_reach() {
  if (facts_.earlier_attempts != 0) {
    say("This process began ", ago(facts_.started_ns), ": ", facts_.earlier_attempts,
        facts_.earlier_attempts == 1 ? " older attempt at this address is"
                                     : " older attempts at this address are",
        " left out, of another process that had its pid before.");
  }
  if (facts_.forgotten && facts_.reaches_back_ns != 0) {
    say("The store reaches back to ", ago(facts_.reaches_back_ns),
        ": attempts that ended before are forgotten.");
  } else if (facts_.forgotten) {
    say("The store has lost attempts for want of room.");
  } else if (facts_.attached_ns != 0 && !(facts_.slot && facts_.slot->found)) {
    say("swaptraild was attached ", ago(facts_.attached_ns), ": nothing is known from before.");
  }
}

Explanation Explainer::explain() {
  if (facts_.moved)
    say("The page was on the move while this was asked: the answer is from the last look.");
  describe_place();
  if (facts_.in_flight) describe_in_flight(*facts_.in_flight);
  describe_past();
  describe_frame();
  describe_reach();
  return std::move(out_);
}

}  // namespace

std::string path_of(const PageFacts& facts, const SharedObject& object) {
  const bool is_it = facts.file && object.inode != 0 && facts.file->inode == object.inode &&
                     facts.file->major == device_major(object.device) &&
                     facts.file->minor == device_minor(object.device);
  return is_it ? facts.file->path : "";
}

Explanation explain(const PageFacts& facts) { return Explainer(facts).explain(); }

}  // namespace swaptrail::api
