// Enums: ours, and those of the contract (proto/swaptrail/v1/lifecycle.proto). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "swaptrail/v1/lifecycle.pb.h"
#include "swaptrail/v1/trace.pb.h"
#include "trace/latency.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycle.h"

namespace swaptrail::api {

// Enums of both sides, value by value (asserted in values.cpp).
v1::Outcome to_proto(Outcome outcome);
v1::AbortReason to_proto(AbortReason reason);
v1::IncompleteReason to_proto(IncompleteReason reason);
v1::Waiting to_proto(Waiting waiting);
v1::Stage to_proto(Stage stage);
v1::ReturnHow to_proto(ReturnHow how);
v1::StayChange to_proto(StayChange change);
v1::LatencySpan to_proto(Latency span);
v1::HolderKind to_proto(ledger::OwnerKind kind);
v1::Backend to_proto(ledger::Where where);
v1::Origin origin_to_proto(uint8_t origin);     // enum swaptrail_origin
v1::Backend backend_to_proto(uint8_t backend);  // enum swaptrail_backend
// The other way round; nothing for values that are unspecified or unknown.
std::optional<Outcome> outcome_of(int value);
std::optional<uint8_t> origin_of(int value);
std::optional<Latency> latency_of(int value);

}  // namespace swaptrail::api
