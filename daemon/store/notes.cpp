#include "daemon/store/notes.h"

#include <cstring>

namespace swaptrail::store {
namespace {

// The last word.
constexpr uint64_t kStayBit = uint64_t{1} << 63;

// (atomic_ref takes no const word before C++26.)
std::atomic_ref<uint64_t> atomic(const uint64_t& word) {
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word));
}

}  // namespace

uint64_t Notes::add(const Return& back, uint64_t before) {
  Words words{};
  words[0] = before;
  words[1] = back.lifecycle_id;
  words[2] = back.entry;
  words[3] = back.time_ns;
  words[4] = back.after_ns;
  words[5] = back.fault_ns;
  words[6] = back.address;
  words[7] = back.reader_cgroup;
  std::memcpy(&words[8], back.comm.data(), back.comm.size());
  words[10] = uint64_t{back.tgid} << 32 | back.tid;
  words[11] = uint64_t{back.owner_tgid} << 32 | back.generation;
  words[12] = uint64_t{back.nr_pages} << 32 | uint64_t{back.mapped_pages} << 16 | back.passes;
  words[13] = static_cast<uint64_t>(back.how) | uint64_t{back.backend} << 8 |
              uint64_t{back.major} << 16 | uint64_t{back.shmem} << 17;
  return write(words);
}

uint64_t Notes::add(const Stay& stay, uint64_t before) {
  Words words{};
  words[0] = before;
  words[1] = stay.lifecycle_id;
  words[2] = stay.entry;
  words[3] = stay.time_ns;
  words[12] = uint64_t{stay.nr_pages} << 32;
  words[13] = kStayBit | static_cast<uint64_t>(stay.change);
  return write(words);
}

uint64_t Notes::write(const Words& words) {
  const uint64_t number = total_.load(std::memory_order_relaxed) + 1;
  Slot& slot = slots_[number % slots_.size()];
  atomic(slot.number).store(0, std::memory_order_relaxed);
  // Release: a reader that sees one of the words also sees that the number is gone.
  for (size_t at = 0; at < kWords; ++at)
    atomic(slot.words[at]).store(words[at], std::memory_order_release);
  atomic(slot.number).store(number, std::memory_order_release);
  total_.store(number, std::memory_order_release);
  return number;
}

std::optional<Note> Notes::read(uint64_t number) const {
  const Slot& slot = slots_[number % slots_.size()];
  if (atomic(slot.number).load(std::memory_order_acquire) != number) return std::nullopt;
  Words words{};
  for (size_t at = 0; at < kWords; ++at)
    words[at] = atomic(slot.words[at]).load(std::memory_order_acquire);
  if (atomic(slot.number).load(std::memory_order_relaxed) != number) return std::nullopt;
  Note note;
  note.before = words[0];
  const auto nr_pages = static_cast<uint16_t>(words[12] >> 32);
  if ((words[13] & kStayBit) != 0) {
    note.stay = Stay{.lifecycle_id = words[1],
                     .entry = words[2],
                     .time_ns = words[3],
                     .nr_pages = nr_pages,
                     .change = static_cast<StayChange>(words[13] & 0xff)};
    return note;
  }
  Return& back = note.back.emplace();
  back.lifecycle_id = words[1];
  back.entry = words[2];
  back.time_ns = words[3];
  back.after_ns = words[4];
  back.fault_ns = words[5];
  back.address = words[6];
  back.reader_cgroup = words[7];
  std::memcpy(back.comm.data(), &words[8], back.comm.size());
  back.tgid = static_cast<uint32_t>(words[10] >> 32);
  back.tid = static_cast<uint32_t>(words[10]);
  back.owner_tgid = static_cast<uint32_t>(words[11] >> 32);
  back.generation = static_cast<uint32_t>(words[11]);
  back.nr_pages = nr_pages;
  back.mapped_pages = static_cast<uint16_t>(words[12] >> 16);
  back.passes = static_cast<uint16_t>(words[12]);
  back.how = static_cast<ReturnHow>(words[13] & 0xff);
  back.backend = static_cast<uint8_t>(words[13] >> 8);
  back.major = (words[13] >> 16 & 1) != 0;
  back.shmem = (words[13] >> 17 & 1) != 0;
  return note;
}

NoteChain Notes::chain(uint64_t last, size_t most) const {
  NoteChain out;
  for (uint64_t number = last; number != 0;) {
    std::optional<Note> note = out.notes.size() < most ? read(number) : std::nullopt;
    if (!note) {
      out.more = true;
      break;
    }
    number = note->before;
    out.notes.push_back(*std::move(note));
  }
  return out;
}

}  // namespace swaptrail::store
