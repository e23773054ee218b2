#include "trace/recording/block_decoder.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "trace/recording/varint.h"

namespace swaptrail::recording {
namespace {

absl::Status bad(const char* what) { return absl::DataLossError(what); }

}  // namespace

// The mask and the time columns are known to be long enough.
struct BlockDecoder::Coder {
  static constexpr bool kWrites = false;
  ByteCursor* columns;
  uint32_t mask = 0;

  void next() {
    mask = *columns[kMaskLow].at++;
    mask |= uint32_t{*columns[kMaskHigh].at++} << 8;
  }
  bool differs(Field field, bool) const { return (mask >> static_cast<unsigned>(field) & 1) != 0; }
  uint64_t value(Field field, uint64_t) { return columns[static_cast<size_t>(field)].varint(); }
  template <typename Number>
  void time(Number& time_ns, uint64_t previous_ns) {
    const uint64_t low = *columns[kTimeLow].at++;
    time_ns = previous_ns + (columns[kTimeHigh].varint() << 8 | low);
  }
};

void BlockDecoder::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

BlockDecoder::BlockDecoder() : zstd_(ZSTD_createDCtx()) {}
BlockDecoder::~BlockDecoder() = default;

absl::Status BlockDecoder::open_column(size_t column, ByteCursor& in, size_t room, uint8_t*& raw) {
  const uint64_t bytes = in.varint();
  columns_[column] = {raw, raw, false};
  if (in.bad || bytes > room) return bad("a column that is too long");
  if (bytes == 0) return absl::OkStatus();
  const uint64_t stored = in.varint();
  if (in.bad || stored > static_cast<size_t>(in.end - in.at) || stored > bytes)
    return bad("a column that goes past the end of its block");
  if (stored == bytes) {
    std::memcpy(raw, in.at, bytes);
  } else if (ZSTD_decompressDCtx(zstd_.get(), raw, bytes, in.at, stored) != bytes) {
    return bad("a column that zstd does not accept");
  }
  in.at += stored;
  raw += bytes;
  columns_[column].end = raw;
  return absl::OkStatus();
}

absl::Status BlockDecoder::open_columns(const BlockHead& head, std::string_view payload) {
  // So a small block never takes much memory, whatever its head claims.
  const uint64_t most =
      (uint64_t{head.events} + 1) * kMaxEventRawBytes + uint64_t{head.losses} * kMaxColumnBytes;
  if (head.raw_bytes > std::min<uint64_t>(most, kMaxBlockRawBytes))
    return bad("a block beyond the limits");
  if (raw_.size() < head.raw_bytes) raw_.resize(head.raw_bytes);
  const auto* begin = reinterpret_cast<const uint8_t*>(payload.data());
  ByteCursor in{begin, begin + payload.size(), false};
  uint8_t* raw = raw_.data();
  const uint8_t* end = raw + head.raw_bytes;
  for (size_t column = 0; column < kColumnCount; ++column) {
    absl::Status status = open_column(column, in, static_cast<size_t>(end - raw), raw);
    if (!status.ok()) return status;
  }
  if (!in.consumed() || raw != end) return bad("columns that do not fill their block");
  for (const Column fixed : {kMaskLow, kMaskHigh, kTimeLow}) {
    if (static_cast<size_t>(columns_[fixed].end - columns_[fixed].at) != head.events)
      return bad("a column with another number of events");
  }
  return absl::OkStatus();
}

absl::Status BlockDecoder::read_losses(const BlockHead& head, uint64_t first_ns,
                                       std::vector<RecordedLoss>& losses) {
  losses.clear();
  ByteCursor& in = columns_[kLosses];
  // Each takes at least five bytes, so the bytes present bound the count before memory is
  // allocated.
  if (head.losses > static_cast<size_t>(in.end - in.at) / 5) return bad("too few losses");
  losses.reserve(head.losses);
  uint64_t before_event = 0;
  for (uint32_t i = 0; i < head.losses; ++i) {
    before_event += in.varint();
    const uint64_t cpu = in.varint();
    RecordedLoss read{};
    read.loss.count = in.varint();
    read.loss.to_ns = first_ns + unzigzag<uint64_t>(in.varint());
    read.loss.from_ns = read.loss.to_ns - unzigzag<uint64_t>(in.varint());
    if (before_event > head.events || cpu > kMaxRecordedCpu) return bad("an odd loss");
    read.before_event = static_cast<uint32_t>(before_event);
    read.loss.cpu = static_cast<uint32_t>(cpu);
    losses.push_back(read);
  }
  return absl::OkStatus();
}

absl::Status BlockDecoder::read_events(const BlockHead& head,
                                       const std::vector<RecordedLoss>& losses,
                                       std::vector<RecordedEvent>& events) {
  Coder coder{columns_.data()};
  auto loss = losses.begin();
  for (uint32_t i = 0; i < head.events; ++i) {
    for (; loss != losses.end() && loss->before_event == i; ++loss)
      history_.lose(loss->loss.cpu, loss->loss.count);
    RecordedEvent& next = events[i];
    coder.next();
    history_.pass(coder, next.event, next.sequence);
  }
  for (const ByteCursor& column : columns_)
    if (!column.consumed()) return bad("a column that does not fit its events");
  return absl::OkStatus();
}

absl::Status BlockDecoder::decode(const BlockHead& head, std::string_view payload,
                                  std::vector<RecordedEvent>& events,
                                  std::vector<RecordedLoss>& losses) {
  if (head.events > kMaxBlockEvents || head.losses > kMaxBlockEvents)
    return bad("a block beyond the limits");
  if (absl::Status status = open_columns(head, payload); !status.ok()) return status;
  const uint64_t first_ns = columns_[kTimeHigh].varint();
  history_.reset(first_ns);
  if (absl::Status status = read_losses(head, first_ns, losses); !status.ok()) return status;
  events.resize(head.events);
  return read_events(head, losses, events);
}

}  // namespace swaptrail::recording
