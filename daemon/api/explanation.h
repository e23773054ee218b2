// Explains in plain English why a page is where it is: the answer to "add_to_swap succeeded and the
// page is still present. Why?"
//
// Pure: facts go in, sentences come out. Nothing is said that does not follow from the facts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/process_memory.h"
#include "daemon/store/record.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycle.h"

namespace swaptrail::api {

// How the page was named.
enum class NamedBy : uint8_t { kAddress, kFrame, kEntry };

// All times are monotonic nanoseconds.
struct PageFacts {
  NamedBy named_by = NamedBy::kAddress;
  uint64_t now_ns = 0;
  uint64_t attached_ns = 0;              // when the observation began
  uint32_t pid = 0;                      // kAddress
  uint64_t address = 0;                  // ... the begin of its page
  std::string comm;                      // ... the name of the process; may be empty
  std::optional<host::MappedFile> file;  // ... that is mapped there
  uint64_t started_ns = 0;               // ... when that process began, 0 = not known
  size_t earlier_attempts = 0;           // ... there, of earlier processes with its pid: left out
  uint64_t struct_page = 0;              // kFrame: address of its struct page, 0 = not known
  uint64_t pfn = 0;                      // kFrame; of kAddress it is in `page`
  uint64_t entry = 0;                    // kEntry; of kAddress it is in `page`
  host::PageEntry page;                  // kAddress
  std::optional<uint64_t> frame_flags;   // KPF_* bits; absent = not resident, or not readable
  std::optional<ledger::SlotHeld> slot;  // of `entry`, or of the entry in `page`; absent: not known
  std::optional<Lifecycle> in_flight;
  std::vector<store::StoredLifecycle> history;  // its attempts, the youngest first
  uint64_t reaches_back_ns = 0;  // when the oldest lifecycle in the store closed; 0 = it has none
  bool forgotten = false;        // the store has had to drop or refuse some
  bool unkept_mappings = false;  // the store has folios with more mappings than are kept
  uint64_t last_loss_ns = 0;     // when the newest loss of events ended, 0 = there was none
  uint32_t page_bytes = 4096;
  uint32_t struct_page_bytes = 64;
  bool moved = false;  // it changed place while it was looked at
  // Texts: the path of a cgroup, and the device or file that had an area type at a time
  // (monotonic); empty = not known. May be unset.
  std::function<std::string(uint64_t)> cgroup_path;
  std::function<std::string(uint32_t, uint64_t)> area_path;
};

struct Explanation {
  std::vector<Stage> outstanding;  // of its attempt in flight, in order
  std::vector<std::string> sentences;
};

Explanation explain(const PageFacts& facts);

// The path of a page of shared memory, if its file is the one mapped there now; else empty.
std::string path_of(const PageFacts& facts, const SharedObject& object);

// Which page of the attempt's folio was asked for, from 0; nothing: not known.
std::optional<uint32_t> asked_page(const PageFacts& facts, const Lifecycle& life);

// Names as in Documentation/admin-guide/mm/pagemap.rst, in lower case: "swapcache".
std::vector<std::string> flag_names(uint64_t frame_flags);

}  // namespace swaptrail::api
