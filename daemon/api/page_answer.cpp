#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/explanation.h"
#include "daemon/api/filter.h"
#include "daemon/base/files.h"
#include "daemon/base/page_bytes.h"
#include "daemon/store/lookup.h"
#include "trace/decode.h"
#include "trace/lifecycles/slot_time.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using State = host::PageEntry::State;
using store::StoredLifecycle;

constexpr size_t kUsualHistory = 20;
constexpr int kMostLooks = 3;  // at a page that keeps changing
// The pipeline sweeps every 25 ms: what pagemap already shows may not have arrived yet.
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(60);
constexpr absl::Duration kMostWait = absl::Seconds(2);
constexpr uint64_t kMostPfn = uint64_t{1} << 52;  // 64 address bits less 12 of the page

// What is needed to answer a question about a page, and its limits.
struct Desk {
  const Host& host;
  PageTables* tables;
  absl::Time deadline;
  size_t most;  // lifecycles
};

// Errors of ProcessMemory; adds a word if the caller can't do anything about it.
absl::Status unreadable(const absl::Status& status) {
  if (absl::IsNotFound(status) || absl::IsInvalidArgument(status)) return status;
  return absl::FailedPreconditionError(absl::StrCat(
      "the page tables can't be read: ", status.message(), "; ask by pfn or by swap entry"));
}

bool is_same(const host::PageEntry& a, const host::PageEntry& b) {
  return a.state == b.state && a.pfn == b.pfn && a.swap_type == b.swap_type &&
         a.swap_offset == b.swap_offset;
}

uint64_t entry_of(const host::PageEntry& page) {
  return page.state == State::kSwapped ? make_entry(page.swap_type, page.swap_offset) : 0;
}

// Address of its struct page; 0 = not known.
uint64_t struct_page_of(const Host& host, uint64_t pfn) {
  return host.frames && pfn != 0 ? host.frames->address_of(pfn) : 0;
}

absl::Status ask(const Desk& desk, uint64_t struct_page, uint64_t entry, PageFacts& facts) {
  facts.in_flight.reset();
  facts.slot.reset();
  if (struct_page == 0 && entry == 0) return absl::OkStatus();
  return desk.host.requests.ask(
      [&](pipeline::PipelineView& view) {
        const lifecycles::Reconstructor& reconstructor = view.reconstructor();
        if (struct_page != 0) facts.in_flight = reconstructor.in_flight_of_frame(struct_page);
        if (entry != 0 && !facts.in_flight) {
          facts.in_flight = reconstructor.in_flight_of_entry(entry);
        }
        if (entry != 0 && view.ledger() != nullptr) facts.slot = view.ledger()->at(entry);
      },
      std::min(desk.deadline, absl::Now() + kMostWait));
}

// Adds those that are missing, the youngest first, up to `most` in all.
void join(std::vector<StoredLifecycle> more, size_t most, std::vector<StoredLifecycle>& history) {
  for (StoredLifecycle& one : more) {
    if (std::ranges::find(history, one.sequence, &StoredLifecycle::sequence) == history.end()) {
      history.push_back(std::move(one));
    }
  }
  std::ranges::sort(history, std::ranges::greater(), &StoredLifecycle::sequence);
  if (history.size() > most) history.resize(most);
}

// The page in the slot now: an older page that was in the same slot is another page.
std::vector<StoredLifecycle> now_in_slot(const store::Snapshot& snapshot, uint64_t entry) {
  std::vector<StoredLifecycle> found = store::lifecycles_of_entry(snapshot, entry, 1);
  if (found.empty()) return found;
  const auto index = static_cast<uint32_t>(entry - found[0].lifecycle.entry);
  const Return* back = found[0].return_of(index);
  // The reader may not be the only process that had it mapped.
  if (back != nullptr && back->how != ReturnHow::kSwappedIn) found.clear();
  return found;
}

