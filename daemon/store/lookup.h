// The history of one page: by its frame, its slot, or its place in a process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/store/snapshot.h"

namespace swaptrail::store {

// All yield the newest first, at most `limit`, and include large folios that cover the page. Any
// thread. Segments without the page are passed over, but for about 1 in 100.

// `struct_page`: address of the page's struct page, its folio's or a later one.
std::vector<StoredLifecycle> lifecycles_of_frame(const Snapshot& snapshot, uint64_t struct_page,
                                                 size_t limit);
// `entry`: a swp_entry_t, the generation does not count.
std::vector<StoredLifecycle> lifecycles_of_entry(const Snapshot& snapshot, uint64_t entry,
                                                 size_t limit);
// `address`: any inside the page.
std::vector<StoredLifecycle> lifecycles_of_address(const Snapshot& snapshot, uint32_t tgid,
                                                   uint64_t address, size_t limit);

// Those of which a page came back to `address` in the memory of process `tgid`: also where its mapping
// was not kept, or is elsewhere by now. One look at each record and each note.
std::vector<StoredLifecycle> lifecycles_returned_to(const Snapshot& snapshot, uint32_t tgid,
                                                    uint64_t address, size_t limit);
// Does any lifecycle have more mappings than are kept?
bool has_unkept_mappings(const Snapshot& snapshot);

}  // namespace swaptrail::store
