// Traces and recordings in files, as workloads.
#include "cli/compare/workload_file.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli/compare/trace_bytes.h"
#include "engine/workloads/optimum.h"
#include "tests/scene/workload_steps.h"

namespace swaptrail::compare {
namespace {

using engine::WorkloadStep;

const std::string kData = SWAPTRAIL_TEST_DATA;

class WorkloadFiles : public testing::Test {
 protected:
  std::string file(const std::string& bytes) {
    const std::string path = testing::TempDir() + "workload_file_" +
                             testing::UnitTest::GetInstance()->current_test_info()->name() + "_" +
                             std::to_string(files_++);
    std::ofstream(path, std::ios::binary) << bytes;
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const std::string& path : paths_) std::filesystem::remove(path);
  }

 private:
  int files_ = 0;
  std::vector<std::string> paths_;
};

std::string compressed(const std::string& text, int level = 3, int window_bits = 0) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (window_bits != 0) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_bits);
  // In two parts: of a text whose length is known, a frame has no window.
  ZSTD_inBuffer from{text.data(), text.size() / 2, 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (from.pos != from.size) ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue);
  from.size = text.size();
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &from, ZSTD_e_end), 0u);
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

// So many accesses that they are more than one buffer, also compressed.
std::string long_trace() {
  std::string text;
  uint64_t state = 1;
  for (int count = 0; count < 60'000; ++count) {
    state = state * 6364136223846793005 + 1442695040888963407;
    char line[40];
    snprintf(line, sizeof(line), " %c %lx,8\n", state >> 63 ? 'L' : 'S', state >> 20 & ~7ul);
    text += line;
  }
  return text;
}

struct Opened {
  std::vector<WorkloadStep> steps;
  absl::Status status;
  std::string account;
};
Opened opened(const std::string& path) {
  auto workload = open_workload_file(path);
  if (!workload.ok()) return {{}, workload.status(), ""};
  Opened result = {engine::steps_of(**workload), (*workload)->status(), (*workload)->account()};
  EXPECT_EQ(engine::broken_promise(result.steps), "");
  (*workload)->rewind();
  EXPECT_TRUE(engine::steps_of(**workload) == result.steps) << "another after rewind()";
  EXPECT_EQ((*workload)->status(), result.status);
  return result;
}

TEST_F(WorkloadFiles, ATraceAsItIsOrCompressed) {
  const std::string text = long_trace();
  const Opened plain = opened(file(text));
  ASSERT_TRUE(plain.status.ok()) << plain.status;
  EXPECT_GT(plain.steps.size(), 50'000u);
  for (const std::string& bytes :
       {compressed(text), compressed(text, 19),
        compressed(text.substr(0, 700'007)) + compressed(text.substr(700'007))}) {
    const Opened other = opened(file(bytes));
    EXPECT_TRUE(other.status.ok()) << other.status;
    EXPECT_TRUE(other.steps == plain.steps);
    EXPECT_EQ(other.account, plain.account);
  }
}

TEST_F(WorkloadFiles, ErrorsNameTheFile) {
  const std::string text = long_trace();
  const std::string whole = compressed(text);
  struct Case {
    std::string path;
    absl::StatusCode code;
    std::string text;
  };
  for (const Case& one : {
           Case{file(whole.substr(0, whole.size() - 1)), absl::StatusCode::kDataLoss,
                "compressed data end in the middle"},
           Case{file(whole.substr(0, 2000)), absl::StatusCode::kDataLoss,
                "compressed data end in the middle"},
           Case{file(whole.substr(0, 4)), absl::StatusCode::kDataLoss,
                "compressed data end in the middle"},
           Case{file(whole + "and more"), absl::StatusCode::kDataLoss,
                "can't be decompressed: Unknown frame descriptor"},
           Case{file(compressed(text, 3, 26)), absl::StatusCode::kDataLoss,
                "can't be decompressed: Frame requires too much memory for decoding"},
           Case{file(compressed("hello\n")), absl::StatusCode::kInvalidArgument,
                "line 1 is none of lackey's: 'hello'"},
           Case{file(""), absl::StatusCode::kInvalidArgument, "no access to memory in it"},
           Case{file("SWTRAIL\nand no more"), absl::StatusCode::kDataLoss, "preamble"},
           Case{"/nonexistent/trace", absl::StatusCode::kNotFound, ""},
           Case{"/dev/null", absl::StatusCode::kInvalidArgument, "regular"},
       }) {
    const absl::Status status = opened(one.path).status;
    EXPECT_EQ(status.code(), one.code) << status;
    EXPECT_NE(status.message().find(one.path), std::string::npos) << status;
    EXPECT_NE(status.message().find(one.text), std::string::npos) << status;
  }
}

std::vector<std::string> files_in(const std::string& folder, const std::string& ending) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kData + "/" + folder))
    if (entry.path().string().ends_with(ending)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The traces of real programs that are kept: each is more than a small memory, and the optimum is in between.
TEST_F(WorkloadFiles, TracesOfRealPrograms) {
  const std::vector<std::string> paths = files_in("traces", ".lackey.zst");
  EXPECT_EQ(paths.size(), 3u);
  for (const std::string& path : paths) {
    EXPECT_LT(std::filesystem::file_size(path), 300u << 10) << path;
    const Opened trace = opened(path);
    ASSERT_TRUE(trace.status.ok()) << trace.status;
    EXPECT_GT(trace.steps.size(), 20'000u) << path;
    uint64_t before = UINT64_MAX;
    for (const uint64_t frames : {128, 256, 1 << 20}) {
      engine::Optimum optimum(frames);
      for (const WorkloadStep& step : trace.steps) ASSERT_TRUE(optimum.step(step).ok());
      EXPECT_GT(optimum.pages(), 400u) << path;
      EXPECT_LT(optimum.counters().reads, before) << path << ", " << frames << " frames";
      before = optimum.counters().reads;
    }
    EXPECT_EQ(before, 0u) << path;
  }
}

TEST_F(WorkloadFiles, RecordingsOfRealKernels) {
  const std::vector<std::string> paths = files_in("recordings", ".swaptrail");
  ASSERT_EQ(paths.size(), 25u);
  for (const std::string& path : paths) {
    const Opened recording = opened(path);
    EXPECT_TRUE(recording.status.ok()) << recording.status;
    if (path.find("shmem") == std::string::npos)
      EXPECT_GT(recording.steps.size(), 500u) << path;
    else
      EXPECT_EQ(recording.account.find("left out: 0 of shared memory"), std::string::npos) << path;
  }
}

// 1024 pages were written once; then twice: they were swapped out, and read.
TEST_F(WorkloadFiles, RecordingsOfPagesThatStayClean) {
  for (const std::string& path : files_in("recordings", "-nvme-clean.swaptrail")) {
    const Opened recording = opened(path);
    const auto writes = std::count_if(recording.steps.begin(), recording.steps.end(),
                                      [](const WorkloadStep& step) { return step.write; });
    EXPECT_EQ(recording.steps.size(), 3072u) << path << ": " << recording.account;
    EXPECT_EQ(writes, 1024) << path << ": " << recording.account;
  }
}

TEST_F(WorkloadFiles, ADamagedRecordingEndsWithAnError) {
  std::ifstream in(kData + "/recordings/7.3-nvme-clean.swaptrail", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  const std::string path = file(bytes);
  const Opened recording = opened(path);
  EXPECT_TRUE(absl::IsDataLoss(recording.status)) << recording.status;
  EXPECT_NE(recording.status.message().find(path), std::string::npos) << recording.status;
}

}  // namespace
}  // namespace swaptrail::compare
