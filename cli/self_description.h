// The hidden commands `swaptrail completion` and `swaptrail manpage`.
#pragma once

#include <string>
#include <vector>

#include "manual/manual.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::cli {

// The parts of this command's page that are not in its definitions. `command`: its name, empty =
// swaptrail itself. Every visible command has an OVERHEAD.
manual::ManualTexts manual_texts(const std::string& command);

// Adds both. They describe `app` as it is when they run.
void add_self_description(CLI::App& app, int& code);

}  // namespace swaptrail::cli
