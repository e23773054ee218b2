#include "trace/recording/block_encoder.h"

#include <zstd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trace/recording/varint.h"

namespace swaptrail::recording {
namespace {

constexpr size_t index_of(Field field) { return static_cast<size_t>(field); }

// How far a column can grow in a block.
size_t room_of(size_t column, uint32_t events) {
  switch (column) {
    case index_of(Field::kTask):
    case index_of(Field::kBatch):
      return size_t{events} * 3 * kMaxVarintBytes;
    case kMaskLow:
    case kMaskHigh:
    case kTimeLow:
      return events;
    case kLosses:
      return size_t{events} * kMaxColumnBytes;
    default:
      return (size_t{events} + 1) * kMaxVarintBytes;  // and the first time
  }
}

}  // namespace

struct BlockEncoder::Coder {
  static constexpr bool kWrites = true;
  uint8_t** at;
  uint32_t mask = 0;

  bool differs(Field field, bool really) {
    mask |= uint32_t{really} << index_of(field);
    return really;
  }
  uint64_t value(Field field, uint64_t number) {
    uint8_t*& place = at[index_of(field)];
    place = put_varint(place, number);
    return number;
  }
  void time(uint64_t time_ns, uint64_t previous_ns) {
    const uint64_t step = time_ns - previous_ns;
    *at[kTimeLow]++ = static_cast<uint8_t>(step);
    at[kTimeHigh] = put_varint(at[kTimeHigh], step >> 8);
  }
};

void BlockEncoder::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

BlockEncoder::BlockEncoder(uint32_t block_events, int level)
    : block_events_(block_events),
      level_(level),
      range_index_(kMaxRecordedCpu + 1),
      zstd_(ZSTD_createCCtx()) {
  size_t largest = 0;
  for (size_t column = 0; column < kColumnCount; ++column) {
    columns_[column].resize(room_of(column, block_events));
    largest = std::max(largest, columns_[column].size());
  }
  scratch_.resize(ZSTD_compressBound(largest));
  reset();
}

BlockEncoder::~BlockEncoder() = default;

void BlockEncoder::reset() {
  for (const CpuRange& range : head_.cpus) range_index_[range.cpu] = 0;
  std::vector<CpuRange> cpus = std::move(head_.cpus);
  cpus.clear();
  head_ = BlockHead();
  head_.cpus = std::move(cpus);
  loss_base_event_ = 0;
  for (size_t column = 0; column < kColumnCount; ++column) at_[column] = columns_[column].data();
}

void BlockEncoder::begin(uint64_t first_ns) {
  history_.reset(first_ns);
  head_.first_ns = head_.last_ns = base_ns_ = first_ns;
  at_[kTimeHigh] = put_varint(at_[kTimeHigh], first_ns);
}

void BlockEncoder::note_time(uint64_t time_ns) {
  head_.first_ns = std::min(head_.first_ns, time_ns);
  head_.last_ns = std::max(head_.last_ns, time_ns);
}

CpuRange& BlockEncoder::range_of(uint32_t cpu) {
  uint16_t& index = range_index_[cpu];
  if (index == 0) {
    head_.cpus.push_back({cpu, 0, 0, 0, 0});
    index = static_cast<uint16_t>(head_.cpus.size());
  }
  return head_.cpus[index - 1u];
}

void BlockEncoder::add(const swaptrail_event& event, uint64_t sequence) {
  if (empty()) begin(event.time_ns);
  note_time(event.time_ns);
  CpuRange& range = range_of(event.cpu);
  if (range.events++ == 0) {
    range.first_sequence = range.last_sequence = sequence;
  } else {
    range.first_sequence = std::min(range.first_sequence, sequence);
    range.last_sequence = std::max(range.last_sequence, sequence);
  }
  ++head_.events;
  Coder coder{at_.data()};
  swaptrail_event coded = event;
  history_.pass(coder, coded, sequence);
  *at_[kMaskLow]++ = static_cast<uint8_t>(coder.mask);
  *at_[kMaskHigh]++ = static_cast<uint8_t>(coder.mask >> 8);
}

void BlockEncoder::add(const Loss& loss) {
  if (empty()) begin(loss.to_ns);
  note_time(loss.to_ns);
  range_of(loss.cpu).lost += loss.count;
  head_.lost += loss.count;
  ++head_.losses;
  const uint64_t values[] = {head_.events - loss_base_event_, loss.cpu, loss.count,
                             zigzag(loss.to_ns - base_ns_), zigzag(loss.to_ns - loss.from_ns)};
  loss_base_event_ = head_.events;
  for (const uint64_t value : values) at_[kLosses] = put_varint(at_[kLosses], value);
  history_.lose(loss.cpu, loss.count);
}

absl::Status BlockEncoder::put_column(const uint8_t* begin, size_t bytes, std::string& payload) {
  uint8_t lengths[2 * kMaxVarintBytes];
  uint8_t* end = put_varint(lengths, bytes);
  const auto* stored = reinterpret_cast<const char*>(begin);
  size_t stored_bytes = bytes;
  if (bytes > 0) {
    const size_t made =
        ZSTD_compressCCtx(zstd_.get(), scratch_.data(), scratch_.size(), begin, bytes, level_);
    if (ZSTD_isError(made) != 0)
      return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(made)));
    if (made < bytes) {
      stored = scratch_.data();
      stored_bytes = made;
    }
    end = put_varint(end, stored_bytes);
  }
  payload.append(reinterpret_cast<const char*>(lengths), static_cast<size_t>(end - lengths));
  payload.append(stored, stored_bytes);
  return absl::OkStatus();
}

absl::Status BlockEncoder::seal(std::string& payload) {
  head_.raw_bytes = 0;
  for (size_t column = 0; column < kColumnCount; ++column) {
    const uint8_t* begin = columns_[column].data();
    const auto bytes = static_cast<size_t>(at_[column] - begin);
    head_.raw_bytes += bytes;
    if (absl::Status status = put_column(begin, bytes, payload); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::recording
