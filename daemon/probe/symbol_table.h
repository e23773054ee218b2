#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace swaptrail::probe {

// How a function's name is found in the kernel's symbol table.
enum class SymbolState : uint8_t {
  kExact,       // once, under exactly this name
  kAmbiguous,   // several functions have this name
  kSuffixOnly,  // only as NAME.isra.0, NAME.constprop.0, NAME.llvm.1234, ...
  kAbsent,      // not at all: inlined, or never there
  kNotChecked,  // no symbol table was given, or it can't be read
};

struct Symbol {
  SymbolState state = SymbolState::kNotChecked;
  std::vector<std::string> twins;  // clones by the compiler, sorted; not `.cold`, which is harmless
};

// A kernel's symbols, from the text of /proc/kallsyms or of a System.map ("ADDRESS TYPE NAME [MODULE]" in
// each line), or from bare names, one a line. Symbols of modules are left out. Immutable; any thread may
// query it. It takes about twice the memory of its text (5 to 15 MiB), so it exists only during the
// start.
class SymbolTable {
 public:
  SymbolTable() = default;  // no symbol
  explicit SymbolTable(std::string text);
  // Keys point into `text_`: a table must stay where it is.
  SymbolTable(SymbolTable&&) = delete;
  SymbolTable& operator=(SymbolTable&&) = delete;

  bool has_functions() const { return !functions_.empty() || !clones_.empty(); }

  // The function of this name; kAbsent if there is none.
  Symbol function(absl::string_view name) const;

  // The address of the symbol of this name, of any type; 0 if there is none, or more than one, or the
  // kernel hides it (kernel.kptr_restrict).
  uint64_t address(absl::string_view name) const;

 private:
  const std::string text_;
  absl::flat_hash_map<absl::string_view, uint32_t> functions_;  // how many functions have the name
  absl::flat_hash_map<absl::string_view, std::vector<absl::string_view>>
      clones_;  // by the name before '.'
};

}  // namespace swaptrail::probe
