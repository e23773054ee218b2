// touch - writes memory twice under a limit, so that most of it is swapped out and in again, and prints the seconds that it took.
// The load of bench/overhead.sh.
//
//   touch MIB LIMIT-MIB CGROUP     CGROUP: a folder that it makes in a hierarchy of version 2, and removes
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <time.h>

namespace {

constexpr size_t kPage = 4096;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

void put(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << std::flush)) fail(path.c_str());
}

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Each page gets other content, which compresses to a quarter.
void write_all(unsigned char* memory, size_t pages, uint64_t seed) {
  for (size_t page = 0; page < pages; ++page) {
    auto* words = reinterpret_cast<uint64_t*>(memory + page * kPage);
    uint64_t word = seed + page;
    for (size_t at = 0; at < kPage / sizeof(uint64_t); at += 4) {
      word = word * 6364136223846793005u + 1442695040888963407u;
      words[at] = word;
    }
  }
}

int load(size_t mib) {
  const size_t bytes = mib << 20;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE) != 0) fail("memory");
  const double begin = seconds();
  for (uint64_t round = 1; round <= 2; ++round)
    write_all(static_cast<unsigned char*>(memory), bytes / kPage, round << 32);
  std::printf("%.4f\n", seconds() - begin);
  return std::fflush(stdout) == 0 ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: touch MIB LIMIT-MIB CGROUP\n");
    return 2;
  }
  const std::string cgroup = argv[3];
  if (mkdir(cgroup.c_str(), 0755) != 0) fail(cgroup.c_str());
  put(cgroup + "/memory.max", std::to_string(std::strtoul(argv[2], nullptr, 10) << 20));
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    put(cgroup + "/cgroup.procs", "0");
    return load(std::strtoul(argv[1], nullptr, 10));
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  if (rmdir(cgroup.c_str()) != 0) fail(cgroup.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
