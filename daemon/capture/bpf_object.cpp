#include "daemon/capture/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::capture {
namespace {

constexpr size_t kKeptWords = 1 << 16;  // a verifier log comes in one piece; its end matters

std::string& words() {
  static std::string text;
  return text;
}

__attribute__((format(printf, 2, 0))) int keep_words(libbpf_print_level level, const char* format,
                                                     va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return length;
  std::string piece(static_cast<size_t>(length) + 1, '\0');
  vsnprintf(piece.data(), piece.size(), format, arguments);
  piece.pop_back();
  words().append(piece);
  if (words().size() > kKeptWords) words().erase(0, words().size() - kKeptWords);
  return length;
}

// bpf_link_info of a kprobe, include/uapi/linux/bpf.h of Linux 6.7; the headers here may be older.
struct KprobeLink {
  uint32_t type, id, prog_id, pad;
  uint32_t event_type, event_pad;
  uint64_t name;
  uint32_t name_length, offset;
  uint64_t address;
  uint64_t missed;
};

uint64_t missed_by_kprobe(int link) {
  constexpr uint32_t kPerfEventLink = 7, kKprobe = 3, kKretprobe = 4;
  KprobeLink info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(link, reinterpret_cast<bpf_link_info*>(&info), &size) != 0) return 0;
  const bool kprobe = info.event_type == kKprobe || info.event_type == kKretprobe;
  return info.type == kPerfEventLink && kprobe && size >= sizeof(info) ? info.missed : 0;
}

// The kernel's own counts; zeros if it does not report any.
bpf_prog_info info_of(const bpf_program* program) {
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) return {};
  return info;
}

absl::Status libbpf_status(int error, const std::string& what) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == EPERM || error == EACCES) return absl::PermissionDeniedError(text);
  if (error == ENOMEM) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

}  // namespace

std::string last_libbpf_words() { return words(); }

void BpfObject::Closer::operator()(bpf_object* object) const { bpf_object__close(object); }

absl::StatusOr<BpfObject> BpfObject::open(absl::string_view name, const void* image, size_t size) {
  libbpf_set_print(keep_words);
  const std::string object_name(name);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = object_name.c_str());
  bpf_object* object = bpf_object__open_mem(image, size, &options);
  if (object == nullptr) return libbpf_status(errno, absl::StrCat("can't open object ", name));
  bpf_program* program;
  bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
  return BpfObject(object);
}

BpfObject::~BpfObject() { detach(); }

absl::Status BpfObject::count_runs() {
  base::Descriptor statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!statistics)
    return libbpf_status(errno, "can't switch on the kernel's statistics of programs");
  statistics_ = std::move(statistics);
  return absl::OkStatus();
}

absl::StatusOr<std::pair<uint8_t*, uint32_t>> BpfObject::find_constant(
    absl::string_view constant) const {
  bpf_map* rodata = map(".rodata");
  size_t size = 0;
  auto* bytes =
      rodata ? static_cast<uint8_t*>(const_cast<void*>(bpf_map__initial_value(rodata, &size)))
             : nullptr;
  const btf* types = bpf_object__btf(object_.get());
  const int section = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
  if (bytes == nullptr || section < 0) return absl::InternalError("the object has no constants");
  const btf_type* type = btf__type_by_id(types, section);
  const btf_var_secinfo* variable = btf_var_secinfos(type);
  for (int i = 0; i < btf_vlen(type); i++, variable++) {
    const btf_type* declared = btf__type_by_id(types, variable->type);
    if (constant == btf__name_by_offset(types, declared->name_off))
      return std::pair{bytes + variable->offset, variable->size};
  }
  return absl::InternalError(absl::StrCat("the object has no constant ", constant));
}

absl::Status BpfObject::write_constant(absl::string_view constant, const void* value, size_t size) {
  auto found = find_constant(constant);
  if (!found.ok()) return found.status();
  if (found->second != size)
    return absl::InternalError(absl::StrCat("constant ", constant, " has another size"));
  std::memcpy(found->first, value, size);
  return absl::OkStatus();
}

