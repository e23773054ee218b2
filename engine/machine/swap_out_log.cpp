#include "engine/machine/swap_out_log.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t bit(uint32_t index) { return uint32_t{1} << index; }

// Kinds that begin a record, and those that count as a touch of their batch.
constexpr uint32_t kBegins = bit(SWAPTRAIL_SLOT_ALLOCATED) | bit(SWAPTRAIL_UNMAPPED_ONE) |
                             bit(SWAPTRAIL_UNMAPPED) | bit(SWAPTRAIL_WRITE_BEGIN) |
                             bit(SWAPTRAIL_REMOVED);
constexpr uint32_t kTouches = kBegins | bit(SWAPTRAIL_WRITE_END);

// What the end of a pass means for a folio that was on its way.
bool gives_up(const PassEnd& end, const Folio& folio, bool unmapped) {
  switch (end.why) {
    case Why::kNoSlot:
    case Why::kCannotSplit:
    case Why::kStillMapped:
    case Why::kRefused:
    case Why::kNoUser:
    case Why::kWriteError:
    case Why::kDirtied:
    case Why::kMayNotWrite:
      return true;
    case Why::kExtraReference:
      // Before the write nothing is under way yet, unless no process can reach it any more.
      return folio.dirty && (!folio.swapcache || !unmapped);
    default:
      return false;
  }
}

void set(TrueSwapOut& truth, Stage stage, uint64_t time_ns) {
  truth.stage_ns[static_cast<size_t>(stage)] = time_ns;
}

}  // namespace

uint32_t SwapOutLog::open(const Folio& folio, uint64_t now_ns, const LogBatch& batch) {
  uint32_t index = static_cast<uint32_t>(records_.size());
  if (free_.empty()) {
    records_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Record& record = records_[index] = Record{};
  record.frame = FrameTable::of(folio);
  record.open = true;
  record.truth.folio = folio.address;
  record.truth.begin_ns = now_ns;
  set(record.truth, Stage::kIsolated, batch.begin_ns);
  frames_[record.frame].log = index;
  return index;
}

void SwapOutLog::touch(uint32_t index, LogBatch& batch) {
  Record& record = records_[index];
  if (record.batch == batch.id) return;
  record.batch = batch.id;
  batch.touched.push_back(index);
  ++record.truth.passes;
}

void SwapOutLog::note(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend,
                      uint64_t now_ns, LogBatch* batch) {
  uint32_t index = frames_[FrameTable::of(folio)].log;
  if (index == kNoFrame) {
    if ((kBegins & bit(kind)) == 0 || batch == nullptr) return;
    const bool copy = kind == SWAPTRAIL_REMOVED && frames_.came_back(folio);
    if (copy) dropped_.push_back({folio.address, now_ns, batch->begin_ns});
    if (copy || frames_[FrameTable::of(folio)].read_in) return;
    index = open(folio, now_ns, *batch);
  }
  if ((kTouches & bit(kind)) != 0 && batch != nullptr) touch(index, *batch);
  advance(records_[index], kind, folio, result, backend, now_ns);
  if (kind != SWAPTRAIL_REMOVED || result != 1) return;
  set(records_[index].truth, Stage::kRemoved, now_ns);
  const uint8_t written_to = records_[index].truth.backend;
  const bool clean = written_to == SWAPTRAIL_BACKEND_NONE;
  close(index, clean ? Outcome::kFreedClean : freed_to(written_to), now_ns);
}

void SwapOutLog::advance(Record& record, swaptrail_kind kind, const Folio& folio, int32_t result,
                         uint8_t backend, uint64_t now_ns) {
  TrueSwapOut& truth = record.truth;
  truth.nr_pages = folio.nr_pages;
  if (folio.swapcache) truth.entry = folio.entry;
  switch (kind) {
    case SWAPTRAIL_SLOT_ALLOCATED:
      if (result == 0) set(truth, Stage::kSlotAllocated, now_ns);
      break;
    case SWAPTRAIL_UNMAPPED_ONE:
      ++truth.mappings;
      break;
    case SWAPTRAIL_UNMAPPED:
      record.unmapped = folio.mapped == 0;
      if (record.unmapped) set(truth, Stage::kUnmapped, now_ns);
      break;
    case SWAPTRAIL_WRITE_BEGIN:
      set(truth, Stage::kWriteBegin, now_ns);
      truth.backend = SWAPTRAIL_BACKEND_UNKNOWN;
      for (Stage later : {Stage::kWriteIssued, Stage::kWriteEnd, Stage::kWriteCompleted}) {
        set(truth, later, 0);
      }
      break;
    case SWAPTRAIL_WRITE_ISSUED:
      set(truth, Stage::kWriteIssued, now_ns);
      truth.backend = SWAPTRAIL_BACKEND_DEVICE;
      break;
    case SWAPTRAIL_ZSWAP_STORED:
      truth.backend = SWAPTRAIL_BACKEND_ZSWAP;
      break;
    case SWAPTRAIL_WRITE_END:
      set(truth, Stage::kWriteEnd, now_ns);
      truth.backend = result == 0 ? backend : uint8_t{SWAPTRAIL_BACKEND_NONE};
      break;
    case SWAPTRAIL_WRITE_COMPLETED:
      set(truth, Stage::kWriteCompleted, now_ns);
      if (folio.dirty) give_up(record.frame, now_ns);
      break;
    case SWAPTRAIL_REMOVED:
      if (folio.entry != 0) truth.entry = folio.entry;
      break;
    default:
      break;
  }
}

void SwapOutLog::end_pass(const Folio& folio, const PassEnd& end) {
  const uint32_t index = frames_[FrameTable::of(folio)].log;
  if (index == kNoFrame) return;
  Record& record = records_[index];
  record.given_up |= gives_up(end, folio, record.unmapped);
}

void SwapOutLog::end_batch(LogBatch& batch, uint64_t now_ns) {
  for (uint32_t index : batch.touched) {
    Record& record = records_[index];
    if (!record.open || record.batch != batch.id) continue;
    record.batch = 0;
    if (record.given_up) close(index, Outcome::kAborted, now_ns);
  }
  batch.touched.clear();
}

void SwapOutLog::give_up(uint32_t frame, uint64_t now_ns) {
  const uint32_t index = frames_[frame].log;
  if (index == kNoFrame) return;
  records_[index].given_up = true;
  if (records_[index].batch == 0) close(index, Outcome::kAborted, now_ns);
}

void SwapOutLog::close(uint32_t index, Outcome outcome, uint64_t now_ns) {
  Record& record = records_[index];
  record.open = false;
  record.truth.outcome = outcome;
  record.truth.end_ns = now_ns;
  if (frames_[record.frame].log == index) frames_[record.frame].log = kNoFrame;
  done_.push_back(record.truth);
  free_.push_back(index);
}

void SwapOutLog::finish(uint64_t now_ns) {
  for (uint32_t index = 0; index < records_.size(); ++index) {
    if (!records_[index].open) continue;
    close(index, records_[index].given_up ? Outcome::kAborted : Outcome::kInFlight, now_ns);
  }
}

}  // namespace swaptrail::engine
