// What the attach plan may use: a kernel's BTF and the names in its symbol table.
//
// Nothing here uses a version number: the release string is for people to read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/probe/symbol_table.h"

struct btf;

namespace swaptrail::probe {

// The kind of a value, as far as a BPF program that receives it must care.
enum class TypeKind : uint8_t { kVoid, kInteger, kBool, kPointer, kStruct, kOther };

// The type of an argument or of a return value.
struct ValueType {
  TypeKind kind = TypeKind::kVoid;
  bool is_folio = false;  // pointer to struct folio or struct page
  uint32_t bytes = 0;     // size of a struct or union passed by value, else 0
  std::string text;       // as in C, without qualifiers: "struct folio *"
};

// The prototype of a kernel function or tracepoint.
struct FunctionShape {
  ValueType result;
  std::vector<ValueType> arguments;
  bool ambiguous = false;  // BTF has this name with another prototype too

  // Index of the first argument that is a `struct folio *` or `struct page *`, or -1.
  int folio_argument() const;
  // As in C, without names: "int (struct folio *, gfp_t)".
  std::string text() const;
};

// A kernel's BTF and symbol names. Immutable once opened; any thread may query it.
class KernelView {
 public:
  // Where to look; an empty path means the running kernel's own.
  struct Sources {
    // Raw BTF, or an ELF file with a .BTF section. Empty: /sys/kernel/btf/vmlinux.
    std::string btf_path;
    // /proc/kallsyms, a System.map, or bare names, one a line. Empty: /proc/kallsyms, but only if
    // btf_path is empty too: another kernel's BTF does not go with this one's symbols.
    std::string symbols_path;
    // For people to read. Empty: of the running kernel, if btf_path is empty too.
    std::string release;
  };

  // Opens and indexes the sources (tens of milliseconds, tens of MiB, freed with the view).
  // Errors: NotFound (no BTF, or no such file), InvalidArgument (no regular file, no BTF in it, or damaged).
  // An unreadable /proc/kallsyms is no error: every symbol is then "not checked".
  static absl::StatusOr<KernelView> open(const Sources& sources);

  KernelView(KernelView&&) noexcept;
  KernelView& operator=(KernelView&&) noexcept;
  ~KernelView();

  // The kernel's release as in `uname -r`; empty if not known.
  const std::string& release() const { return release_; }
  // Whether symbol() can answer; if not, symbols_reason() says why.
  bool symbols_checked() const { return symbols_->has_functions(); }
  const std::string& symbols_reason() const { return symbols_reason_; }

  // The shape of a kernel function; nothing if BTF has no FUNC of that name.
  std::optional<FunctionShape> function(absl::string_view name) const;
  // The BTF id of that FUNC (the first, if several), or 0.
  uint32_t function_id(absl::string_view name) const;
  // The shape of a raw tracepoint, as include/linux/tracepoint.h's DEFINE_EVENT leaves it in BTF
  // (typedef btf_trace_NAME), without the hidden `void *__data`.
  std::optional<FunctionShape> raw_tracepoint(absl::string_view name) const;
  // How the symbol table has a function of this name.
  Symbol symbol(absl::string_view name) const;
  // Without a symbol if there is no table. Valid as long as the view.
  const SymbolTable& symbols() const { return *symbols_; }
  // Whether a struct or union has this member, also inside its anonymous members.
  bool has_field(absl::string_view type, absl::string_view field) const;
  // Whether this enum has this enumerator.
  bool has_enum_value(absl::string_view type, absl::string_view value) const;

 private:
  struct BtfDeleter {
    void operator()(btf* object) const;
  };
  using Ids = absl::InlinedVector<uint32_t, 1>;               // nearly all names have one
  using Index = absl::flat_hash_map<absl::string_view, Ids>;  // keys live in btf_

  explicit KernelView(btf* object);
  void index_types();
  absl::Status load_symbols(const Sources& sources);
  bool struct_has_field(uint32_t id, absl::string_view field, int depth) const;
  std::optional<FunctionShape> prototype(uint32_t id, size_t hidden_arguments) const;

  std::unique_ptr<btf, BtfDeleter> btf_;
  Index functions_, structs_, enums_, typedefs_;
  std::unique_ptr<const SymbolTable> symbols_ = std::make_unique<SymbolTable>();
  std::string symbols_reason_;
  std::string release_;
};

}  // namespace swaptrail::probe
