// The part of the command line that each server gets. Pure; any thread.
#pragma once

#include "daemon/http/server.h"
#include "daemon/listen/listen.h"
#include "daemon/options/options.h"

namespace swaptrail::daemon {

listen::ListenOptions listen_options(const options::Options& options);
http::HttpOptions http_options(const options::Options& options);

}  // namespace swaptrail::daemon
