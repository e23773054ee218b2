// Prints who holds swap slots, for people.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <string>

#include "cli/online/output.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::online {

// A table of rows that are grouped by `by`, and one of `other_groups` more; empty if there is none.
std::string holder_rows_text(const google::protobuf::RepeatedPtrField<v1::HolderRow>& rows,
                             const v1::HolderRow& other, uint64_t other_groups, v1::HolderGroup by,
                             uint64_t page_bytes, const Style& style);

}  // namespace swaptrail::online
