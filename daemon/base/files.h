// Files read as a whole, and the standard streams. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace swaptrail::base {

inline constexpr size_t kMostKernelFile_bytes = size_t{256} << 20;  // /proc/kallsyms: 10 to 20 MiB
inline constexpr size_t kMostNamedFile_bytes = size_t{1} << 20;

// The whole of a file that the kernel makes, such as those of /proc, or of a copy. It never waits for a
// writer. Errors: NotFound, PermissionDenied, FailedPrecondition (a folder), ResourceExhausted (above
// kMostKernelFile_bytes), others of read(2).
absl::StatusOr<std::string> read_file(const std::string& path);

// As read_file(), but it reads no further than it must to have the first line that ends in `line_end`; what follows may
// come too. For a file whose lines are work for the kernel.
absl::StatusOr<std::string> read_file_until(const std::string& path, absl::string_view line_end);

// Up to the first newline; empty if it can't be read.
std::string first_line(const std::string& path);

// The original name: tables of /proc write blanks and other separators in a name as \ooo
// (fs/seq_file.c mangle_path).
std::string unmangled(absl::string_view name);

// InvalidArgument: "PATH: WHAT".
absl::Status bad_path(const std::string& path, absl::string_view what);

enum class Secrecy : uint8_t {
  kPublic,
  kSecret,  // only its owner and its group may read it
};

// The whole text of a regular file that an operator named: options, certificates, keys, passwords. It is
// opened once, so what is read is what was checked, and it never waits, whatever `path` is. Links are
// followed: operators keep certificates behind them. Errors: InvalidArgument, which begin with `path` and
// say what to do: it can't be opened, is no regular file, has more than kMostNamedFile_bytes, can't be read
// to its end, changes meanwhile, belongs to a user other than root and this one, others may write it, or
// others may read it though it is secret.
absl::StatusOr<std::string> read_named_file(const std::string& path, Secrecy secrecy);

// Opens /dev/null on those of descriptors 0 to 2 that are closed, so that no file opened later is mistaken
// for a standard stream and overwritten. Reading from it or writing to it fails with EBADF, so lost output
// is still noticed. In a program that calls this, it is done before libraries, which open files too, are
// initialised. False: /dev/null could not be opened.
bool standard_streams_are_open();

// Prints the whole text to standard output. Errors: Internal, with the reason.
absl::Status print_whole(absl::string_view text);

}  // namespace swaptrail::base
