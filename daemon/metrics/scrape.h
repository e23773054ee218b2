// The inputs of one scrape, and how each metric's series are made from them. Internal to metrics/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/counted.h"
#include "daemon/metrics/catalogue.h"
#include "daemon/metrics/collector.h"
#include "daemon/metrics/own_process.h"
#include "trace/decode.h"

namespace swaptrail::metrics {

// Words of the tables.
inline constexpr Type kCounter = Type::kCounter, kGauge = Type::kGauge,
                      kHistogram = Type::kHistogram;
inline constexpr std::string_view kFromRemovals =
    "removed|page_freed";  // hooks that see a page freed

struct Scrape {
  const Sources& sources;
  const CgroupSeries& cgroups;
  std::shared_ptr<const pipeline::PipelineStatus> pipeline_status;
  double sweep_age_seconds = 0;
  store::StoreStatus store;
  std::vector<recording::SwapArea> areas;
  ApiUse api;
  std::shared_ptr<const pipeline::SlotHolders> holders;  // may be null
  HttpUse http;
  OwnProcess process;
  double previous_seconds = 0;  // how long the previous collection took
};

// Can the mode of the hooks distinguish reclaim of this origin?
bool can_occur(const Scrape& scrape, size_t origin);

// The series of one metric, while they are being collected.
class Series {
 public:
  // Each label's name and value.
  using Labels = std::vector<prometheus::ClientMetric::Label>;
  Series(Type type, std::vector<prometheus::ClientMetric>& out) : type_(type), out_(out) {}

  void add(Labels labels, double value);
  void add(Labels labels, uint64_t value) { add(std::move(labels), static_cast<double>(value)); }
  void add(double value) { add(Labels(), value); }
  void add(uint64_t value) { add(Labels(), value); }
  void add(Labels labels, const TimeHistogram& histogram, const BucketBounds& bounds);
  void add(Labels labels, const swaptrail_counted& counts);  // its times

 private:
  const Type type_;
  std::vector<prometheus::ClientMetric>& out_;
};

inline std::string text_of(std::string_view view) { return std::string(view); }
inline std::string origin_text(size_t origin) {
  return text_of(origin_name(static_cast<uint8_t>(origin)));
}

}  // namespace swaptrail::metrics
