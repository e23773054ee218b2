// `swaptrail info`: the contents of a recording, without playing it.
#pragma once

#include <string>

#include "trace/recording/reader.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

// Prints to standard output; `json`: one object on one line. Returns the exit code; kFound for damage
// that is visible without reading the blocks.
int describe(const std::string& file, bool json);

// For people, and for tools. The text is ASCII without control characters except newlines.
std::string description_text(const std::string& file, const recording::RecordingContents& contents);
std::string description_json(const std::string& file, const recording::RecordingContents& contents);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_describe(CLI::App& app, int& code);

}  // namespace swaptrail::offline