// Attempts at the same address that ended before this process began belong to an earlier process with
// its pid. What the page table refers to now was inherited by fork.
void leave_out_earlier_processes(const Desk& desk, uint64_t entry, PageFacts& facts) {
  constexpr uint64_t kClockTick_ns = 20'000'000;  // twice that of /proc/PID/stat
  facts.started_ns = desk.tables->started_ns(facts.pid);
  facts.earlier_attempts = 0;
  if (facts.started_ns <= kClockTick_ns) return;
  const size_t all = facts.history.size();
  std::erase_if(facts.history, [&](const StoredLifecycle& one) {
    const bool holds_entry = entry != 0 && one.lifecycle.entry != 0 &&
                             entry - one.lifecycle.entry < one.lifecycle.nr_pages;
    return !holds_entry && one.lifecycle.closed_ns < facts.started_ns - kClockTick_ns;
  });
  facts.earlier_attempts = all - facts.history.size();
}

// Attempts that ended before the page was unmapped have no address. Attempts in the page's frame
// belong to it, back to the last time that a page was freed from there.
std::vector<StoredLifecycle> given_up_in_frame(const store::Snapshot& snapshot,
                                               uint64_t struct_page, size_t most) {
  std::vector<StoredLifecycle> found = store::lifecycles_of_frame(snapshot, struct_page, most);
  const auto freed = std::ranges::find_if(
      found, [](const StoredLifecycle& one) { return is_freed(one.lifecycle.outcome); });
  found.erase(freed, found.end());
  std::erase_if(found, [](const StoredLifecycle& one) {
    return one.lifecycle.mapping_count != 0 || one.lifecycle.mappings[0].tgid != 0;
  });
  return found;
}

void put_history(const Desk& desk, uint64_t struct_page, uint64_t entry, PageFacts& facts) {
  facts.history.clear();
  const store::Snapshot snapshot = desk.host.store.snapshot();
  if (facts.named_by == NamedBy::kFrame) {
    facts.history = store::lifecycles_of_frame(snapshot, struct_page, desk.most);
  } else if (facts.named_by == NamedBy::kEntry) {
    facts.history = store::lifecycles_of_entry(snapshot, entry, desk.most);
  } else {
    facts.history = store::lifecycles_of_address(snapshot, facts.pid, facts.address, desk.most);
    facts.unkept_mappings = store::has_unkept_mappings(snapshot);
    leave_out_earlier_processes(desk, entry, facts);
    if (entry != 0) join(now_in_slot(snapshot, entry), desk.most, facts.history);
    if (struct_page != 0) {
      join(given_up_in_frame(snapshot, struct_page, desk.most), desk.most, facts.history);
    }
    if (facts.history.empty()) {  // its mapping was not kept, or was elsewhere at that time
      facts.history = store::lifecycles_returned_to(snapshot, facts.pid, facts.address, desk.most);
      const size_t earlier = facts.earlier_attempts;
      leave_out_earlier_processes(desk, entry, facts);
      facts.earlier_attempts += earlier;
    }
  }
  facts.reaches_back_ns = snapshot.oldest_closed_ns();
  // it ended between the two looks
  if (facts.in_flight && std::ranges::any_of(facts.history, [&](const StoredLifecycle& one) {
        return one.lifecycle.id == facts.in_flight->id;
      })) {
    facts.in_flight.reset();
  }
}

// Does the history explain why the page is in swap?
bool accounts_for(const PageFacts& facts) {
  if (facts.page.state != State::kSwapped || facts.in_flight) return true;
  if (facts.history.empty()) return false;
  const StoredLifecycle& newest = facts.history.front();
  if (!is_freed(newest.lifecycle.outcome)) return false;
  const auto index = asked_page(facts, newest.lifecycle);
  if (!index || !newest.is_gone(*index).value_or(false)) return true;
  const Return* back = newest.return_of(*index);
  return back != nullptr && back->how == ReturnHow::kSwappedIn &&
         (back->owner_tgid != 0 ? back->owner_tgid : back->tgid) != facts.pid;
}

bool is_known(const PageFacts& facts) { return facts.in_flight || !facts.history.empty(); }

