#include "daemon/probe/kernel_view.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/files.h"

namespace swaptrail::probe {
namespace {

constexpr char kRunningBtf[] = "/sys/kernel/btf/vmlinux";
constexpr char kRunningSymbols[] = "/proc/kallsyms";
constexpr char kEndOfFunctions[] = " T _etext";  // data follows, and modules
constexpr char kNoBtf[] =
    "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF): give one with --btf FILE";
// Damaged BTF can hold a cycle of typedefs; nothing real nests as deep as this.
constexpr int kMaxDepth = 32;

// BTF ids come from a file: "void" is returned for an id out of range.
const btf_type* type_at(const btf* object, uint32_t id) {
  static const btf_type kVoidType = {};
  const btf_type* type = id == 0 ? nullptr : btf__type_by_id(object, id);
  return type != nullptr ? type : &kVoidType;
}

absl::string_view name_of(const btf* object, const btf_type* type) {
  const char* name = btf__name_by_offset(object, type->name_off);
  return name != nullptr ? name : "";
}

bool is_qualifier(const btf_type* type) {
  return btf_is_const(type) || btf_is_volatile(type) || btf_is_restrict(type) ||
         btf_is_type_tag(type);
}

// Skips const, volatile and the like; with `typedefs`, typedefs too.
const btf_type* strip(const btf* object, uint32_t id, bool typedefs) {
  const btf_type* type = type_at(object, id);
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (!is_qualifier(type) && !(typedefs && btf_is_typedef(type))) return type;
    type = type_at(object, type->type);
  }
  return type_at(object, 0);
}

std::string type_text(const btf* object, uint32_t id, int depth = 0) {
  const btf_type* type = strip(object, id, false);
  const absl::string_view name = name_of(object, type);
  switch (btf_kind(type)) {
    case BTF_KIND_UNKN:
      return "void";
    case BTF_KIND_PTR: {
      if (depth == kMaxDepth) return "...";
      const std::string target = type_text(object, type->type, depth + 1);
      return absl::StrCat(target, absl::EndsWith(target, "*") ? "*" : " *");
    }
    case BTF_KIND_STRUCT:
      return absl::StrCat("struct ", name);
    case BTF_KIND_UNION:
      return absl::StrCat("union ", name);
    case BTF_KIND_FWD:
      return absl::StrCat(btf_kflag(type) ? "union " : "struct ", name);
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return absl::StrCat("enum ", name);
    case BTF_KIND_FUNC_PROTO:
      return "function";
    default:
      return std::string(name);
  }
}

TypeKind kind_of(const btf_type* type) {
  switch (btf_kind(type)) {
    case BTF_KIND_UNKN:
      return TypeKind::kVoid;
    case BTF_KIND_INT:
      return (btf_int_encoding(type) & BTF_INT_BOOL) != 0 ? TypeKind::kBool : TypeKind::kInteger;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return TypeKind::kInteger;
    case BTF_KIND_PTR:
      return TypeKind::kPointer;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return TypeKind::kStruct;
    default:
      return TypeKind::kOther;
  }
}

ValueType value_type(const btf* object, uint32_t id) {
  ValueType value;
  const btf_type* type = strip(object, id, true);
  value.kind = kind_of(type);
  value.text = type_text(object, id);
  if (value.kind == TypeKind::kStruct) value.bytes = type->size;
  if (value.kind == TypeKind::kPointer) {
    const std::string target = type_text(object, type->type);
    value.is_folio = target == "struct folio" || target == "struct page";
  }
  return value;
}

// libbpf would wait for a FIFO's writer, and read an endless device.
absl::Status check_btf_file(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0)
    return absl::NotFoundError(
        absl::StrCat("can't open the BTF file ", path, ": ", strerror(errno)));
  return S_ISREG(found.st_mode)
             ? absl::OkStatus()
             : base::bad_path(
                   path, "is no regular file: give a copy of a kernel's /sys/kernel/btf/vmlinux");
}

absl::StatusOr<btf*> parse_btf(const std::string& path) {
  if (absl::Status file = path.empty() ? absl::OkStatus() : check_btf_file(path); !file.ok())
    return file;
  // libbpf prints its errors on stderr; ours go into the status, in one line
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  btf* object = path.empty() ? btf__parse_raw(kRunningBtf) : btf__parse(path.c_str(), nullptr);
  const int error = errno;
  libbpf_set_print(print);
  if (object != nullptr) return object;
  if (path.empty()) return absl::NotFoundError(kNoBtf);
  char text[128] = {};
  libbpf_strerror(error, text, sizeof(text));
  return absl::InvalidArgumentError(absl::StrCat(
      path, " holds no usable BTF (", text,
      "): give a copy of a kernel's /sys/kernel/btf/vmlinux, or a vmlinux with a .BTF section"));
}

std::string running_release() {
  utsname names = {};
  return uname(&names) == 0 ? names.release : "";
}

}  // namespace

int FunctionShape::folio_argument() const {
  const auto found = std::find_if(arguments.begin(), arguments.end(),
                                  [](const ValueType& argument) { return argument.is_folio; });
  return found == arguments.end() ? -1 : static_cast<int>(found - arguments.begin());
}

std::string FunctionShape::text() const {
  const auto append = [](std::string* out, const ValueType& type) { out->append(type.text); };
  const std::string list = arguments.empty() ? "void" : absl::StrJoin(arguments, ", ", append);
  return absl::StrCat(result.text, " (", list, ")");
}

void KernelView::BtfDeleter::operator()(btf* object) const { btf__free(object); }

