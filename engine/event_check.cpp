#include "engine/event_check.h"

namespace swaptrail::engine {
namespace {

enum class InBatch : uint8_t { kMust, kMay, kNever };

struct KindRule {
  bool folio;        // it is about a folio
  InBatch in_batch;  // bpf/stages.bpf.h names the batch of the thread, or never does
  uint16_t states;   // bits that it may have
  int32_t results;   // 0 .. this; -1: any
};

constexpr uint16_t kFolio = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM |
                            SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE |
                            SWAPTRAIL_STATE_DIRTY | SWAPTRAIL_STATE_WRITEBACK;

constexpr uint16_t kPass = SWAPTRAIL_STATE_TRIED | SWAPTRAIL_STATE_VMA_LOCK;

constexpr KindRule rule_of(uint8_t kind) {
  switch (static_cast<swaptrail_kind>(kind)) {
    case SWAPTRAIL_RECLAIM_BEGIN:
      return {false, InBatch::kMust, 0, 0};
    case SWAPTRAIL_RECLAIM_END:
      return {false, InBatch::kMust, 0, -1};
    case SWAPTRAIL_SLOT_ALLOCATED:
      return {true, InBatch::kMay, kFolio, -1};
    case SWAPTRAIL_UNMAPPED_ONE:
      return {true, InBatch::kMust, kFolio, 1};
    case SWAPTRAIL_UNMAPPED:
      return {true, InBatch::kMust, kFolio | SWAPTRAIL_STATE_MAPPED, 0};
    case SWAPTRAIL_WRITE_BEGIN:
      return {true, InBatch::kMay, kFolio, 0};
    case SWAPTRAIL_ZSWAP_STORED:
      return {true, InBatch::kMay, kFolio, 0};
    case SWAPTRAIL_WRITE_ISSUED:
      return {true, InBatch::kMay, kFolio, 0};
    case SWAPTRAIL_WRITE_END:
      return {true, InBatch::kMay, kFolio, -1};
    case SWAPTRAIL_WRITE_COMPLETED:
      return {true, InBatch::kNever, kFolio, 0};
    case SWAPTRAIL_REMOVED:
      return {true, InBatch::kMust, kFolio, 1};
    case SWAPTRAIL_CACHE_DELETED:
      return {true, InBatch::kMay, kFolio, 0};
    case SWAPTRAIL_SLOT_FREED:
      return {false, InBatch::kMay, SWAPTRAIL_STATE_SWAPOFF, 0};
    case SWAPTRAIL_SWAP_IN:
      return {false, InBatch::kNever, kPass, -1};
    case SWAPTRAIL_SWAP_READ:
      return {true, InBatch::kNever, kFolio, 0};
    case SWAPTRAIL_ZSWAP_LOADED:
      return {true, InBatch::kNever, kFolio, 0};
    case SWAPTRAIL_SPLIT:
      return {true, InBatch::kMay, kFolio, -1};
    case SWAPTRAIL_PAGE_FREED:
      return {true, InBatch::kMay, kFolio, -1};
    case SWAPTRAIL_SHMEM_SWAP_IN:
      return {false, InBatch::kNever, SWAPTRAIL_STATE_IN_FAULT, -1};
    case SWAPTRAIL_KIND_END:
    case SWAPTRAIL_KIND_ROOM:
      break;
  }
  return {};
}

constexpr int kUserBits = 56;  // the user's half of the address space ends there, or below

bool has_address(const swaptrail_event& event) {
  return event.kind == SWAPTRAIL_UNMAPPED_ONE || event.kind == SWAPTRAIL_SWAP_IN;
}

}  // namespace

std::string_view oddity(const swaptrail_event& event, uint32_t cpus, uint32_t page_struct_size) {
  const KindRule rule = rule_of(event.kind);
  if (event.cpu >= cpus) return "there is no such CPU";
  if (event.state & ~rule.states) return "it can't tell such a state";
  const bool has_reader = event.kind == SWAPTRAIL_SWAP_IN || event.kind == SWAPTRAIL_SHMEM_SWAP_IN;
  if (!has_reader && rule.folio != (event.folio != 0))
    return rule.folio ? "no folio" : "it has a folio";
  if (rule.folio && event.folio % page_struct_size != 0) return "no address of a struct page";
  if (rule.folio && event.nr_pages == 0) return "a folio without pages";
  if ((event.batch_ns != 0) != (event.origin != SWAPTRAIL_ORIGIN_NONE))
    return "a batch without origin";
  if (event.batch_ns == 0 && rule.in_batch == InBatch::kMust) return "it names no batch";
  if (event.batch_ns != 0 && rule.in_batch == InBatch::kNever) return "it names a batch";
  if (event.batch_ns > event.time_ns) return "its batch begins after it";
  if (rule.results >= 0 && (event.result < 0 || event.result > rule.results))
    return "such a result";
  const bool unmaps = event.kind == SWAPTRAIL_UNMAPPED_ONE;
  if (unmaps && (event.u.map.address % 4096 != 0 || event.u.map.address == 0)) {
    return "no address of a page";
  }
  if (has_address(event) && event.u.map.address >> kUserBits != 0) return "no address of a process";
  return {};
}

}  // namespace swaptrail::engine
