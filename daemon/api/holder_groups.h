// Used slots by who holds them: the rows of GetHolders, and of what else asks for them. Internal to daemon/api/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/api/convert.h"
#include "daemon/api/host.h"
#include "daemon/pipeline/slot_holders.h"
#include "swaptrail/v1/trace.pb.h"
#include "trace/ledger/ledger.h"

namespace swaptrail::api {

struct HolderGroup {
  ledger::Holding sum;  // its holder has only what tells the groups apart
  ledger::Ages ages;
  v1::HolderKind kind = v1::HOLDER_KIND_UNSPECIFIED;
  std::string unit;  // grouped by unit: its name, or the path of a cgroup that is in none

  void add(const ledger::Holding& holding);
  void add(const HolderGroup& group);
};

// Pages of the group that are not in memory.
uint64_t away_pages(const HolderGroup& group);

struct Grouped {
  std::vector<HolderGroup> rows;  // the largest first
  HolderGroup other;
  uint64_t other_groups = 0;
};

// What the pipeline's thread knows, at one moment. Errors: FailedPrecondition (who holds swap is not known here), those of
// PipelineRequests::ask.
struct HeldNow {
  std::shared_ptr<const pipeline::SlotHolders> holders;
  std::shared_ptr<const std::vector<ledger::HolderAges>> ages;
};
absl::StatusOr<HeldNow> held_now(const Host& host);
// The same, where it does not matter whether it is known.
absl::StatusOr<HeldNow> held_if_known(const Host& host);

// The area with this device or file, whose type is known. Errors: NotFound, FailedPrecondition.
absl::StatusOr<const pipeline::SlotHolders::Area*> area_named(const pipeline::SlotHolders& holders,
                                                              const std::string& path);

// Of the area with this type only, if one is given; the largest `most`, the rest in one.
Grouped groups_of(const HeldNow& held, v1::HolderGroup by, std::optional<uint32_t> area,
                  size_t most, Converter& converter);

void put_ages(const ledger::Ages& ages, google::protobuf::RepeatedPtrField<v1::AgeBucket>& out);
void put_pages(const HolderGroup& group, v1::HolderRow& out);
// With what the kernel says of the group: it reads a file.
void put_group(const HolderGroup& group, v1::HolderGroup by, const Host& host, Converter& converter,
               v1::HolderRow& out);
void put_area(const pipeline::SlotHolders& holders, const pipeline::SlotHolders::Area& area,
              const inventory::Inventory* inventory, v1::HeldArea& out);
// Why some of its used slots are not held by anybody known; empty if all are.
std::string why_not_explained(const pipeline::SlotHolders& holders,
                              const pipeline::SlotHolders::Area& area, int64_t unexplained,
                              const inventory::Inventory* inventory);

}  // namespace swaptrail::api
