// The history of one page, found by its frame, its slot, or its address in a process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/store/snapshot.h"

namespace swaptrail::store {

// All return the newest first, at most `limit`, and include large folios that cover the page. Any
// thread. They skip segments without the page, except about 1 in 100.

// `struct_page`: address of the page's own struct page, its folio's first or a later one.
std::vector<StoredLifecycle> lifecycles_of_frame(const Snapshot& snapshot, uint64_t struct_page,
                                                 size_t limit);
// `entry`: a swp_entry_t, the generation does not count.
std::vector<StoredLifecycle> lifecycles_of_entry(const Snapshot& snapshot, uint64_t entry,
                                                 size_t limit);
// `address`: any inside the page.
std::vector<StoredLifecycle> lifecycles_of_address(const Snapshot& snapshot, uint32_t tgid,
                                                   uint64_t address, size_t limit);

// Those of which a page came back to `address` in the memory of process `tgid`, even if its mapping
// was not kept, or is elsewhere by now. Looks once at each record and each note.
std::vector<StoredLifecycle> lifecycles_returned_to(const Snapshot& snapshot, uint32_t tgid,
                                                    uint64_t address, size_t limit);
// Does any lifecycle have more mappings than are kept?
bool has_unkept_mappings(const Snapshot& snapshot);

}  // namespace swaptrail::store
