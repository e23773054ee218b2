#include "daemon/host/kernel_areas.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <utility>

#include "absl/status/status.h"
#include "bpf/areas.h"
#include "bpf/areas.skel.h"
#include "daemon/probe/features.h"

namespace swaptrail::host {

struct KernelAreas::Loaded {
  explicit Loaded(areas_bpf* opened) : object(opened) {}
  ~Loaded() { areas_bpf__destroy(object); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  areas_bpf* object;
  int program = -1;
};

namespace {

enum class Access : uint8_t { kProbe, kCast };

// A program that the kernel refuses can't be tried again in the same object.
areas_bpf* load(uint64_t address, Access access) {
  areas_bpf* object = areas_bpf__open();
  if (object == nullptr) return nullptr;
  object->rodata->swap_info = address;
  bpf_program__set_autoload(object->progs.read_by_probe, access == Access::kProbe);
  bpf_program__set_autoload(object->progs.read_by_cast, access == Access::kCast);
  if (areas_bpf__load(object) == 0) return object;
  areas_bpf__destroy(object);
  return nullptr;
}

KernelArea area_of(const swaptrail_area& read) {
  KernelArea area;
  area.type = read.type;
  area.pages = read.pages;
  area.priority = read.priority;
  if (S_ISBLK(read.mode))
    area.file.device = read.device;
  else
    area.file.inode = read.inode;
  return area;
}

}  // namespace

KernelAreas::KernelAreas(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
KernelAreas::~KernelAreas() = default;

absl::StatusOr<std::unique_ptr<KernelAreas>> KernelAreas::open(const probe::SymbolTable& symbols) {
  uint64_t address = symbols.address("swap_info");
  if (address == 0) address = probe::address_of_symbol("swap_info");
  if (address == 0) return absl::NotFoundError("the kernel does not say where swap_info is");
  areas_bpf* object = load(address, Access::kProbe);
  const bool by_probe = object != nullptr;
  if (!by_probe) object = load(address, Access::kCast);
  if (object == nullptr)
    return absl::UnavailableError("the program that reads swap_info does not load");
  auto loaded = std::make_unique<Loaded>(object);
  loaded->program =
      bpf_program__fd(by_probe ? object->progs.read_by_probe : object->progs.read_by_cast);
  std::unique_ptr<KernelAreas> areas(new KernelAreas(std::move(loaded)));
  if (auto tried = areas->read(); !tried.ok()) return tried.status();
  return areas;
}

absl::StatusOr<std::vector<KernelArea>> KernelAreas::read() {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  auto& shared = *loaded_->object->bss;
  const uint32_t runs = shared.runs;
  if (bpf_prog_test_run_opts(loaded_->program, &options) != 0 || shared.runs == runs)
    return absl::InternalError("the program that reads swap_info does not run");
  std::vector<KernelArea> areas;
  for (const swaptrail_area& one : shared.areas)
    if ((one.flags & SWAPTRAIL_AREA_USED) != 0) areas.push_back(area_of(one));
  return areas;
}

}  // namespace swaptrail::host
