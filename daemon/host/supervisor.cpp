#include "daemon/host/supervisor.h"

#include <systemd/sd-daemon.h>

namespace swaptrail::host {

void notify_ready(const std::string& status) {
  sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void notify_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=detaching"); }

void notify_alive(uint64_t now_ns) {
  static const uint64_t every_ns = [] {
    uint64_t timeout_us = 0;
    return sd_watchdog_enabled(0, &timeout_us) > 0 ? timeout_us * 1000 / 4 : 0;
  }();
  static uint64_t notified_ns = 0;
  if (every_ns == 0 || now_ns - notified_ns < every_ns) return;
  notified_ns = now_ns;
  sd_notify(0, "WATCHDOG=1");
}

}  // namespace swaptrail::host
