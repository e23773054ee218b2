// Names as this host knows them, and where swaptraild prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/cgroups.h"
#include "daemon/options.h"
#include "daemon/page_frames.h"
#include "trace/print.h"
#include "trace/printer.h"

namespace swaptrail {

// Names as this host knows them. One thread.
class HostNames : public Names {
 public:
  HostNames(std::optional<PageFrames> frames, Cgroups cgroups)
      : frames_(frames), cgroups_(std::move(cgroups)) {}

  std::optional<uint64_t> pfn_of(uint64_t folio) const override;
  std::optional<std::string_view> cgroup_path(uint64_t id) const override;
  uint64_t page_frames_base() const { return frames_ ? frames_->base() : 0; }

 private:
  std::optional<PageFrames> frames_;
  mutable Cgroups cgroups_;  // remembers what it has looked up
};

// To a file descriptor. Pipeline thread only.
class Output : public Printer {
 public:
  // `names` must outlive it. Filter and format are taken from the options.
  Output(const Options& options, const Names& names, int file_descriptor)
      : Printer(options.print, options, names), file_descriptor_(file_descriptor) {}

 protected:
  bool write(std::string_view text) override;

 private:
  int file_descriptor_;
};

}  // namespace swaptrail
