// Every place where swaptrail can observe a kernel, and the functions that serve it: one table.
//
// A logical hook ("write") lists its candidates (swap_writeout, swap_writepage) in order of
// preference. A candidate is a kernel function or raw tracepoint, the prototype that it must have,
// and the BPF programs made for that prototype. A renamed function, or one with new arguments, is a
// new row here. The docs list which kernels have which; the code never asks.
#pragma once

#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace swaptrail::probe {

// How the programs get into the kernel. The three BPF objects have these names.
enum class Mode : uint8_t {
  kFull,        // fentry and fexit (object `full`)
  kKprobe,      // kprobes and kretprobes (object `kprobe`)
  kTracepoint,  // raw tracepoints (object `tracepoint`)
};

// "full", "kprobe" or "tracepoint".
absl::string_view mode_name(Mode mode);

// One logical point in the life of a page.
struct Hook {
  absl::string_view name;
  uint32_t kinds;            // bits 1 << enum swaptrail_kind: the events that only it brings
  absl::string_view costs;   // what can't be seen without it; one phrase
  absl::string_view absent;  // if set: no candidate in BTF is no loss, for this reason
  bool counts = false;       // --detail=counters needs it
};

// One function or raw tracepoint that can serve a hook, if it has this prototype.
struct Candidate {
  absl::string_view hook;
  absl::string_view target;
  absl::string_view end_target;  // where `exit` attaches if that is not `target`'s return
  // A prototype as in C, without names, where `_` is any type, `...` any further arguments, `folio`
  // a pointer to struct folio or struct page, `int` any integer or enum, and other types stand for
  // themselves. As return type `_` is any type except a struct.
  absl::string_view shape;
  uint32_t counts;          // with `...`: bits 1 << number of arguments with a program; 0: any
  absl::string_view entry;  // program to run on entry, or empty
  absl::string_view exit;   // program to run on return, or empty; {n} = number of arguments
  bool by_kprobe = false;   // in full mode too: more arguments than a trampoline passes before 6.6
};

// A hook of the full mode that no tracepoint of any kernel can serve.
struct Unseen {
  absl::string_view hook;
  absl::string_view reason;
};

// The hooks of a mode (full and kprobe share theirs), in the order of a page's life.
std::span<const Hook> hooks_of(Mode mode);
// All candidates of a mode; those of one hook are adjacent, the preferred ones first. Several rows
// can name one target, with its known prototypes.
std::span<const Candidate> candidates_of(Mode mode);
// What tracepoint mode can't see, by the name of the hook that would show it.
std::span<const Unseen> unseen_by_tracepoints();

}  // namespace swaptrail::probe
