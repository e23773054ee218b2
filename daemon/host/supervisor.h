// Notifies the process that supervises swaptraild (sd_notify(3)). Does nothing without one.
#pragma once

#include <cstdint>
#include <string>

namespace swaptrail::host {

// Attached and serving; `status` is shown by `systemctl status`. Any thread.
void notify_ready(const std::string& status);
void notify_stopping();
// Still working, for the service's watchdog (WatchdogSec=). Costs nothing if called more often than needed.
// `now_ns`: monotonic. Call it from one thread: the one whose standstill must be noticed.
void notify_alive(uint64_t now_ns);

}  // namespace swaptrail::host
