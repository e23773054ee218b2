// A temporary folder, and cgroups in it as the kernel would have them.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace swaptrail {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "swaptrail-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  }

 private:
  std::string path_;
};

// The id of a new cgroup, as the kernel gives it: the number of its inode.
inline uint64_t make_cgroup(const Folder& root, const std::string& name) {
  const std::string path = root.path() + "/" + name;
  std::filesystem::create_directories(path);
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_ino;
}
inline void remove_cgroup(const Folder& root, const std::string& name) {
  std::filesystem::remove(root.path() + "/" + name);
}

}  // namespace swaptrail
