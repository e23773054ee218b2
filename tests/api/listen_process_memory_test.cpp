// The process that reads page tables, against what the test reads of /proc itself. Needs root.
#include "daemon/host/process_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace swaptrail {
namespace {

constexpr uint64_t kPresent = uint64_t{1} << 63, kSwap = uint64_t{1} << 62;
constexpr int kKpfAnon = 12;  // KPF_ANON of Documentation/admin-guide/mm/pagemap.rst

class ProcessMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "page frame numbers are for root only";
    page_ = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    start(true);
  }
  void TearDown() override {
    if (area_ != MAP_FAILED) munmap(area_, length_);
  }
  void start(bool may_page_out) {
    auto started = host::ProcessMemory::start(may_page_out);
    ASSERT_TRUE(started.ok()) << started.status();
    memory_ = *std::move(started);
  }
  // `pages` of memory, the first `touched` of them written to. Far below where the kernel puts
  // what other threads map (they would fill a hole that a test makes): threads of gRPC live on.
  uint64_t map(uint64_t pages, uint64_t touched) {
    length_ = pages * page_;
    void* const far = reinterpret_cast<void*>(uint64_t{1} << 45);
    area_ = mmap(far, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(area_, MAP_FAILED);
    madvise(area_, length_, MADV_NOHUGEPAGE);
    memset(area_, 1, touched * page_);
    return reinterpret_cast<uint64_t>(area_);
  }
  uint64_t entry_of(uint64_t address) const {
    return read_u64("/proc/self/pagemap", address / page_);
  }
  static uint64_t read_u64(const char* path, uint64_t index) {
    uint64_t value = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(pread(fd, &value, sizeof(value), static_cast<off_t>(index * 8)), 8) << path;
    close(fd);
    return value;
  }
  std::string status_line(const std::string& name) const {
    return status_line(name, static_cast<uint32_t>(memory_->child()));
  }
  static std::string status_line(const std::string& name, uint32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
      if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
    return "";
  }

  // Within 5 s.
  bool answers_again(uint64_t address) const {
    for (int i = 0; i < 500; ++i) {
      if (memory_->page(self_, address).ok()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  uint64_t page_ = 4096;
  uint64_t length_ = 0;
  void* area_ = MAP_FAILED;
  std::unique_ptr<host::ProcessMemory> memory_;
  const uint32_t self_ = static_cast<uint32_t>(getpid());
};

TEST_F(ProcessMemoryTest, ResidentPageIsThatOfPagemap) {
  const uint64_t address = map(2, 1);
  const auto page = memory_->page(self_, address + 123);
  ASSERT_TRUE(page.ok()) << page.status();
  const uint64_t direct = entry_of(address);
  ASSERT_TRUE(direct & kPresent);
  EXPECT_EQ(page->state, host::PageEntry::State::kResident);
  EXPECT_NE(page->pfn, 0u);
  EXPECT_EQ(page->pfn, direct & ((uint64_t{1} << 55) - 1));
  EXPECT_FALSE(page->shared_or_file);
  ASSERT_TRUE(page->flags.has_value());
  EXPECT_TRUE(*page->flags >> kKpfAnon & 1);

  const auto flags = memory_->frame_flags(page->pfn);
  ASSERT_TRUE(flags.ok()) << flags.status();
  // Only what does not change from one moment to the next.
  EXPECT_EQ(*flags >> kKpfAnon & 1, read_u64("/proc/kpageflags", page->pfn) >> kKpfAnon & 1);
}

// In parts, to the end of the address space. What is found is checked in guests, which have swap (tests/vm/holders.py).
TEST_F(ProcessMemoryTest, SwapEntriesAreReadInParts) {
  map(2'000'000, 1);  // more than is looked at for one request
  uint64_t address = 0;
  int parts = 0;
  do {
    const auto part = memory_->swapped(self_, address);
    ASSERT_TRUE(part.ok()) << part.status();
    ASSERT_TRUE(part->next_address == 0 || part->next_address > address);
    for (const host::SwapEntry& entry : part->entries) {
      ASSERT_GE(entry.page, address / page_);
      ASSERT_TRUE(part->next_address == 0 || entry.page < part->next_address / page_);
    }
    EXPECT_GT(part->used_cpu_ns, 0u);
    address = part->next_address;
    ++parts;
  } while (address != 0);
  EXPECT_GE(parts, 3);
  EXPECT_TRUE(absl::IsNotFound(memory_->swapped(0x7ffffff0, 0).status()));
  EXPECT_TRUE(memory_->page(self_, reinterpret_cast<uint64_t>(area_)).ok()) << "it still answers";
}

TEST_F(ProcessMemoryTest, UntouchedPageIsNotMapped) {
  const auto page = memory_->page(self_, map(2, 1) + page_);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->state, host::PageEntry::State::kNotMapped);
  EXPECT_EQ(page->pfn, 0u);
  EXPECT_FALSE(page->flags.has_value());
}

TEST_F(ProcessMemoryTest, PageOfAFileIsSharedOrFile) {
  const auto* code = reinterpret_cast<const volatile char*>(&kill);
  ASSERT_NE(code[0] + code[1], 0);  // it is read in now
  const auto page = memory_->page(self_, reinterpret_cast<uint64_t>(code));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->state, host::PageEntry::State::kResident);
  EXPECT_TRUE(page->shared_or_file);
}

TEST_F(ProcessMemoryTest, FileOfAMappingIsThatOfTheDescriptor) {
  const int fd = memfd_create("a name", 0);
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(4 * page_)), 0);
  length_ = 4 * page_;
  area_ = mmap(nullptr, length_, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(area_, MAP_FAILED);
  const uint64_t address = reinterpret_cast<uint64_t>(area_);
  struct stat known {};
  ASSERT_EQ(fstat(fd, &known), 0);
  close(fd);
  for (const uint64_t at : {address, address + length_ - 1}) {
    const auto file = memory_->file(self_, at);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(file->has_value());
    EXPECT_EQ((*file)->inode, known.st_ino);
    EXPECT_EQ((*file)->major, major(known.st_dev));
    EXPECT_EQ((*file)->minor, minor(known.st_dev));
    EXPECT_EQ((*file)->path, "/memfd:a name (deleted)");
  }
  const auto nobody = memory_->file(1u << 30, address);
  EXPECT_TRUE(absl::IsNotFound(nobody.status())) << nobody.status();
  const int here = 0;  // on the stack: of no file
  const auto stack = memory_->file(self_, reinterpret_cast<uint64_t>(&here));
  ASSERT_TRUE(stack.ok()) << stack.status();
  EXPECT_FALSE(stack->has_value());
  const auto beyond = memory_->file(self_, 16);
  ASSERT_TRUE(beyond.ok()) << beyond.status();
  EXPECT_FALSE(beyond->has_value());
}

