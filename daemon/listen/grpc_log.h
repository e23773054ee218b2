// What gRPC has to say: a line for each handshake that fails, so as many as a stranger likes.
#pragma once

#include <cstdint>

namespace swaptrail::listen {

// From now on gRPC's errors go to stderr as swaptraild's own lines do, at most ten in a minute, and
// what does not print in them is replaced. For the whole process.
void bound_grpc_log();

// Lines that were left out. Any thread.
uint64_t grpc_log_left_out();

}  // namespace swaptrail::listen
