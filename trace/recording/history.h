// Predicts the next event from those before it in the same block. Internal to trace/recording;
// docs/RECORDING.md specifies it under "Events".
//
// The same code runs to write and to read: it asks a Coder to code each field against its
// prediction. A writing coder compares and notes the difference; a reading one sets the field. So
// both ends see the same history by construction.
//
// A Coder has:
//   static constexpr bool kWrites;
//   bool differs(Field, bool)           notes, or returns, whether the field differs from its prediction
//   uint64_t value(Field, uint64_t)     puts a varint into the field's column, or gets it
//   void time(time_ns&, uint64_t previous_ns)
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bpf/event.h"
#include "trace/recording/varint.h"

namespace swaptrail::recording {

// Bits of an event's mask, and its columns.
enum class Field : uint8_t {
  kCpu,
  kKind,
  kFolio,
  kEntry,
  kTask,
  kBatch,
  kState,
  kResult,  // low byte of the mask
  kPages,
  kSequence,
  kLost,
  kWord0,
  kWord1,
  kWord2,
  kWord3,
  kWord4,
  kCount
};
inline constexpr size_t kFieldCount = static_cast<size_t>(Field::kCount);
static_assert(kFieldCount == 16);

class History {
 public:
  History();

  // Forgets everything: a block begins.
  void reset(uint64_t first_ns);

  // A loss was reported: the sequence and the loss counter of that CPU go on by `count`.
  void lose(uint32_t cpu, uint64_t count) {
    Cpu& context = context_of(cpu);
    context.sequence += count;
    context.lost += static_cast<uint32_t>(count);
  }

  template <typename Coder>
  void pass(Coder& coder, swaptrail_event& event, uint64_t& sequence);

 private:
  static constexpr size_t kCpus = 256;  // contexts; a CPU uses that of its number modulo this
  static constexpr size_t kKinds = 32;  // likewise
  static constexpr size_t kTasks = 4;   // per CPU, the most recent first
  static constexpr size_t kFolios = 8192;
  static constexpr size_t kNames = 512;

  struct Task {
    uint32_t tid = 0;
    uint32_t tgid = 0;
    uint64_t batch_ns = 0;
    uint8_t origin = 0;
  };
  // The folio that a CPU is busy with. Addresses are rotated, see kFolioTurn.
  struct Trail {
    uint64_t folio = 0;
    uint64_t entry = 0;
    uint16_t nr_pages = 0;
  };
  enum Guess : uint8_t { kTrail, kNext, kKnown };  // which prediction was right last
  struct Kind {
    uint64_t folio = 0;
    uint64_t folio_step = 0;
    uint64_t entry = 0;
    uint64_t words[5] = {};
    int32_t result = 0;
    uint16_t nr_pages = 0;
    uint16_t state = 0;
    uint8_t next_kind = 0;
    uint8_t folio_guess = kTrail;
    uint8_t entry_guess = kTrail;
    bool in_batch = false;
  };
  struct Cpu {
    uint64_t sequence = 0;  // expected
    uint32_t lost = 0;
    uint8_t last_kind = 0;
    bool used = false;
    Task tasks[kTasks];
    Trail trails[2];
    Kind kinds[kKinds];
  };
  struct Folio {
    uint64_t folio = 0;
    uint64_t entry = 0;
    uint64_t next = 0;  // the one written after it on its CPU
  };
  struct Name {
    uint64_t key = 0;
    uint64_t comm[2] = {};
    uint64_t address = 0;
    uint64_t step = 0;
  };

  // struct page has 64 bytes nearly everywhere: turned right by 6 bits, neighbours differ by 1.
  static constexpr int kFolioTurn = 6;
  static constexpr int kAddressTurn = 12;

  Cpu& context_of(uint32_t cpu) {
    Cpu& context = cpus_[cpu % kCpus];
    if (!context.used) begin_use(context, cpu % kCpus);
    return context;
  }
  void begin_use(Cpu& context, uint32_t index);

  Folio& folio_slot(uint64_t folio) {
    return folios_[(folio * 0x9e3779b97f4a7c15) >> (64 - std::countr_zero(kFolios))];
  }
  Name& name_slot(uint64_t key) {
    return names_[(key * 0x9e3779b97f4a7c15) >> (64 - std::countr_zero(kNames))];
  }

  uint64_t folio_guess(uint8_t guess, const Trail& trail, const Kind& kind);
  uint64_t entry_guess(uint8_t guess, const Trail& trail, const Kind& kind, uint64_t folio);
  uint8_t better_folio_guess(const Trail& trail, const Kind& kind, uint64_t folio);
  uint8_t better_entry_guess(const Trail& trail, const Kind& kind, uint64_t folio, uint64_t entry);
  void remember_place(uint8_t event_kind, Trail& trail, Kind& kind, const Trail& now);

  template <typename Coder>
  void pass_task(Coder& coder, Cpu& cpu, swaptrail_event& event);
  template <typename Coder>
  void pass_batch(Coder& coder, Task& task, Kind& kind, swaptrail_event& event);
  template <typename Coder>
  void pass_place(Coder& coder, Cpu& cpu, Kind& kind, swaptrail_event& event);
  template <typename Coder>
  void pass_words(Coder& coder, Kind& kind, swaptrail_event& event);
  template <typename Coder>
  void pass_mapping(Coder& coder, Kind& kind, uint32_t tid, uint8_t event_kind, uint64_t* words);
  template <typename Coder>
  void pass_comm(Coder& coder, Name& name, uint64_t key, const Kind& kind, size_t at,
                 uint64_t* words);

  std::vector<Cpu> cpus_;
  std::vector<uint16_t> used_;  // contexts to clear
  std::vector<Folio> folios_;
  std::vector<Name> names_;
  uint64_t previous_ns_ = 0;
  uint16_t previous_cpu_ = 0;
};

}  // namespace swaptrail::recording

#include "trace/recording/history_pass.h"
