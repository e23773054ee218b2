#include "daemon/supervisor.h"

#include <systemd/sd-daemon.h>

namespace swaptrail {

void tell_ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }

void tell_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=detaching"); }

}  // namespace swaptrail
