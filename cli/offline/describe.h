// `swaptrail info`: what is in a recording, without playing it.
#pragma once

#include <string>

#include "trace/recording/reader.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail {

// Prints to standard output; `json`: one object on one line. Returns the exit code; damage that shows
// without reading the blocks is kFound.
int describe(const std::string& file, bool json);

// For people, and for tools. Only ASCII and no control characters but newlines in the text.
std::string description_text(const std::string& file, const RecordingContents& contents);
std::string description_json(const std::string& file, const RecordingContents& contents);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_describe(CLI::App& app, int& code);

}  // namespace swaptrail
