// Files read as a whole, and the standard streams. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace swaptrail {

inline constexpr size_t kMostKernelFile_bytes = size_t{256} << 20;  // /proc/kallsyms: 10 to 20 MiB
inline constexpr size_t kMostNamedFile_bytes = size_t{1} << 20;

// The whole of a file that the kernel makes, such as those of /proc, or of a copy of one. It never waits for a
// writer. Errors: NotFound, PermissionDenied,
// FailedPrecondition (a folder), ResourceExhausted (above kMostKernelFile_bytes), what else read(2) says.
absl::StatusOr<std::string> read_file(const std::string& path);

// Up to the first newline; empty if it can't be read.
std::string first_line(const std::string& path);

// A name in a table of /proc has its blanks, and whatever else would part it, as \ooo (fs/seq_file.c
// mangle_path): the name itself.
std::string unmangled(absl::string_view name);

// InvalidArgument: "PATH: WHAT".
absl::Status bad_path(const std::string& path, absl::string_view what);

enum class Secrecy : uint8_t {
  kPublic,
  kSecret,  // others than its owner and its group may not read it
};

// The whole text of a regular file that an operator named: options, certificates, keys, passwords. It is
// opened once, so what is read is what was checked, and it never waits, whatever `path` is. Links are
// followed: operators keep certificates behind them. Errors: InvalidArgument, which begin with `path` and
// say what to do: it can't be opened, is no regular file, has more than kMostNamedFile_bytes, can't be read
// to its end, changes meanwhile, belongs to another user than root and this one, others may write it, or
// read it though it is secret.
absl::StatusOr<std::string> read_named_file(const std::string& path, Secrecy secrecy);

// Of descriptors 0 to 2 those that are closed get /dev/null, so that no file which is opened later is taken
// for a standard stream and written over. Reading from it or writing to it fails with EBADF: lost output is
// still noticed. A program that has this call has it done before libraries, which open files too, are
// initialised. False: /dev/null could not be opened.
bool standard_streams_are_open();

// Prints to standard output, whole. Errors: Internal, with what to say.
absl::Status print_whole(absl::string_view text);

}  // namespace swaptrail
