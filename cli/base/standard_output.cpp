#include "cli/base/standard_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"

namespace swaptrail::cli {

absl::Status StandardOutput::append(std::string_view bytes) {
  while (status_.ok() && !bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
    if (written >= 0 || errno == EINTR) continue;
    const std::string text = absl::StrCat("can't write to standard output: ", strerror(errno));
    status_ = errno == EPIPE ? absl::CancelledError(text) : absl::InternalError(text);
  }
  return status_;
}

int StandardOutput::exit_code(int code) const {
  if (status_.ok()) return code;
  if (absl::IsCancelled(status_)) return kNotWritten;
  return complain(kNotWritten, std::string(status_.message()), "the rest is not printed");
}

}  // namespace swaptrail::cli
