// The templates of history.h, which includes this.
#pragma once

#include <type_traits>

#include "trace/recording/history.h"

namespace swaptrail::recording {

// Codes a number: as predicted, or else what `encode` makes of it, which `decode` undoes. True if it differed.
template <typename Coder, typename Number>
inline bool code_if_differs(Coder& coder, Field field, Number& value, Number predicted,
                            const auto& encode, const auto& decode) {
  const bool differs = coder.differs(field, Coder::kWrites && value != predicted);
  if (!differs) {
    value = predicted;
    return false;
  }
  const uint64_t code = coder.value(field, encode(value));
  if constexpr (!Coder::kWrites) value = static_cast<Number>(decode(code));
  return true;
}

// Its zigzag difference from `base`.
template <typename Coder, typename Number>
inline bool code_near(Coder& coder, Field field, Number& value,
                      std::type_identity_t<Number> predicted, std::type_identity_t<Number> base) {
  using Unsigned = std::make_unsigned_t<Number>;
  const auto from = static_cast<Unsigned>(base);
  return code_if_differs(
      coder, field, value, predicted,
      [from](Number number) {
        return zigzag(static_cast<Unsigned>(static_cast<Unsigned>(number) - from));
      },
      [from](uint64_t code) { return from + unzigzag<Unsigned>(code); });
}

// The bits in which it differs from the prediction.
template <typename Coder, typename Number>
inline void code_bits(Coder& coder, Field field, Number& value,
                      std::type_identity_t<Number> predicted) {
  const auto flip = [predicted](uint64_t bits) { return bits ^ predicted; };
  code_if_differs(coder, field, value, predicted, flip, flip);
}

// The number itself.
template <typename Coder, typename Number>
inline void code_plain(Coder& coder, Field field, Number& value,
                       std::type_identity_t<Number> predicted) {
  const auto same = [](uint64_t number) { return number; };
  code_if_differs(coder, field, value, predicted, same, same);
}

template <typename Coder>
inline void History::pass(Coder& coder, swaptrail_event& event, uint64_t& sequence) {
  coder.time(event.time_ns, previous_ns_);
  previous_ns_ = event.time_ns;
  code_bits(coder, Field::kCpu, event.cpu, previous_cpu_);
  previous_cpu_ = event.cpu;

  Cpu& cpu = context_of(event.cpu);
  Kind& before = cpu.kinds[cpu.last_kind % kKinds];
  code_plain(coder, Field::kKind, event.kind, before.next_kind);
  before.next_kind = event.kind;
  cpu.last_kind = event.kind;
  Kind& kind = cpu.kinds[event.kind % kKinds];

  code_near(coder, Field::kSequence, sequence, cpu.sequence, cpu.sequence);
  cpu.sequence = sequence + 1;
  code_near(coder, Field::kLost, event.lost, cpu.lost, cpu.lost);
  cpu.lost = event.lost;

  pass_task(coder, cpu, event);
  pass_batch(coder, cpu.tasks[0], kind, event);
  pass_place(coder, cpu, kind, event);
  code_bits(coder, Field::kState, event.state, kind.state);
  kind.state = event.state;
  code_near(coder, Field::kResult, event.result, kind.result, int32_t{0});
  kind.result = event.result;
  pass_words(coder, kind, event);
}

template <typename Coder>
inline void History::pass_task(Coder& coder, Cpu& cpu, swaptrail_event& event) {
  Task& first = cpu.tasks[0];
  const bool other = Coder::kWrites && (event.tid != first.tid || event.tgid != first.tgid);
  if (coder.differs(Field::kTask, other)) {
    size_t place = kTasks;
    if constexpr (Coder::kWrites) {
      for (place = 1; place < kTasks; ++place)
        if (cpu.tasks[place].tid == event.tid && cpu.tasks[place].tgid == event.tgid) break;
    }
    place = coder.value(Field::kTask, place % kTasks);
    Task task;
    if (place > 0 && place < kTasks) {
      task = cpu.tasks[place];
    } else {
      place = kTasks - 1;
      task.tid = first.tid + unzigzag<uint32_t>(coder.value(
                                 Field::kTask, zigzag<uint32_t>(event.tid - first.tid)));
      task.tgid = task.tid + unzigzag<uint32_t>(coder.value(
                                 Field::kTask, zigzag<uint32_t>(event.tgid - event.tid)));
    }
    for (size_t later = place; later > 0; --later) cpu.tasks[later] = cpu.tasks[later - 1];
    first = task;
  }
  event.tid = first.tid;
  event.tgid = first.tgid;
}

template <typename Coder>
inline void History::pass_batch(Coder& coder, Task& task, Kind& kind, swaptrail_event& event) {
  enum : uint64_t { kNone, kOfTask, kNew };
  const uint64_t predicted_ns = kind.in_batch ? task.batch_ns : 0;
  const uint8_t predicted_origin = kind.in_batch ? task.origin : uint8_t{0};
  const bool other =
      Coder::kWrites && (event.batch_ns != predicted_ns || event.origin != predicted_origin);
  if (!coder.differs(Field::kBatch, other)) {
    event.batch_ns = predicted_ns;
    event.origin = predicted_origin;
    return;
  }
  uint64_t which = kNew;
  if constexpr (Coder::kWrites) {
    if (event.batch_ns == 0 && event.origin == 0) {
      which = kNone;
    } else if (event.batch_ns == task.batch_ns && event.origin == task.origin) {
      which = kOfTask;
    }
  }
  which = coder.value(Field::kBatch, which);
  if (which == kNone) {
    event.batch_ns = 0;
    event.origin = 0;
  } else if (which == kOfTask) {
    event.batch_ns = task.batch_ns;
    event.origin = task.origin;
  } else {
    event.origin = static_cast<uint8_t>(coder.value(Field::kBatch, event.origin));
    event.batch_ns = event.time_ns - unzigzag<uint64_t>(coder.value(
                                         Field::kBatch, zigzag(event.time_ns - event.batch_ns)));
    task.batch_ns = event.batch_ns;
    task.origin = event.origin;
  }
  kind.in_batch = which != kNone;
}

// The way out and the way back are two trails: a fault may reclaim before it reads.
inline bool is_return_kind(uint8_t kind) {
  return (kind >= SWAPTRAIL_SLOT_FREED && kind <= SWAPTRAIL_ZSWAP_LOADED) ||
         kind == SWAPTRAIL_PAGE_FREED;
}

template <typename Coder>
inline void History::pass_place(Coder& coder, Cpu& cpu, Kind& kind, swaptrail_event& event) {
  Trail& trail = cpu.trails[is_return_kind(event.kind)];
  Trail now{std::rotr(event.folio, kFolioTurn), event.entry, event.nr_pages};
  if (code_near(coder, Field::kFolio, now.folio, folio_guess(kind.folio_guess, trail, kind),
                kind.folio))
    kind.folio_guess = better_folio_guess(trail, kind, now.folio);
  if (code_near(coder, Field::kEntry, now.entry,
                entry_guess(kind.entry_guess, trail, kind, now.folio), kind.entry))
    kind.entry_guess = better_entry_guess(trail, kind, now.folio, now.entry);
  const bool same = now.folio == trail.folio && now.folio != 0;
  code_near(coder, Field::kPages, now.nr_pages, same ? trail.nr_pages : kind.nr_pages, uint16_t{0});
  event.folio = std::rotl(now.folio, kFolioTurn);
  event.entry = now.entry;
  event.nr_pages = now.nr_pages;
  remember_place(event.kind, trail, kind, now);
}

template <typename Coder>
inline void History::pass_words(Coder& coder, Kind& kind, swaptrail_event& event) {
  uint64_t words[5];
  static_assert(sizeof(words) == sizeof(event.u));
  std::memcpy(words, &event.u, sizeof(words));
  if (event.kind == SWAPTRAIL_UNMAPPED_ONE || event.kind == SWAPTRAIL_SWAP_IN) {
    pass_mapping(coder, kind, event.tid, event.kind, words);
  } else if (event.kind == SWAPTRAIL_RECLAIM_BEGIN) {
    const uint64_t key = uint64_t{event.kind} << 32 | event.tid;
    code_bits(coder, Field::kWord0, words[0], kind.words[0]);
    code_bits(coder, Field::kWord1, words[1], kind.words[1]);
    pass_comm(coder, name_slot(key), key, kind, 2, words);
    code_bits(coder, Field::kWord4, words[4], kind.words[4]);
  } else {
    for (size_t i = 0; i < 5; ++i)
      code_bits(coder, static_cast<Field>(static_cast<size_t>(Field::kWord0) + i), words[i],
                kind.words[i]);
  }
  std::memcpy(kind.words, words, sizeof(words));
  if constexpr (!Coder::kWrites) std::memcpy(&event.u, words, sizeof(words));
}

// u.map: address, value, owner and its two small numbers, comm.
template <typename Coder>
inline void History::pass_mapping(Coder& coder, Kind& kind, uint32_t tid, uint8_t event_kind,
                                  uint64_t* words) {
  code_bits(coder, Field::kWord2, words[2], kind.words[2]);
  const auto owner = static_cast<uint32_t>(words[2]);
  const uint64_t key = uint64_t{event_kind} << 32 | (event_kind == SWAPTRAIL_SWAP_IN ? tid : owner);
  Name& name = name_slot(key);
  const bool known = name.key == key;
  const uint64_t base = known ? name.address : std::rotr(kind.words[0], kAddressTurn);
  uint64_t address = std::rotr(words[0], kAddressTurn);
  code_near(coder, Field::kWord0, address, base + (known ? name.step : 0), base);
  words[0] = std::rotl(address, kAddressTurn);
  code_plain(coder, Field::kWord1, words[1], kind.words[1]);
  pass_comm(coder, name, key, kind, 3, words);
  name.step = known ? address - name.address : 0;
  name.address = address;
}

// 16 bytes of comm in words[at], words[at + 1]. Takes over the slot for `key`.
template <typename Coder>
inline void History::pass_comm(Coder& coder, Name& name, uint64_t key, const Kind& kind, size_t at,
                               uint64_t* words) {
  const bool known = name.key == key;
  const auto field = static_cast<Field>(static_cast<size_t>(Field::kWord0) + at);
  const auto next = static_cast<Field>(static_cast<size_t>(field) + 1);
  code_bits(coder, field, words[at], known ? name.comm[0] : kind.words[at]);
  code_bits(coder, next, words[at + 1], known ? name.comm[1] : kind.words[at + 1]);
  name.key = key;
  name.comm[0] = words[at];
  name.comm[1] = words[at + 1];
}

}  // namespace swaptrail::recording
