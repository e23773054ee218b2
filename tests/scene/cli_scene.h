// Recordings in a directory of their own, and short ways to run commands on them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "tests/scene/recording_scene.h"
#include "tests/scene/trace_scene.h"

namespace swaptrail {

inline constexpr uint64_t kSceneStart = 10 * kSecond;
inline constexpr uint64_t kSceneEnd = 11 * kSecond;

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

// The number behind the first "key": of a text in JSON.
inline uint64_t number_in(const std::string& json, const std::string& key) {
  const size_t at = json.find("\"" + key + "\":");
  EXPECT_NE(at, std::string::npos) << key;
  return at == std::string::npos ? 0 : std::stoull(json.substr(at + key.size() + 3));
}

inline Ran run_cli(std::vector<std::string> arguments) {
  std::vector<const char*> argv{"swaptrail"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Ran ran;
  ran.code = cli::run_command_line(static_cast<int>(argv.size()), argv.data());
  ran.out = testing::internal::GetCapturedStdout();
  ran.err = testing::internal::GetCapturedStderr();
  return ran;
}

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-cli-XXXXXX";
    directory_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string get(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Names of what is there: nothing may be left behind.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string directory_;
};

inline recording::RecordingHeader scene_header(uint32_t part = 0) {
  recording::RecordingHeader header = test_header();
  header.part = part;
  header.reconstruction = {};
  header.reconstruction.start_ns = kSceneStart;
  return header;
}

// Pages that go to a device and one to zswap, two that return, one refused; an event lost; and
// something that cannot be.
inline Scene small_scene() {
  Scene scene;
  for (uint64_t index = 0; index < 6; ++index) scene.whole_sync(page_at(index));
  scene.out_async(page_at(7));
  scene.begin();
  scene.removed(page_at(7));
  scene.slot(page_at(8), -1);
  scene.end();
  scene.swap_read(page_at(1));
  scene.slot_freed(page_at(1).entry);
  scene.swap_in(page_at(1).entry);
  scene.swap_read(page_at(2));
  scene.slot_freed(page_at(2).entry);
  scene.swap_in(page_at(2).entry);
  scene.lose(scene.events.size() - 20);
  return scene;
}

inline std::vector<StreamItem> stream_of_scene(const Scene& scene) {
  Merger merger;
  for (const swaptrail_event& event : scene.events) merger.push(event.cpu, event);
  StreamSink sink;
  merger.flush(sink);
  return std::move(sink.items);
}

// In small blocks, with a name for the cgroup 42 and one area.
inline std::string record_items(const std::vector<StreamItem>& items,
                                const recording::RecordingHeader& header = scene_header(),
                                const std::vector<recording::Reading>& readings = {}) {
  recording::StringSink sink;
  auto writer =
      recording::RecordingWriter::create(sink, header, {.block_events = 16, .level = 1}).value();
  EXPECT_TRUE(writer
                  ->add(recording::SwapArea{1, 1 << 20, recording::kUsedNotKnown, 1, -2,
                                            recording::Known::kNo, recording::Known::kYes,
                                            recording::Known::kNo, "/dev/zram0"})
                  .ok());
  EXPECT_TRUE(writer->add(recording::CgroupName{kSceneStart, 42, "/shop/db"}).ok());
  for (const recording::Reading& reading : readings) EXPECT_TRUE(writer->add(reading).ok());
  for (const StreamItem& item : items) EXPECT_TRUE(add_item(*writer, item).ok());
  EXPECT_TRUE(writer->finish(kSceneEnd).ok());
  return std::move(sink.text);
}

inline std::string record_scene(const Scene& scene,
                                const recording::RecordingHeader& header = scene_header()) {
  return record_items(stream_of_scene(scene), header);
}

}  // namespace swaptrail
