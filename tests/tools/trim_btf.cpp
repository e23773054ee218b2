// trim_btf: makes a kernel's BTF (5 MB) into a fixture (some KB) for the tests of the attach plan.
//
//   trim_btf INPUT NAMES OUTPUT
//
// INPUT is raw BTF or an ELF file with .BTF. NAMES holds one wish a line, `#` begins a comment:
//
//   func NAME          a function and its prototype
//   tp NAME            the prototype of a raw tracepoint (typedef btf_trace_NAME)
//   struct NAME        all members, those of anonymous members hoisted, their types made void *
//   enum NAME          all values
//
// What INPUT lacks is left out without a word: that is what the tests are about. Types that a
// prototype mentions are kept by name, kind and size, without their members.
#include <bpf/btf.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

using Btf = std::unique_ptr<btf, decltype(&btf__free)>;

constexpr int kMaxDepth = 16;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Adding to BTF fails only without memory, or on a mistake in this tool.
uint32_t added(int id) {
  if (id < 0) fail("adding a type");
  return static_cast<uint32_t>(id);
}

class Trimmer {
 public:
  explicit Trimmer(const btf* from) : from_(from), to_(btf__new_empty(), btf__free) {
    if (to_ == nullptr) fail("new BTF");
    any_pointer_ = added(btf__add_ptr(to_.get(), 0));
  }

  void keep(const std::string& kind, const std::string& name) {
    const std::string wanted = kind == "tp" ? "btf_trace_" + name : name;
    for (uint32_t id = 1; id < btf__type_cnt(from_); ++id) {
      const btf_type* type = at(id);
      if (wanted != text(type->name_off)) continue;
      if (kind == "func" && btf_is_func(type)) keep_function(type);
      if (kind == "tp" && btf_is_typedef(type)) keep_tracepoint(type);
      if (kind == "struct" && btf_is_composite(type)) keep_struct(id);
      if (kind == "enum" && btf_is_any_enum(type)) keep_enum(type);
    }
  }

  void write(const char* path) const {
    uint32_t size = 0;
    const void* data = btf__raw_data(to_.get(), &size);
    std::ofstream file(path, std::ios::binary);
    if (data == nullptr || !file.write(static_cast<const char*>(data), size)) fail(path);
  }

 private:
  const btf_type* at(uint32_t id) const { return btf__type_by_id(from_, id); }
  const char* text(uint32_t offset) const { return btf__name_by_offset(from_, offset); }

  void keep_function(const btf_type* type) {
    const uint32_t prototype = copy_prototype(at(type->type));
    added(btf__add_func(to_.get(), text(type->name_off), BTF_FUNC_GLOBAL,
                        static_cast<int>(prototype)));
  }

  void keep_tracepoint(const btf_type* type) {
    const uint32_t prototype = copy_prototype(at(at(type->type)->type));
    const uint32_t pointer = added(btf__add_ptr(to_.get(), static_cast<int>(prototype)));
    added(btf__add_typedef(to_.get(), text(type->name_off), static_cast<int>(pointer)));
  }

  uint32_t copy_prototype(const btf_type* type) {
    // The types first: a prototype's parameters must follow it at once.
    const uint32_t result = shallow(type->type);
    const btf_param* parameters = btf_params(type);
    for (int i = 0; i < btf_vlen(type); ++i) shallow(parameters[i].type);
    const uint32_t id = added(btf__add_func_proto(to_.get(), static_cast<int>(result)));
    for (int i = 0; i < btf_vlen(type); ++i) {
      btf__add_func_param(to_.get(), text(parameters[i].name_off),
                          static_cast<int>(shallow(parameters[i].type)));
    }
    return id;
  }

  void keep_struct(uint32_t id) {
    const btf_type* type = at(id);
    added(btf__add_struct(to_.get(), text(type->name_off), type->size));
    hoist_members(type, 0, 0);
  }

  // All members as void *, anonymous structs and unions dissolved, bit fields at their byte.
  void hoist_members(const btf_type* type, uint32_t base, int depth) {
    const btf_member* members = btf_members(type);
    for (int i = 0; i < btf_vlen(type) && depth < kMaxDepth; ++i) {
      const uint32_t offset = base + btf_member_bit_offset(type, i);
      const char* name = text(members[i].name_off);
      const btf_type* inner = at(members[i].type);
      if (*name == '\0' && btf_is_composite(inner)) {
        hoist_members(inner, offset, depth + 1);
      } else if (btf__add_field(to_.get(), name, static_cast<int>(any_pointer_), offset & ~7U, 0) !=
                 0) {
        fail(name);
      }
    }
  }

  void keep_enum(const btf_type* type) {
    added(btf__add_enum(to_.get(), text(type->name_off), 4));
    for (int i = 0; i < btf_vlen(type); ++i) {
      const bool narrow = btf_is_enum(type);
      const uint32_t name = narrow ? btf_enum(type)[i].name_off : btf_enum64(type)[i].name_off;
      const int64_t value = narrow ? btf_enum(type)[i].val : 0;
      btf__add_enum_value(to_.get(), text(name), value);
    }
  }

  // The type with its name, kind and size, and what it points to; a struct without its members.
  uint32_t shallow(uint32_t id, int depth = 0) {
    if (id == 0 || depth == kMaxDepth) return 0;
    if (const auto known = ids_.find(id); known != ids_.end()) return known->second;
    const btf_type* type = at(id);
    const char* name = text(type->name_off);
    uint32_t copy = 0;
    if (btf_is_int(type)) {
      copy = added(btf__add_int(to_.get(), name, type->size, btf_int_encoding(type)));
    } else if (btf_is_ptr(type)) {
      copy = added(btf__add_ptr(to_.get(), static_cast<int>(shallow(type->type, depth + 1))));
    } else if (btf_is_typedef(type)) {
      const int target = static_cast<int>(shallow(type->type, depth + 1));
      copy = added(btf__add_typedef(to_.get(), name, target));
    } else if (btf_is_composite(type)) {
      copy = added(btf_is_struct(type) ? btf__add_struct(to_.get(), name, type->size)
                                       : btf__add_union(to_.get(), name, type->size));
    } else if (btf_is_any_enum(type)) {
      copy = added(btf__add_enum(to_.get(), name, 4));
    } else if (btf_is_fwd(type)) {
      copy = added(btf__add_fwd(to_.get(), name, btf_kflag(type) ? BTF_FWD_UNION : BTF_FWD_STRUCT));
    } else if (btf_is_mod(type)) {
      copy = shallow(type->type, depth + 1);
    } else if (btf_is_func_proto(type)) {
      copy = added(btf__add_func_proto(to_.get(), 0));
    }
    return ids_[id] = copy;
  }

  const btf* from_;
  Btf to_;
  uint32_t any_pointer_ = 0;
  std::map<uint32_t, uint32_t> ids_;
};

void trim(const char* input, const char* names, const char* output) {
  const Btf from(btf__parse(input, nullptr), btf__free);
  if (from == nullptr) fail(input);
  Trimmer trimmer(from.get());
  std::ifstream list(names);
  if (!list) fail(names);
  for (std::string line; std::getline(list, line);) {
    std::istringstream words(line);
    std::string kind, name;
    if (words >> kind >> name && kind.front() != '#') trimmer.keep(kind, name);
  }
  trimmer.write(output);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: trim_btf INPUT NAMES OUTPUT\n";
    return 2;
  }
  try {
    trim(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::cerr << "trim_btf: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
