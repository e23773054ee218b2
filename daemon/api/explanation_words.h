// The words that explanations are made of. Internal to daemon/api/: explanation.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/api/explanation.h"
#include "trace/lifecycle.h"

namespace swaptrail::api {

// "3.2 s ago". A time that is later than an earlier reading of the clock is "just now".
std::string ago(uint64_t now_ns, uint64_t then_ns);
std::string duration(uint64_t duration_ns);
// "postgres (pid 1234)", fit for a terminal; "a process that is not known" if there is no name.
std::string process_words(uint32_t pid, std::string_view comm);
// "by kswapd0 (pid 57), in background reclaim of its node"
std::string reclaimer_words(const Reclaimer& reclaimer, const PageFacts& facts);
// "page 0x7000 of postgres (pid 1234)", "a page of shared memory (inode 12)"; "a page, nobody knows whose"
std::string owner_words(const ledger::SlotHeld& slot, const PageFacts& facts);
// "swap entry type 0, offset 1234 (/dev/vdb)"
std::string slot_words(uint64_t entry, uint64_t at_ns, const PageFacts& facts);
// Parts of sentences.
std::string_view abort_words(AbortReason reason);
std::string_view incomplete_words(IncompleteReason reason);
std::string_view stage_words(Stage stage);

}  // namespace swaptrail::api