// More mappings than one reading takes: the last of them is found too.
TEST_F(ProcessMemoryTest, FileIsFoundBehindManyMappings) {
  constexpr uint64_t kMappings = 3000;
  map(2 * kMappings, 0);
  const uint64_t address = reinterpret_cast<uint64_t>(area_);
  for (uint64_t at = 0; at < kMappings;
       ++at) {  // every other page: none grows together with the next
    ASSERT_EQ(mprotect(reinterpret_cast<void*>(address + 2 * at * page_), page_, PROT_READ), 0);
  }
  const auto begin =
      reinterpret_cast<uint64_t>(&kKpfAnon) / page_ * page_;  // of this program's file
  for (const uint64_t at : {begin, address + (2 * kMappings - 1) * page_}) {
    const auto file = memory_->file(self_, at);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->has_value(), at == begin);
  }
  std::ifstream maps("/proc/self/maps");
  uint64_t wrong = 0, files = 0, asked = 0;
  for (std::string line; std::getline(maps, line);) {
    // each question reads all those before: of those without a file, one in 16 is enough
    if (line.find('/') == std::string::npos && asked++ % 16 != 0) continue;
    const auto file = memory_->file(self_, std::stoull(line, nullptr, 16));
    ASSERT_TRUE(file.ok()) << file.status();
    const bool has_path = line.find('/') != std::string::npos;
    files += has_path;
    wrong +=
        file->has_value() != has_path || (has_path && (*file)->path != line.substr(line.find('/')));
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(files, 10u);
}