// The page must be the same before and after the question; otherwise the question is repeated.
absl::Status look_at_page(const Desk& desk, PageFacts& facts) {
  if (desk.tables == nullptr) {
    return absl::FailedPreconditionError(
        "the page tables of processes can't be read by this swaptraild; ask by pfn or by swap entry");
  }
  auto page = desk.tables->page(facts.pid, facts.address);
  for (int look = 1; page.ok(); ++look) {
    facts.page = *page;
    facts.frame_flags = page->flags;
    const uint64_t struct_page =
        page->state == State::kResident ? struct_page_of(desk.host, page->pfn) : 0;
    const uint64_t entry = entry_of(*page);
    if (auto asked = ask(desk, struct_page, entry, facts); !asked.ok()) return asked;
    put_history(desk, struct_page, entry, facts);
    auto after = desk.tables->page(facts.pid, facts.address);
    facts.moved = after.ok() && !is_same(*page, *after);
    const bool is_enough =
        (after.ok() && !facts.moved && accounts_for(facts)) ||
        (!desk.host.full_access && !is_known(facts));  // its timing would show it
    if (look == kMostLooks || is_enough) {
      return absl::OkStatus();
    }
    if (after.ok() && !facts.moved) absl::SleepFor(kBetweenLooks);
    page = std::move(after);
  }
  return unreadable(page.status());
}

absl::Status look_at_frame(const Desk& desk, PageFacts& facts) {
  const auto no_such = [&] {
    return out_of_bounds("pfn", absl::StrCat(facts.pfn), "1 to 2^52 - 1");
  };
  if (!desk.host.full_access) {
    return absl::PermissionDeniedError(
        "page frames are for root and the control group; ask by process and address, or by swap entry");
  }
  if (facts.pfn == 0 || facts.pfn >= kMostPfn) return no_such();
  if (!desk.host.frames) {
    return absl::FailedPreconditionError(
        "this swaptraild could not find out page frame numbers; ask by process and address");
  }
  if (desk.tables != nullptr) {
    const auto flags = desk.tables->frame_flags(facts.pfn);
    if (absl::IsNotFound(flags.status())) return flags.status();
    if (flags.ok()) facts.frame_flags = *flags;
  }
  const uint64_t struct_page = struct_page_of(desk.host, facts.pfn);
  facts.struct_page = struct_page;
  if (auto asked = ask(desk, struct_page, 0, facts); !asked.ok()) return asked;
  put_history(desk, struct_page, 0, facts);
  return absl::OkStatus();
}

absl::Status look_at_entry(const Desk& desk, const v1::SwapEntry& entry, PageFacts& facts) {
  if (entry.type() >= 64) return out_of_bounds("entry.type", absl::StrCat(entry.type()), "0 to 63");
  if (entry.offset() == 0 || entry.offset() >= uint64_t{1} << kEntryTypeShift) {
    return out_of_bounds("entry.offset", absl::StrCat(entry.offset()),
                         "1 to 2^58 - 1: offset 0 holds the area's header");
  }
  facts.entry = make_entry(entry.type(), entry.offset());
  if (auto asked = ask(desk, 0, facts.entry, facts); !asked.ok()) return asked;
  put_history(desk, 0, facts.entry, facts);
  return absl::OkStatus();
}

