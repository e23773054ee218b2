#include "daemon/api/explanation_way_back.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/api/explanation_words.h"
#include "trace/decode.h"
#include "trace/lifecycles/slot_time.h"

namespace swaptrail::api {
namespace {

using State = host::PageEntry::State;
using store::Note;
using store::StoredLifecycle;

constexpr size_t kMostFaults = 5;  // described one by one

uint32_t owner_of(const Return& back) { return back.owner_tgid != 0 ? back.owner_tgid : back.tgid; }

class WayBack {
 public:
  WayBack(const PageFacts& facts, const StoredLifecycle& attempt)
      : facts_(facts),
        attempt_(attempt),
        life_(attempt.lifecycle),
        index_(asked_page(facts, life_)) {}

  std::vector<std::string> describe();

 private:
  template <typename... Parts>
  void say(const Parts&... parts) {
    out_.push_back(absl::StrCat(parts...));
  }
  bool is(State state) const {
    return facts_.named_by == NamedBy::kAddress && facts_.page.state == state;
  }
  std::string ago(uint64_t then_ns) const { return api::ago(facts_.now_ns, then_ns); }
  std::string reader(const Return& back) const {
    return process_words(back.tgid, comm_text(back.comm));
  }
  // Is it about the page that was asked for? An event at slot 0 of a folio without slots is.
  bool is_of_page(uint64_t entry, uint32_t pages) const {
    return !index_ || life_.nr_pages == 1 || life_.entry + *index_ - entry < std::max(pages, 1u);
  }

  void describe_content();
  void describe_stays();
  void describe_return(const Return& back);
  void describe_swapped_in(const Return& back, const std::string& stay);
  void describe_swapped_again();
  void describe_still_there();
  void describe_faults();
  void describe_fault(const Return& fault);
  void describe_parts();