TEST_F(ProcessMemoryTest, CountsWhatWasTouched) {
  constexpr uint64_t kPages = 10000, kTouched = 4321;  // more than the child reads at once
  const uint64_t address = map(kPages, kTouched);
  const auto count = memory_->count(self_, address, kPages * page_);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->resident + count->swapped, kTouched);
  EXPECT_EQ(count->other, kPages - kTouched);
}

// Another user's process: it is what needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
TEST_F(ProcessMemoryTest, ReadsOtherUsersProcesses) {
  const uint64_t address = map(1, 1);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t other = fork();
  if (other == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    prctl(PR_SET_DUMPABLE, 1);
    if (write(ready[1], "r", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const auto page = memory_->page(static_cast<uint32_t>(other), address);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->state, host::PageEntry::State::kResident);
  EXPECT_NE(page->pfn, 0u);
}

TEST_F(ProcessMemoryTest, PagesOutInSteps) {
  constexpr uint64_t kPages = 1024;  // 4 MiB: two steps with pages of 4 KiB
  const uint64_t address = map(kPages, kPages), length = kPages * page_;
  uint64_t done = 0;
  int calls = 0;
  while (done < length) {
    const auto step = memory_->page_out(self_, address + done, length - done);
    ASSERT_TRUE(step.ok()) << step.status();
    ASSERT_GT(*step, 0u);
    ASSERT_LE(*step, host::ProcessMemory::kMostPageOut_bytes);
    done += *step;
    ++calls;
  }
  EXPECT_EQ(done, length);
  EXPECT_GE(calls, 2);
  const auto count = memory_->count(self_, address, length);
  ASSERT_TRUE(count.ok()) << count.status();
  uint64_t swapped = 0;
  for (uint64_t at = address; at < address + length; at += page_) {
    const uint64_t entry = entry_of(at);
    if (entry & kPresent || !(entry & kSwap)) continue;
    ++swapped;
    const auto page = memory_->page(self_, at);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->state, host::PageEntry::State::kSwapped);
    EXPECT_EQ(page->swap_type, entry & 31);
    EXPECT_EQ(page->swap_offset, entry >> 5 & ((uint64_t{1} << 50) - 1));
  }
  EXPECT_EQ(count->swapped, swapped);
  EXPECT_EQ(count->resident + count->swapped, kPages);
  if (swapped == 0) std::printf("[ note ] no page was swapped: this host has no swap\n");
}

TEST_F(ProcessMemoryTest, RefusesBadQuestions) {
  const uint64_t address = map(4, 4);
  EXPECT_TRUE(absl::IsNotFound(memory_->page(0, address).status()));
  EXPECT_TRUE(absl::IsNotFound(memory_->page(4194305, address).status()));
  EXPECT_TRUE(absl::IsNotFound(memory_->page(UINT32_MAX, address).status()));
  EXPECT_TRUE(absl::IsNotFound(memory_->page_out(UINT32_MAX, address, page_).status()));
  for (const uint64_t kernel : {uint64_t{0xffff888000000000}, UINT64_MAX, uint64_t{1} << 63})
    EXPECT_TRUE(absl::IsInvalidArgument(memory_->page(self_, kernel).status())) << kernel;
  using Call = std::function<absl::Status(uint64_t, uint64_t)>;
  const std::vector<Call> calls = {
      [&](uint64_t at, uint64_t length) { return memory_->count(self_, at, length).status(); },
      [&](uint64_t at, uint64_t length) { return memory_->page_out(self_, at, length).status(); }};
  for (const Call& call : calls) {
    EXPECT_TRUE(absl::IsInvalidArgument(call(address + 1, page_)));
    EXPECT_TRUE(absl::IsInvalidArgument(call(address, page_ - 1)));
    EXPECT_TRUE(absl::IsInvalidArgument(call(address, 0)));
    EXPECT_TRUE(
        absl::IsInvalidArgument(call(address, host::ProcessMemory::kMaxRange_bytes + page_)));
    EXPECT_TRUE(absl::IsInvalidArgument(call(0 - page_, page_)));
  }
  EXPECT_TRUE(absl::IsNotFound(memory_->frame_flags(uint64_t{1} << 50).status()));
  EXPECT_TRUE(absl::IsNotFound(memory_->frame_flags(UINT64_MAX).status()));
  EXPECT_TRUE(memory_->page(self_, address).ok()) << "and goes on";
}

TEST_F(ProcessMemoryTest, KernelThreadsHaveNoMemory) {
  const auto page = memory_->page(2, 0x1000);  // kthreadd, outside of containers
  std::ifstream comm("/proc/2/comm");
  std::string name;
  std::getline(comm, name);
  if (name != "kthreadd") GTEST_SKIP() << "process 2 is not kthreadd here";
  EXPECT_TRUE(absl::IsNotFound(page.status())) << page.status();
}

TEST_F(ProcessMemoryTest, PageOutOfWhatCannotGo) {
  const uint64_t address = map(4, 4);
  ASSERT_EQ(syscall(SYS_mlock, area_, page_), 0);  // sanitizers make mlock() do nothing
  EXPECT_TRUE(absl::IsFailedPrecondition(memory_->page_out(self_, address, page_).status()));
  ASSERT_EQ(syscall(SYS_munlock, area_, page_), 0);
  ASSERT_EQ(munmap(reinterpret_cast<void*>(address + page_), page_), 0);
  EXPECT_TRUE(absl::IsOutOfRange(memory_->page_out(self_, address, 4 * page_).status()));
}

TEST_F(ProcessMemoryTest, PageOutOnlyIfEnabled) {
  start(false);
  const uint64_t address = map(1, 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(memory_->page_out(self_, address, page_).status()));
  EXPECT_TRUE(memory_->page(self_, address).ok());
  EXPECT_EQ(std::stoull(status_line("CapEff"), nullptr, 16) >> 23 & 1, 0u) << "CAP_SYS_NICE";
}

TEST_F(ProcessMemoryTest, ChildIsConfined) {
  ASSERT_TRUE(memory_->page(self_, map(1, 1)).ok());  // it is set up by now
  EXPECT_EQ(status_line("Name"), "swaptraild-mem");
  EXPECT_EQ(status_line("NoNewPrivs"), "1");
  EXPECT_EQ(status_line("Seccomp"), "2");
  // CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_NICE.
  const uint64_t most = 1 << 2 | 1 << 19 | 1 << 21 | 1 << 23;
  const uint64_t ours = std::stoull(status_line("CapPrm", self_), nullptr, 16);
  EXPECT_EQ(std::stoull(status_line("CapPrm"), nullptr, 16), most & ours);
  EXPECT_EQ(std::stoull(status_line("CapEff"), nullptr, 16), most & ours);
  EXPECT_EQ(std::stoull(status_line("CapInh"), nullptr, 16), 0u);
  int descriptors = 0;
  for (int fd = 0; fd < 256; ++fd) {
    char link[64], to[64];
    std::snprintf(link, sizeof(link), "/proc/%d/fd/%d", memory_->child(), fd);
    descriptors += readlink(link, to, sizeof(to)) >= 0;
  }
  EXPECT_EQ(descriptors, 1);
}

TEST_F(ProcessMemoryTest, GroupSignalsLeaveTheChild) {
  const uint64_t address = map(1, 1);
  ASSERT_TRUE(memory_->page(self_, address).ok());
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) kill(memory_->child(), number);
  EXPECT_TRUE(memory_->page(self_, address).ok());
}