absl::Status look(const Desk& desk, const v1::ExplainPageRequest& request, PageFacts& facts) {
  switch (request.page_case()) {
    case v1::ExplainPageRequest::kVirtualPage: {
      const v1::VirtualPage& page = request.virtual_page();
      if (page.pid() == 0 || page.pid() > 1u << 22) {  // PID_MAX_LIMIT
        return out_of_bounds("virtual_page.pid", absl::StrCat(page.pid()), "1 to 4194304");
      }
      const uint64_t page_size = base::page_bytes();
      facts.named_by = NamedBy::kAddress;
      facts.pid = page.pid();
      facts.address = page.address() / page_size * page_size;
      return look_at_page(desk, facts);
    }
    case v1::ExplainPageRequest::kPfn:
      facts.named_by = NamedBy::kFrame;
      facts.pfn = request.pfn();
      return look_at_frame(desk, facts);
    case v1::ExplainPageRequest::kEntry:
      facts.named_by = NamedBy::kEntry;
      return look_at_entry(desk, request.entry(), facts);
    case v1::ExplainPageRequest::PAGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("page: none; name it by virtual_page, pfn or entry");
}

// Its name now; for a process that has just ended, its name when it lost the page.
std::string comm_of(const PageFacts& facts) {
  const auto comm = base::read_file(absl::StrCat("/proc/", facts.pid, "/comm"));
  if (comm.ok()) return comm->substr(0, comm->find('\n'));
  for (const StoredLifecycle& one : facts.history) {
    for (const Mapping& mapping : one.lifecycle.mappings) {
      if (mapping.tgid == facts.pid) return std::string(comm_text(mapping.comm));
    }
  }
  return {};
}

// Reads /proc/PID/maps, which may be long, only if there is a file to name.
void find_file(const Desk& desk, PageFacts& facts) {
  const auto is_of_file = [](const Lifecycle& life) { return life.object.inode != 0; };
  const bool any = (facts.in_flight && is_of_file(*facts.in_flight)) ||
                   std::ranges::any_of(facts.history, is_of_file, &StoredLifecycle::lifecycle);
  if (facts.named_by != NamedBy::kAddress || !any) return;
  facts.file = desk.tables->file(facts.pid, facts.address).value_or(std::nullopt);
}

absl::Status keep_memory_secret(PageFacts& facts) {
  if (facts.named_by == NamedBy::kAddress && !is_known(facts)) {
    return absl::PermissionDeniedError(
        "swaptraild has not seen this page on its way to swap; where it is now is for root and the "
        "control group");
  }
  facts.page.pfn = 0;
  facts.frame_flags.reset();
  return absl::OkStatus();
}

v1::PageState state_of(const PageFacts& facts) {
  if (facts.named_by != NamedBy::kAddress) return v1::PAGE_STATE_UNSPECIFIED;
  switch (facts.page.state) {
    case State::kNotMapped:
      return v1::PAGE_STATE_NOT_MAPPED;
    case State::kResident:
      return v1::PAGE_STATE_RESIDENT;
    case State::kSwapped:
      return v1::PAGE_STATE_SWAPPED;
    case State::kSpecial:
      break;
  }
  return v1::PAGE_STATE_SPECIAL;
}

void put_page(const PageFacts& facts, const Converter& converter,
              v1::ExplainPageResponse& response) {
  response.set_state(state_of(facts));
  if (facts.named_by != NamedBy::kAddress) return;
  response.mutable_process()->set_pid(facts.pid);
  response.mutable_process()->set_comm(utf8(facts.comm));
  response.set_address(facts.address);
  if (facts.page.state == State::kResident && facts.page.pfn != 0) {
    response.set_pfn(facts.page.pfn);
  }
  if (const uint64_t entry = entry_of(facts.page); entry != 0) {
    converter.put_entry(entry, 0, facts.now_ns, *response.mutable_entry());
  }
}

void put_slot(const PageFacts& facts, Converter& converter, v1::UsedSlot& out) {
  const ledger::SlotHeld& slot = *facts.slot;
  out.set_kind(to_proto(slot.holder.kind));
  if (slot.holder.kind == ledger::OwnerKind::kProcess) {
    Converter::put_process(slot.holder.tgid, slot.holder.comm, *out.mutable_process());
    out.set_address(slot.page * facts.page_bytes);
  } else if (slot.holder.kind == ledger::OwnerKind::kShared) {
    Converter::put_object({slot.holder.inode, slot.page, slot.holder.device},
                          *out.mutable_object());
  }
  if (slot.holder.cgroup != 0) converter.put_cgroup(slot.holder.cgroup, *out.mutable_cgroup());
  if (slot.by.tgid != 0) {
    *out.mutable_since() = converter.moment().wall(slot.since_ns);
    Converter::put_process(slot.by.tgid, slot.by.comm, *out.mutable_put_by());
    out.set_origin(origin_to_proto(slot.origin));
  }
  out.set_backend(to_proto(slot.where));
  out.set_cached(slot.presence != ledger::Presence::kAway);
  out.set_mapped(slot.presence == ledger::Presence::kMapped);
  out.set_shared(slot.shared);
  out.set_found(slot.found);
}

// Where it was mapped: the address asked for, or that of the first mapping that is kept.
uint64_t address_in(const PageFacts& facts, const Lifecycle& life, uint32_t index) {
  if (facts.named_by == NamedBy::kAddress) return facts.address;
  const Mapping& first = life.mappings[0];
  if (first.address == 0 || index < first.first_page) return 0;
  return first.address + uint64_t{index - first.first_page} * facts.page_bytes;
}

void put_asked(const PageFacts& facts, const StoredLifecycle& one, Converter& converter,
               v1::Lifecycle& out) {
  const auto index = asked_page(facts, one.lifecycle);
  if (!index) return;
  v1::FolioPage& page = *out.mutable_asked();
  page.set_index(*index);
  if (one.lifecycle.entry != 0) {
    converter.put_entry(one.lifecycle.entry + *index, one.lifecycle.generation,
                        lifecycles::slot_time_ns(one.lifecycle), *page.mutable_entry());
  }
  page.set_address(address_in(facts, one.lifecycle, *index));
  if (!is_freed(one.lifecycle.outcome)) return;
  if (const auto gone = one.is_gone(*index)) page.set_in_swap(!*gone);
  if (const Return* back = one.return_of(*index)) converter.put(*back, *page.mutable_returned());
}

void put_path(const PageFacts& facts, const Lifecycle& life, v1::Lifecycle& out) {
  const std::string path = path_of(facts, life.object);
  if (!path.empty()) out.mutable_object()->set_path(utf8(path));
}

void put_attempts(const PageFacts& facts, size_t most, Converter& converter,
                  v1::ExplainPageResponse& response) {
  size_t bytes = 0;
  if (facts.in_flight) {
    v1::Lifecycle& added = *response.add_history();
    converter.put(*facts.in_flight, added);
    put_path(facts, *facts.in_flight, added);
  }
  for (const StoredLifecycle& one : facts.history) {
    if (static_cast<size_t>(response.history_size()) == most) return;
    v1::Lifecycle& added = *response.add_history();
    converter.put(one, added);
    put_asked(facts, one, converter, added);
    put_path(facts, one.lifecycle, added);
    bytes += added.ByteSizeLong();
    if (bytes <= kAnswerBytes) continue;
    response.mutable_history()->RemoveLast();
    return;
  }
}

}  // namespace

