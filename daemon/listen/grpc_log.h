// gRPC's own messages: one for each failed handshake, so a stranger can cause any number of them.
#pragma once

#include <cstdint>

namespace swaptrail::listen {

// From now on gRPC's errors go to stderr in the form of swaptraild's own lines, at most ten a
// minute, with unprintable characters replaced. For the whole process.
void bound_grpc_log();

// Lines that were left out. Any thread.
uint64_t grpc_log_left_out();

}  // namespace swaptrail::listen