absl::Status BpfObject::read_constant(absl::string_view constant, void* value, size_t size) const {
  auto found = find_constant(constant);
  if (!found.ok()) return found.status();
  if (found->second != size)
    return absl::InternalError(absl::StrCat("constant ", constant, " has another size"));
  std::memcpy(value, found->first, size);
  return absl::OkStatus();
}

absl::Status BpfObject::want(const std::string& program, Attachment attachment,
                             const std::string& target) {
  bpf_program* found = bpf_object__find_program_by_name(object_.get(), program.c_str());
  if (found == nullptr) return absl::InternalError(absl::StrCat("no program ", program));
  bpf_program__set_autoload(found, true);
  if (attachment != Attachment::kTracing) return absl::OkStatus();
  if (int error = bpf_program__set_attach_target(found, 0, target.c_str()); error != 0)
    return libbpf_status(-error, absl::StrCat("can't aim ", program, " at ", target));
  return absl::OkStatus();
}

void BpfObject::unwant(const std::string& program) {
  if (bpf_program* found = bpf_object__find_program_by_name(object_.get(), program.c_str()))
    bpf_program__set_autoload(found, false);
}

absl::Status BpfObject::load() {
  words().clear();
  const int error = bpf_object__load(object_.get());
  return error ? libbpf_status(-error, "the kernel refused to load the programs")
               : absl::OkStatus();
}

absl::Status BpfObject::attach(const std::string& program, Attachment attachment,
                               const std::string& target) {
  bpf_program* found = bpf_object__find_program_by_name(object_.get(), program.c_str());
  bpf_link* link = nullptr;
  switch (attachment) {
    case Attachment::kTracing:
      link = bpf_program__attach_trace(found);
      break;
    case Attachment::kKprobe:
    case Attachment::kKretprobe:
      link =
          bpf_program__attach_kprobe(found, attachment == Attachment::kKretprobe, target.c_str());
      break;
    case Attachment::kRawTracepoint:
      link = bpf_program__attach_raw_tracepoint(found, target.c_str());
      break;
  }
  if (link == nullptr)
    return libbpf_status(errno, absl::StrCat("can't attach ", program, " to ", target));
  attached_.push_back({found, link, attachment, target, 0});
  return absl::OkStatus();
}

void BpfObject::detach() {
  for (Attached& one : attached_) {
    if (one.link == nullptr) continue;
    one.missed_before_detach = missed(one);
    bpf_link__destroy(one.link);
    one.link = nullptr;
  }
}

bpf_map* BpfObject::map(const char* name) const {
  bpf_map* found;
  // libbpf puts the object's name before the names of its own maps ("full.rodata")
  bpf_object__for_each_map(found, object_.get()) {
    if (absl::EndsWith(bpf_map__name(found), name)) return found;
  }
  return nullptr;
}

uint64_t BpfObject::missed(const Attached& one) {
  const bool kprobe =
      one.attachment == Attachment::kKprobe || one.attachment == Attachment::kKretprobe;
  if (one.link == nullptr || !kprobe) return one.missed_before_detach;
  return missed_by_kprobe(bpf_link__fd(one.link));
}

std::vector<BpfObject::Runs> BpfObject::program_runs() const {
  std::vector<Runs> all;
  all.reserve(attached_.size());
  for (const Attached& one : attached_) {
    const bpf_prog_info info = info_of(one.program);
    all.push_back({bpf_program__name(one.program), one.target, info.run_cnt, info.run_time_ns,
                   info.recursion_misses + missed(one)});
  }
  return all;
}

uint64_t BpfObject::skipped_runs() const {
  uint64_t sum = 0;
  for (const Attached& one : attached_) sum += info_of(one.program).recursion_misses + missed(one);
  return sum;
}

}  // namespace swaptrail::capture