  const PageFacts& facts_;
  const StoredLifecycle& attempt_;
  const Lifecycle& life_;
  const std::optional<uint32_t> index_;
  std::vector<std::string> out_;
};

void WayBack::describe_content() {
  const uint64_t entry = slot_of(facts_, life_);
  const std::string slot =
      entry != 0 ? slot_words(entry, lifecycles::slot_time_ns(life_), facts_) : "a slot not seen";
  const bool moved = std::ranges::any_of(attempt_.notes.notes, [&](const Note& note) {
    return note.stay && note.stay->change == StayChange::kZswapWriteback &&
           is_of_page(note.stay->entry, note.stay->nr_pages);
  });
  switch (life_.outcome) {
    case Outcome::kFreedDevice:
      return say("Its content was written to ", slot, ": a fault has to read it from there.");
    case Outcome::kFreedZswap:
      if (moved) return say("zswap took its content, for ", slot, ".");
      return say("zswap took its content, for ", slot,
                 ": a fault gets it from there without the device, "
                 "unless zswap has moved it to the device since.");
    case Outcome::kFreedZero:
      return say("It held nothing but zeroes, which was recorded for ", slot,
                 ": nothing was written, and a fault reads nothing.");
    default:
      return say("Nothing was written in that attempt: ", slot, " still held it as it was.");
  }
}

// The oldest first.
void WayBack::describe_stays() {
  const auto& notes = attempt_.notes.notes;
  for (auto note = notes.rbegin(); note != notes.rend(); ++note) {
    if (!note->stay || !is_of_page(note->stay->entry, note->stay->nr_pages)) continue;
    if (note->stay->change == StayChange::kZswapWriteback) {
      say("zswap moved it to the device ", ago(note->stay->time_ns),
          ": a fault after that has to read it from there.");
    } else {
      say("It was read ahead, not used, and dropped again ", ago(note->stay->time_ns),
          ": it stayed in its slot.");
    }
  }
}

void WayBack::describe_swapped_in(const Return& back, const std::string& stay) {
  if (back.tgid == 0 && back.fault_ns == 0) {
    return say("It came back ", ago(back.time_ns), stay,
               ": it was read in, and nobody was seen to wait.");
  }
  const bool foreign = back.owner_tgid != 0 && back.owner_tgid != back.tgid;
  say("It came back ", ago(back.time_ns), stay, ": ", reader(back),
      foreign ? absl::StrCat(" read it in the memory of pid ", back.owner_tgid) : " used it",
      back.fault_ns != 0 ? absl::StrCat(", a fault of ", duration(back.fault_ns)) : "",
      back.major ? " that had to wait for its content to be read." : ".");
}

void WayBack::describe_return(const Return& back) {
  const std::string stay =
      back.after_ns != 0 ? absl::StrCat(", after ", duration(back.after_ns)) : "";
  if (back.how == ReturnHow::kSwappedIn) {
    describe_swapped_in(back, stay);
  } else if (back.how == ReturnHow::kSlotFreed) {
    say("Its slot was freed unread ", ago(back.time_ns), stay,
        ": its memory was freed, or its process ended.");
  } else {
    say("swapoff brought it back ", ago(back.time_ns), stay, ".");
  }
  if (attempt_.back.regretted_pages != 0 && life_.nr_pages == 1) {
    say("It came back so soon that swapping it out was no use.");
  }
  if (is(State::kSwapped)) describe_swapped_again();
}

// It came back, but its page table entry refers to a slot.
void WayBack::describe_swapped_again() {
  const uint64_t entry = make_entry(facts_.page.swap_type, facts_.page.swap_offset);
  const Return* back = index_ ? attempt_.return_of(*index_) : nullptr;
  const bool same_slot = life_.entry != 0 && entry - life_.entry < life_.nr_pages;
  if (same_slot && back != nullptr && owner_of(*back) != facts_.pid) {
    return say(
        "That was for another process that had it mapped, too: this one has not used it since, and "
        "its page table entry still holds the slot.");
  }
  say("How it went to swap again after that is not known.");
}

// In swap as far as was seen.
void WayBack::describe_still_there() {
  if (is(State::kResident)) {
    say("It is in memory all the same: its way back was not seen, or this is a new page at the same "
        "place.");
  } else if (is(State::kNotMapped) && life_.shmem) {
    say("It is in swap as far as was seen: the page table entries of shared memory are empty then.");
  } else if (is(State::kNotMapped)) {
    say("That its slot was freed was not seen yet: the kernel frees slots later, and in groups.");
  } else if (facts_.named_by == NamedBy::kFrame) {
    say("Its frame was given back then: whatever is in it now is another page.");
  } else if (is(State::kSwapped)) {
    const uint64_t entry = make_entry(facts_.page.swap_type, facts_.page.swap_offset);
    const uint64_t slot = slot_of(facts_, life_);
    if (slot == 0 || slot == entry) return;
    say("That does not agree with its page table entry, which holds the ",
        slot_words(entry, facts_.now_ns, facts_),
        ": it came back and was swapped out again since, unseen, or no longer in the store.");
  }
}

void WayBack::describe_fault(const Return& fault) {
  const std::string wait =
      fault.fault_ns != 0 ? absl::StrCat(", after ", duration(fault.fault_ns)) : "";
  if (fault.how == ReturnHow::kReadError) {
    say("A fault of ", reader(fault), " on it failed ", ago(fault.time_ns), wait,
        ": its content could not be read. It is where it was.");
  } else if (fault.how == ReturnHow::kNoMemory) {
    say("A fault of ", reader(fault), " on it failed ", ago(fault.time_ns), wait,
        ": there was no memory for it. It is where it was.");
  } else if (fault.mapped_pages == 0) {
    say(reader(fault), " waited for it ", ago(fault.time_ns), wait, ", and mapped nothing.");
  } else {
    say("Also read by ", reader(fault), " ", ago(fault.time_ns),
        fault.fault_ns != 0 ? absl::StrCat(", a fault of ", duration(fault.fault_ns)) : "",
        ": it was back already.");
  }
}

// Faults that brought nothing back, the oldest first.
void WayBack::describe_faults() {
  std::vector<const Return*> faults;
  for (const Note& note : attempt_.notes.notes) {
    if (note.back && note.back->nr_pages == 0 &&
        is_of_page(note.back->entry, note.back->mapped_pages)) {
      faults.push_back(&*note.back);
    }
  }
  const size_t shown = std::min(faults.size(), kMostFaults);
  for (size_t at = shown; at-- > 0;) describe_fault(*faults[at]);
  if (faults.size() > shown) {
    say("And ", faults.size() - shown, " faults on it before those.");
  }
}

void WayBack::describe_parts() {
  const uint32_t gone = attempt_.back.gone_pages;
  if (life_.nr_pages == 1) return;
  if (gone == 0) {
    say("It was a large page: ", life_.nr_pages, " pages went together.");
  } else if (gone < life_.nr_pages) {
    say("It was a large page: ", gone, " of ", life_.nr_pages, " pages have left swap.");
  }
}

std::vector<std::string> WayBack::describe() {
  const std::optional<bool> known = index_ ? attempt_.is_gone(*index_) : std::nullopt;
  const bool is_there = attempt_.back.gone_pages == 0 || !known.value_or(true);
  const Return* back = index_ ? attempt_.return_of(*index_) : nullptr;
  if (life_.nr_pages > 1 && index_) {
    say("It was page ", *index_, " of a folio of ", life_.nr_pages, " pages, in ",
        life_.entry == 0
            ? "a slot not seen"
            : slot_words(slot_of(facts_, life_), lifecycles::slot_time_ns(life_), facts_),
        ".");
  }
  if (is_there) describe_content();
  describe_stays();
  if (is_there) {
    describe_still_there();
  } else if (back != nullptr) {
    describe_return(*back);
  } else if (known) {
    say("It has left swap since; how is no longer kept.");
  } else {
    say("Whether it is still in swap is not known: ", attempt_.back.gone_pages, " of the ",
        life_.nr_pages, " pages are not.");
  }
  describe_faults();
  describe_parts();
  if (attempt_.notes.more) say("Older faults on it, and changes, are no longer kept.");
  return std::move(out_);
}

std::optional<uint32_t> page_in_mapping(const PageFacts& facts, const Lifecycle& life) {
  for (const Mapping& mapping : life.mappings) {
    if (mapping.tgid != facts.pid || mapping.address == 0) continue;
    const uint64_t index =
        mapping.first_page + (facts.address - mapping.address) / facts.page_bytes;
    if (facts.address >= mapping.address && index < life.nr_pages) {
      return static_cast<uint32_t>(index);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint32_t> asked_page(const PageFacts& facts, const Lifecycle& life) {
  if (life.nr_pages <= 1) return 0;
  const bool swapped = facts.named_by == NamedBy::kAddress && facts.page.state == State::kSwapped;
  const uint64_t entry = facts.named_by == NamedBy::kEntry ? facts.entry
                         : swapped ? make_entry(facts.page.swap_type, facts.page.swap_offset)
                                   : 0;
  if (entry != 0 && life.entry != 0 && entry - life.entry < life.nr_pages) {
    return static_cast<uint32_t>(entry - life.entry);
  }
  if (facts.named_by == NamedBy::kAddress) return page_in_mapping(facts, life);
  const uint64_t frames = (facts.struct_page - life.folio) / facts.struct_page_bytes;
  if (facts.named_by == NamedBy::kFrame && life.folio != 0 && frames < life.nr_pages) {
    return static_cast<uint32_t>(frames);
  }
  return std::nullopt;
}

uint64_t slot_of(const PageFacts& facts, const Lifecycle& life) {
  return life.entry == 0 ? 0 : life.entry + asked_page(facts, life).value_or(0);
}

std::vector<std::string> way_back(const PageFacts& facts, const StoredLifecycle& attempt) {
  return WayBack(facts, attempt).describe();
}

}  // namespace swaptrail::api