TEST_F(ProcessMemoryTest, KilledChildIsStartedAgain) {
  const uint64_t address = map(1, 1);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(answers_again(address)) << round;
    const pid_t killed = memory_->child();
    kill(killed, SIGKILL);
    // who asks at that moment may be reported so; nobody is reported anything wrong
    const absl::Status first = memory_->page(self_, address).status();
    EXPECT_TRUE(first.ok() || absl::IsUnavailable(first)) << first;
    ASSERT_TRUE(answers_again(address)) << round;
    EXPECT_NE(memory_->child(), killed);
  }
  EXPECT_EQ(status_line("Seccomp"), "2") << "as confined as the first one";
}

TEST_F(ProcessMemoryTest, StartsOneASecondAtMost) {
  const uint64_t address = map(1, 1);
  ASSERT_TRUE(memory_->page(self_, address).ok());
  const auto began = std::chrono::steady_clock::now();
  for (int round = 0; round < 3; ++round) {
    kill(memory_->child(), SIGKILL);
    ASSERT_TRUE(answers_again(address)) << round;
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2900));
}

// The one that starts the others: nobody can start it again.
TEST_F(ProcessMemoryTest, KilledStarterIsUnavailable) {
  const uint64_t address = map(1, 1);
  ASSERT_TRUE(memory_->page(self_, address).ok());
  const pid_t starter = std::stoi(status_line("PPid"));
  kill(starter, SIGKILL);
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(starter), &ended, WEXITED | WNOWAIT);
  for (int i = 0; i < 500 && memory_->page(self_, address).ok(); ++i)  // the kernel ends its child
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(absl::IsUnavailable(memory_->page(self_, address).status()));
  EXPECT_TRUE(absl::IsUnavailable(memory_->count(self_, address, page_).status()));
  EXPECT_TRUE(absl::IsUnavailable(memory_->frame_flags(1).status()));
  EXPECT_TRUE(absl::IsUnavailable(memory_->page_out(self_, address, page_).status()));
}

