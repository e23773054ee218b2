#include "trace/recording/record_log.h"

namespace swaptrail::recording {

absl::Status RecordLog::begin(const RecordingHeader& header) {
  std::string first;
  make_record(static_cast<uint16_t>(RecordKind::kHeader), {}, make_payload(header), first);
  const auto header_bytes = static_cast<uint32_t>(first.size());
  first.insert(0, make_preamble());
  if (absl::Status status = sink_.append(first); !status.ok()) return status;
  RecordPlace place;
  place.offset = kPreambleBytes;
  place.bytes = header_bytes;
  place.kind = static_cast<uint32_t>(RecordKind::kHeader);
  places_.push_back(place);
  offset_ = first.size();
  return absl::OkStatus();
}

// Hands record_ to the sink.
absl::Status RecordLog::write(RecordPlace place) {
  if (absl::Status status = sink_.append(record_); !status.ok()) return status;
  place.offset = offset_;
  place.bytes = static_cast<uint32_t>(record_.size());
  offset_ += record_.size();
  // Two places are kept for the index and the end.
  if (places_.size() + 2 < kMaxRecords) {
    places_.push_back(place);
  } else {
    index_full_ = true;
  }
  return absl::OkStatus();
}

absl::Status RecordLog::append_copy(uint16_t kind, std::string_view head,
                                    std::string_view payload) {
  make_record(kind, head, payload, record_);
  RecordPlace place;
  place.kind = kind;
  return write(place);
}

absl::Status RecordLog::append_block(BlockHead& head, std::string_view payload) {
  head.first_event = events_;
  head_.clear();
  put_block_head(head, head_);
  make_record(static_cast<uint16_t>(RecordKind::kBlock), head_, payload, record_);
  RecordPlace place;
  place.kind = static_cast<uint32_t>(RecordKind::kBlock);
  place.events = head.events;
  place.losses = head.losses;
  place.first_event = head.first_event;
  place.first_ns = head.first_ns;
  place.last_ns = head.last_ns;
  if (absl::Status status = write(place); !status.ok()) return status;
  events_ += head.events;
  ++blocks_;
  return absl::OkStatus();
}

absl::Status RecordLog::finish(uint64_t end_ns) {
  EndHead end{end_ns, 0, events_};
  if (!index_full_) {
    std::string payload;
    put_index(places_, payload);
    end.index_offset = offset_;
    if (absl::Status status = append(RecordKind::kIndex, payload); !status.ok()) return status;
  }
  head_.clear();
  put_end_head(end, head_);
  make_record(static_cast<uint16_t>(RecordKind::kEnd), head_, {}, record_);
  RecordPlace place;
  place.kind = static_cast<uint32_t>(RecordKind::kEnd);
  return write(place);
}

}  // namespace swaptrail::recording
