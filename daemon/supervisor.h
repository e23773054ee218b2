// What swaptraild tells the process that supervises it (sd_notify(3)). Does nothing without one.
#pragma once

#include <string>

namespace swaptrail {

// Attached and serving; `status` is shown by `systemctl status`. Any thread.
void tell_ready(const std::string& status);
void tell_stopping();

}  // namespace swaptrail