absl::Status answer(const Query& asked, const v1::ExplainPageRequest& request,
                    v1::ExplainPageResponse& response) {
  const auto most = to_count("max_history", request.max_history(), kUsualHistory);
  if (!most.ok()) return most.status();
  PageFacts facts;
  facts.page_bytes = static_cast<uint32_t>(base::page_bytes());
  const Desk desk{asked.host, asked.tables, asked.deadline, *most};
  if (auto looked = look(desk, request, facts); !looked.ok()) return looked;
  if (!asked.host.full_access) {
    if (auto kept = keep_memory_secret(facts); !kept.ok()) return kept;
  }
  find_file(desk, facts);

  const Moment moment = asked.clock.now();  // after the look
  Converter converter(asked.host, moment, true);
  if (facts.named_by == NamedBy::kAddress) facts.comm = comm_of(facts);
  facts.now_ns = moment.now_ns();
  facts.attached_ns = asked.host.status_board.newest()->start_ns;
  const store::StoreStatus status = asked.host.store.status();
  facts.forgotten = status.evicted + status.unstored != 0;
  facts.last_loss_ns = status.last_loss_ns;
  facts.cgroup_path = [&](uint64_t id) { return converter.cgroup_path(id); };
  facts.area_path = [&](uint32_t type, uint64_t at_ns) { return converter.area_path(type, at_ns); };
  const Explanation explanation = explain(facts);

  put_page(facts, converter, response);
  if (facts.slot) put_slot(facts, converter, *response.mutable_slot());
  put_attempts(facts, *most, converter, response);
  for (const std::string& sentence : explanation.sentences) response.add_explanation(sentence);
  for (const Stage stage : explanation.outstanding) response.add_outstanding(to_proto(stage));
  if (facts.reaches_back_ns != 0) {
    *response.mutable_store_reaches_back_to() = moment.wall(facts.reaches_back_ns);
  }
  if (facts.frame_flags) {
    for (std::string& name : flag_names(*facts.frame_flags)) {
      response.add_frame_flags(std::move(name));
    }
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::api