KernelView::KernelView(btf* object) : btf_(object) {}
KernelView::KernelView(KernelView&&) noexcept = default;
KernelView& KernelView::operator=(KernelView&&) noexcept = default;
KernelView::~KernelView() = default;

absl::StatusOr<KernelView> KernelView::open(const Sources& sources) {
  const absl::StatusOr<btf*> object = parse_btf(sources.btf_path);
  if (!object.ok()) return object.status();
  KernelView view(*object);
  view.index_types();
  if (absl::Status status = view.load_symbols(sources); !status.ok()) return status;
  view.release_ = sources.release;
  if (view.release_.empty() && sources.btf_path.empty()) view.release_ = running_release();
  return view;
}

void KernelView::index_types() {
  const uint32_t count = btf__type_cnt(btf_.get());
  for (uint32_t id = 1; id < count; ++id) {
    const btf_type* type = type_at(btf_.get(), id);
    const absl::string_view name = name_of(btf_.get(), type);
    if (name.empty()) continue;
    if (btf_is_func(type)) functions_[name].push_back(id);
    if (btf_is_composite(type)) structs_[name].push_back(id);
    if (btf_is_any_enum(type)) enums_[name].push_back(id);
    if (btf_is_typedef(type) && absl::StartsWith(name, "btf_trace_")) {
      typedefs_[name].push_back(id);
    }
  }
}

absl::Status KernelView::load_symbols(const Sources& sources) {
  const bool is_default = sources.symbols_path.empty();
  if (is_default && !sources.btf_path.empty()) {
    symbols_reason_ = "no symbol table was given for this BTF";
    return absl::OkStatus();
  }
  const std::string path = is_default ? kRunningSymbols : sources.symbols_path;
  // The kernel spends more time on each line than we do. Where it can be asked for a symbol's address (probe/features,
  // address_of_symbol), data is not read: a third of the lines, and with many modules half.
  const bool only_functions = is_default && function_id("bpf_kallsyms_lookup_name") != 0;
  auto text = base::read_file_until(path, only_functions ? kEndOfFunctions : "");
  if (!text.ok() && !is_default) return text.status();
  symbols_ = std::make_unique<SymbolTable>(text.ok() ? *std::move(text) : std::string());
  if (!symbols_checked()) symbols_reason_ = absl::StrCat(path, " shows no function names");
  return absl::OkStatus();
}

std::optional<FunctionShape> KernelView::prototype(uint32_t id, size_t hidden_arguments) const {
  const btf_type* type = type_at(btf_.get(), id);
  if (!btf_is_func_proto(type)) return std::nullopt;
  FunctionShape shape;
  shape.result = value_type(btf_.get(), type->type);
  const btf_param* parameters = btf_params(type);
  for (size_t i = hidden_arguments; i < btf_vlen(type); ++i) {
    shape.arguments.push_back(value_type(btf_.get(), parameters[i].type));
  }
  return shape;
}

std::optional<FunctionShape> KernelView::function(absl::string_view name) const {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return std::nullopt;
  std::optional<FunctionShape> shape;
  for (const uint32_t id : found->second) {
    std::optional<FunctionShape> other = prototype(type_at(btf_.get(), id)->type, 0);
    if (!other) continue;
    if (!shape) {
      shape = std::move(other);
    } else if (other->text() != shape->text()) {
      shape->ambiguous = true;
    }
  }
  return shape;
}

uint32_t KernelView::function_id(absl::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? 0 : found->second.front();
}

std::optional<FunctionShape> KernelView::raw_tracepoint(absl::string_view name) const {
  const auto found = typedefs_.find(absl::StrCat("btf_trace_", name));
  if (found == typedefs_.end()) return std::nullopt;
  const btf_type* pointer = strip(btf_.get(), found->second.front(), true);
  if (!btf_is_ptr(pointer)) return std::nullopt;
  return prototype(pointer->type, 1);
}

Symbol KernelView::symbol(absl::string_view name) const {
  return symbols_checked() ? symbols_->function(name) : Symbol();
}

bool KernelView::struct_has_field(uint32_t id, absl::string_view field, int depth) const {
  const btf_type* type = strip(btf_.get(), id, false);
  if (!btf_is_composite(type) || depth == kMaxDepth) return false;
  const btf_member* members = btf_members(type);
  for (int i = 0; i < btf_vlen(type); ++i) {
    const char* raw = btf__name_by_offset(btf_.get(), members[i].name_off);
    const absl::string_view name = raw != nullptr ? raw : "";
    if (name.empty() ? struct_has_field(members[i].type, field, depth + 1) : name == field) {
      return true;
    }
  }
  return false;
}

bool KernelView::has_field(absl::string_view type, absl::string_view field) const {
  const auto found = structs_.find(type);
  if (found == structs_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](uint32_t id) { return struct_has_field(id, field, 0); });
}

bool KernelView::has_enum_value(absl::string_view type, absl::string_view value) const {
  const auto found = enums_.find(type);
  if (found == enums_.end()) return false;
  const auto has = [&](uint32_t id) {
    const btf_type* entry = type_at(btf_.get(), id);
    for (int i = 0; i < btf_vlen(entry); ++i) {
      const uint32_t offset =
          btf_is_enum(entry) ? btf_enum(entry)[i].name_off : btf_enum64(entry)[i].name_off;
      const char* name = btf__name_by_offset(btf_.get(), offset);
      if (name != nullptr && value == name) return true;
    }
    return false;
  };
  return std::any_of(found->second.begin(), found->second.end(), has);
}

}  // namespace swaptrail::probe
