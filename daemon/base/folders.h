// Folders in which the daemon makes files: nobody else may redirect it. Stateless; any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::base {

// Opens a folder, or makes it with mode `made_mode`, whatever the umask is; its parent must exist. Files
// that are made relative to the descriptor go to this folder, whatever happens to `path` later. The folder
// itself must not be a symbolic link; those above it may be. Errors: InvalidArgument, which begin with
// `path` and say what to do: it is no folder or a link, belongs to a user other than root and this one,
// its group or others may write to it, this process may not, it can't be made.
absl::StatusOr<Descriptor> open_folder(const std::string& path, mode_t made_mode);

// Whether open_folder() would succeed, as far as that can be known without making anything. Errors: the
// same.
absl::Status check_folder(const std::string& path);

}  // namespace swaptrail::base
