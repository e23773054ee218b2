// What swaptraild tells the process that supervises it (sd_notify(3)). Does nothing without one.
#pragma once

#include <cstdint>
#include <string>

namespace swaptrail {

// Attached and serving; `status` is shown by `systemctl status`. Any thread.
void tell_ready(const std::string& status);
void tell_stopping();
// Still at work, by the watchdog of the service (WatchdogSec=). Costs nothing when called more often than it
// asks for. `now_ns`: monotonic. One thread: the one whose standstill is to be noticed.
void tell_alive(uint64_t now_ns);

}  // namespace swaptrail