TEST_F(ProcessMemoryTest, StuckChildIsGivenUp) {
  const uint64_t address = map(1, 1);
  ASSERT_TRUE(memory_->page(self_, address).ok());
  const pid_t stuck = memory_->child();
  kill(stuck, SIGSTOP);
  EXPECT_TRUE(absl::IsUnavailable(memory_->page(self_, address).status()));
  ASSERT_TRUE(answers_again(address));
  EXPECT_NE(memory_->child(), stuck);
}

// The child's end of a parent that is killed: nobody closes anything in order.
TEST_F(ProcessMemoryTest, EndsWithItsParent) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    auto memory = host::ProcessMemory::start(false);
    const pid_t child = memory.ok() && (*memory)->frame_flags(1).ok() ? (*memory)->child() : 0;
    if (write(pipe_ends[1], &child, sizeof(child)) != sizeof(child)) _exit(1);
    pause();
  }
  pid_t child = 0;
  EXPECT_EQ(read(pipe_ends[0], &child, sizeof(child)), static_cast<ssize_t>(sizeof(child)));
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  if (child > 0) kill(child, SIGSTOP);  // it can't see the socket close: the kernel has to end it
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  ASSERT_GT(child, 0);
  const auto lives = [child] {
    std::ifstream file("/proc/" + std::to_string(child) + "/stat");
    std::string text;
    return std::getline(file, text) && text.find(") Z ") == std::string::npos;
  };
  for (int i = 0; i < 1000 && lives(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(lives());
}

TEST_F(ProcessMemoryTest, ManyThreadsAsk) {
  const uint64_t address = map(64, 64);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const uint64_t pages = static_cast<uint64_t>(t * 8 + i % 8 + 1);
        const auto count = memory_->count(self_, address, pages * page_);
        if (!count.ok() || count->resident + count->swapped != pages) wrong++;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace swaptrail
