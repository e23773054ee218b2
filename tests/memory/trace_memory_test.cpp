// Traces and the optimum need memory for what is in them at a time, not for their length.
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/compare/trace_bytes.h"
#include "engine/workloads/lackey.h"
#include "engine/workloads/optimum.h"
#include "engine/workloads/synthetic.h"
#include "tests/memory/resident.h"

namespace swaptrail {
namespace {

constexpr uint64_t kTraceBytes = 200 << 20;

// A trace of so many bytes as lackey would write it of a program that goes through 4 MiB, by zstd.
class LongTrace {
 public:
  LongTrace() : path_(testing::TempDir() + "long_trace.lackey.zst") {
    std::ofstream out(path_, std::ios::binary);
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    std::string text, packed(ZSTD_CStreamOutSize(), '\0');
    for (uint64_t made = 0, access = 0; made < kTraceBytes; made += text.size()) {
      text.clear();
      while (text.size() < 1 << 16) {
        char line[32];
        snprintf(line, sizeof(line), " %c %08lx,8\n", access % 3 == 0 ? 'S' : 'L',
                 0x4000000 + (access * 4104 & 0x3ffff8));
        text += line;
        ++access;
      }
      ZSTD_inBuffer from{text.data(), text.size(), 0};
      const bool last = made + text.size() >= kTraceBytes;
      for (size_t left = 1; last ? left != 0 : from.pos != from.size;) {
        ZSTD_outBuffer to{packed.data(), packed.size(), 0};
        left = ZSTD_compressStream2(context, &to, &from, last ? ZSTD_e_end : ZSTD_e_continue);
        out.write(packed.data(), static_cast<std::streamsize>(to.pos));
      }
    }
    ZSTD_freeCCtx(context);
  }
  ~LongTrace() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

TEST(TraceMemory, ATraceOf200MiBIsReadInAFew) {
  const LongTrace file;
  const uint64_t before = status_kb("VmRSS");
  auto bytes = compare::TraceBytes::open(file.path());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto trace = std::make_unique<engine::LackeyTrace>(**bytes);
  uint64_t steps = 0, most = 0;
  for (engine::WorkloadStep step; trace->next(step); ++steps)
    if (steps % 100'000 == 0) most = std::max(most, status_kb("VmRSS"));
  ASSERT_TRUE(trace->status().ok()) << trace->status();
  EXPECT_GT(steps, 10'000'000u);
  EXPECT_LT(most, before + 4 * kMiB);
}

TEST(TraceMemory, TheOptimumNeedsWhatThePagesNeed) {
  constexpr uint64_t kPages = 1'000'000;
  auto source = engine::make_workload("random", {.pages = kPages, .accesses = 8'000'000}).value();
  const uint64_t before = status_kb("VmRSS");
  engine::Optimum optimum(kPages / 4);
  uint64_t most = 0, steps = 0;
  for (engine::WorkloadStep step; source->next(step);) {
    ASSERT_TRUE(optimum.step(step).ok());
    if (++steps % 100'000 == 0) most = std::max(most, status_kb("VmRSS"));
  }
  EXPECT_GT(optimum.pages(), kPages * 95 / 100);
  EXPECT_LT((most - before) * 1024 / kPages, 130u) << "bytes a page";
}

}  // namespace
}  // namespace swaptrail
