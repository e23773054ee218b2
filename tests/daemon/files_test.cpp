// What is read of files of the kernel and of operators, and what is refused.
#include "daemon/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace swaptrail::base {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "files-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Files() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& text, mode_t mode = 0600) const {
    const std::string path = folder_ + "/file";
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  // Of a file that is refused: what is said after its path. Nothing may wait.
  static std::string complaint(const std::string& path, Secrecy secrecy = Secrecy::kSecret) {
    const auto begin = std::chrono::steady_clock::now();
    const auto text = read_named_file(path, secrecy);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << path;
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << path;
    const std::string message(text.status().message());
    EXPECT_THAT(message, StartsWith(path + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message.substr(std::min(message.size(), path.size() + 2));
  }

  std::string folder_;
};

TEST_F(Files, AFileIsReadToALineOrToItsEnd) {
  const std::string many(3 << 20, 'x');  // several steps
  const std::string path =
      write("1 T first\n" + many + "\n2 T _etext\n3 d swap_info\n" + many + many);
  const auto part = read_file_until(path, " T _etext");
  ASSERT_TRUE(part.ok());
  EXPECT_THAT(*part, HasSubstr("\n2 T _etext\n"));
  EXPECT_LT(part->size(), 5u << 20);
  EXPECT_EQ(*read_file_until(path, " T _ete"), *read_file(path)) << "that is no line's end";
  EXPECT_FALSE(read_file_until(path + "-", " T _etext").ok());
}

TEST_F(Files, NamedIsReadWhole) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("a\0b\xff\n", 5), std::string(65536, 'x'),
        std::string(65537, 'x'), std::string(kMostNamedFile_bytes, 'x')}) {
    const auto read = read_named_file(write(text), Secrecy::kSecret);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, text);
  }
  EXPECT_THAT(complaint(write(std::string(kMostNamedFile_bytes + 1, 'x'))),
              HasSubstr("larger than 1 MiB"));
}

TEST_F(Files, NamedIsARegularFile) {
  const std::string fifo = folder_ + "/fifo", link = folder_ + "/link";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path :
       {folder_, fifo, std::string("/dev/zero"), std::string("/dev/null")})
    EXPECT_THAT(complaint(path), HasSubstr("is no regular file")) << path;
  EXPECT_THAT(complaint(folder_ + "/none"), HasSubstr("No such file"));
  EXPECT_THAT(complaint(""), HasSubstr("No such file"));
  EXPECT_THAT(complaint(write("a") + "/b"), HasSubstr("Not a directory"));
  ASSERT_EQ(symlink(fifo.c_str(), link.c_str()), 0);
  EXPECT_THAT(complaint(link), HasSubstr("is no regular file"));
  std::filesystem::remove(link);
  ASSERT_EQ(symlink("link", link.c_str()), 0);
  EXPECT_THAT(complaint(link), HasSubstr("symbolic links"));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = folder_ + "/socket";
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(made, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  EXPECT_THAT(complaint(path), HasSubstr("can't be opened"));
  close(made);
}

TEST_F(Files, LinksToRegularFilesAreFollowed) {
  const std::string link = folder_ + "/link";
  ASSERT_EQ(symlink(write("text").c_str(), link.c_str()), 0);
  EXPECT_EQ(read_named_file(link, Secrecy::kSecret).value_or(""), "text");
}

TEST_F(Files, ModesOfSecretsAndOfOthers) {
  struct Case {
    mode_t mode;
    bool as_public, as_secret;
  };
  for (const Case& one : {Case{0600, true, true}, Case{0640, true, true}, Case{0660, true, true},
                          Case{0644, true, false}, Case{0604, true, false},
                          Case{0602, false, false}, Case{0666, false, false}}) {
    const std::string path = write("text", one.mode);
    EXPECT_EQ(read_named_file(path, Secrecy::kPublic).ok(), one.as_public) << std::oct << one.mode;
    EXPECT_EQ(read_named_file(path, Secrecy::kSecret).ok(), one.as_secret) << std::oct << one.mode;
  }
  EXPECT_THAT(complaint(write("text", 0644)), HasSubstr("chmod o="));
  EXPECT_THAT(complaint(write("text", 0602), Secrecy::kPublic), HasSubstr("chmod o-w"));
}

TEST_F(Files, ItIsRootsOrOurs) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const std::string path = write("text");
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_THAT(complaint(path), HasSubstr("belongs to user 12345: chown root"));
}

// Its size is 0 for stat(), but there is text in it: that is no regular file of an operator.
TEST_F(Files, OfTheKernelIsNotNamed) {
  EXPECT_THAT(complaint("/proc/self/status", Secrecy::kPublic), HasSubstr("changes while"));
}

TEST_F(Files, AReadErrorIsNoEmptyFile) {
  EXPECT_EQ(read_file(folder_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(read_file(folder_ + "/none").status().code(), absl::StatusCode::kNotFound);
  // page 0 is mapped nowhere: read(2) says EIO
  EXPECT_FALSE(read_file("/proc/self/mem").ok());
  EXPECT_THAT(std::string(read_file(folder_).status().message()), HasSubstr(folder_));
}

TEST_F(Files, OfTheKernelIsReadToItsEnd) {
  const auto status = read_file("/proc/self/status");
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(*status, HasSubstr("\nPid:\t" + std::to_string(getpid()) + "\n"));
  const auto empty = read_file(write(""));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, "");
  // a file that is longer than a page of the reader's
  EXPECT_EQ(read_file(write(std::string(200'000, 'x'))).value_or("").size(), 200'000u);
}

TEST_F(Files, WhatHasNoEndIsGivenUp) {
  EXPECT_EQ(read_file("/dev/zero").status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(Files, FirstLine) {
  EXPECT_EQ(first_line(write("one\ntwo\n")), "one");
  EXPECT_EQ(first_line(write("one")), "one");
  EXPECT_EQ(first_line(write("\ntwo")), "");
  EXPECT_EQ(first_line(folder_ + "/none"), "");
}

// The names are those that fs/seq_file.c makes of these.
TEST_F(Files, Unmangled) {
  EXPECT_EQ(unmangled("/a\\040b\\011c\\012d\\134e"), "/a b\tc\nd\\e");
  EXPECT_EQ(unmangled("\\043"), "#");
  EXPECT_EQ(unmangled("a\\04"), "a\\04");
  EXPECT_EQ(unmangled("\\089"), "\\089");
  EXPECT_EQ(unmangled("\\400"), "\\400");
  EXPECT_EQ(unmangled(""), "");
}

}  // namespace
}  // namespace swaptrail::base
