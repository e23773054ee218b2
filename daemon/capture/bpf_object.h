// One BPF object file, opened from memory: constants, programs, links.
//
// A thin owner over libbpf. The skeletons are used for their bytes only, since
// which programs exist in an object is decided at run time by the attach plan.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/descriptor.h"

struct bpf_link;
struct bpf_map;
struct bpf_object;
struct bpf_program;

namespace swaptrail::capture {

// How a program is attached in the kernel.
enum class Attachment : uint8_t { kTracing, kKprobe, kKretprobe, kRawTracepoint };

// Not thread-safe. The destructor detaches and unloads everything.
class BpfObject {
 public:
  // Parses the ELF image; nothing reaches the kernel yet. Errors: Internal (our build is broken).
  static absl::StatusOr<BpfObject> open(absl::string_view name, const void* image, size_t size);

  BpfObject(BpfObject&&) noexcept = default;
  BpfObject& operator=(BpfObject&&) = delete;
  ~BpfObject();

  // Before load(): a `volatile const` of the programs. Errors: Internal (no such constant or size).
  template <typename T>
  absl::Status set_constant(absl::string_view constant, T value) {
    return write_constant(constant, &value, sizeof(value));
  }
  absl::Status read_constant(absl::string_view constant, void* value, size_t size) const;

  // Before load(): asks for a program; for kTracing with the kernel function it is for.
  absl::Status want(const std::string& program, Attachment attachment, const std::string& target);
  // Before load(): withdraws the request.
  void unwant(const std::string& program);

  // Loads maps and the wanted programs. Errors: PermissionDenied, ResourceExhausted, Internal with
  // libbpf's words (the last of its log).
  absl::Status load();

  // After load(). Errors: Internal with errno's text.
  absl::Status attach(const std::string& program, Attachment attachment, const std::string& target);
  // Detaches everything; programs that are running finish. Maps stay, and so do the counts of runs.
  void detach();

  // nullptr if there is no map of that name.
  bpf_map* map(const char* name) const;

  // From now on, until the destructor, the kernel counts the runs and the time of all programs of the
  // host: two clock reads a run. Errors: PermissionDenied (CAP_SYS_ADMIN), Internal (before 5.8).
  absl::Status count_runs();

  // What the kernel counted of a program since it was attached.
  struct Runs {
    std::string program;
    std::string target;   // kernel function or tracepoint
    uint64_t runs = 0;    // run_cnt and
    uint64_t run_ns = 0;  // run_time_ns of bpf_prog_info: 0 while BPF statistics are off
    uint64_t skipped = 0;
  };
  // One for each program that was attached, in that order. Skipped are runs that the kernel left
  // out: because the program was already running on that CPU (recursion_misses, 5.12 and later), or,
  // for kprobes, because any kprobe was (bpf_link_info, 6.7 and later). Older kernels skip those
  // silently. One or two system calls a program.
  std::vector<Runs> program_runs() const;
  // The sum of their `skipped`.
  uint64_t skipped_runs() const;

 private:
  struct Closer {
    void operator()(bpf_object* object) const;
  };
  struct Attached {
    bpf_program* program;
    bpf_link* link;  // null once it is detached
    Attachment attachment;
    std::string target;
    uint64_t missed_before_detach;  // by a kprobe: its link goes
  };
  explicit BpfObject(bpf_object* object) : object_(object) {}
  static uint64_t missed(const Attached& one);
  absl::StatusOr<std::pair<uint8_t*, uint32_t>> find_constant(absl::string_view constant) const;
  absl::Status write_constant(absl::string_view constant, const void* value, size_t size);

  std::unique_ptr<bpf_object, Closer> object_;
  std::vector<Attached> attached_;
  base::Descriptor statistics_;  // keeps them on
};

// The last lines that libbpf printed, for error texts. Process-wide; set up by BpfObject::open.
std::string last_libbpf_words();

}  // namespace swaptrail::capture
