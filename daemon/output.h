// Names as this host knows them, and where swaptraild prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/cgroup_walker.h"
#include "daemon/options.h"
#include "daemon/page_frames.h"
#include "daemon/standing.h"
#include "trace/print.h"
#include "trace/printer.h"

namespace swaptrail {

// Names as this host knows them. One thread.
class HostNames : public Names {
 public:
  // `walker` must outlive it.
  HostNames(std::optional<PageFrames> frames, CgroupWalker& walker)
      : frames_(frames), walker_(walker) {}

  std::optional<uint64_t> pfn_of(uint64_t folio) const override;
  std::optional<std::string_view> cgroup_path(uint64_t id) const override;
  const std::optional<PageFrames>& frames() const { return frames_; }
  uint64_t page_frames_base() const { return frames_ ? frames_->base() : 0; }

 private:
  std::optional<PageFrames> frames_;
  CgroupWalker& walker_;
  mutable std::string last_path_;  // what the view of cgroup_path() refers to
};

// To a file descriptor. Pipeline thread only.
class Output : public Printer {
 public:
  // `names` must outlive it. Filter and format are taken from the options.
  Output(const Options& options, const Names& names, int file_descriptor);

  // Once a second: where only the summary is printed, and standard error is a terminal, a line there that is
  // written over by the next one.
  void show(const Standing& standing, bool way_back_is_seen);

 protected:
  bool write(std::string_view text) override;

 private:
  int file_descriptor_;
  bool shows_status_;
  bool status_shown_ = false;
  uint64_t out_pages_ = 0, back_pages_ = 0, shown_ns_ = 0;  // of the line before
};

}  // namespace swaptrail
