// The options of the pipeline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace swaptrail::pipeline {

struct PipelineOptions {
  size_t max_folios = 1 << 20;
  size_t max_slots = 1 << 22;  // used slots: where their pages are, and who holds them

  // recording: a directory, or none
  std::string record_dir;
  std::string flight_dir;       // keep in memory, write here when something happens
  std::string flight_pressure;  // a threshold of /proc/pressure/memory
  uint64_t flight_minutes = 0;  // 0: as many as there is room for
  size_t part_mib = 64;
  size_t part_age_s = 3600;
  size_t total_mib = 1024;  // --flight: in memory, 64 unless given
  size_t most_files = 10'000;
  uint64_t flight_every_s = 60;  // between files that pressure or OOM kills trigger

  // --detail=counters: pages are counted, and not followed
  bool counts_only = false;

  // one page in this many leaves records, a power of two
  uint32_t sample = 1;
  // percent of one CPU that swaptraild may use before it takes a smaller sample; 0: any
  uint32_t cpu_limit = 0;
  bool may_sample() const { return sample > 1 || cpu_limit != 0; }

  uint32_t validate = 0;  // one folio in this many is compared with the model; 0: none
};

}  // namespace swaptrail::pipeline
