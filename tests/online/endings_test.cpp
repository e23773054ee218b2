// Output that can't be written: no command reports success for it, and none leaves half a file
// behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using testing::HasSubstr;

enum class Stdout { kFullDevice, kNoReader, kNoReaderIgnored, kClosed };

struct HowItEnds {
  Stdout output;
  const char* name;
  int code;  // 128 + N: killed by signal N
  bool told;
};
constexpr HowItEnds kEndings[] = {
    {Stdout::kFullDevice, "/dev/full", 3, true},
    {Stdout::kNoReader, "no reader", 128 + SIGPIPE, false},
    {Stdout::kNoReaderIgnored, "no reader, and SIGPIPE ignored", 3, false},
    {Stdout::kClosed, "closed", 3, true},
};

class EndingsTest : public OnlineTest {
 protected:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  // A recording by the program itself.
  std::string recording() {
    if (recording_.empty()) {
      recording_ = path("run.swaptrail");
      EXPECT_EQ(run({"simulate", "--mib=1", "--print=none", "--record=" + recording_}).code, 0);
    }
    return recording_;
  }

  // With that standard output; `out` of the result is empty.
  Ended run_into(Stdout output, const std::vector<std::string>& arguments) const {
    int pipe[2];
    EXPECT_EQ(pipe2(pipe, O_CLOEXEC), 0);
    ::close(pipe[0]);  // before it is written to
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, path("err").c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (output == Stdout::kFullDevice)
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/full", O_WRONLY, 0);
    else if (output == Stdout::kClosed)
      posix_spawn_file_actions_addclose(&actions, STDOUT_FILENO);
    else
      posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    // what is ignored is inherited; the default is not for us, who have connections
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    struct sigaction before {
    }, ours{};
    ours.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ours, &before);
    sigset_t defaults;
    sigemptyset(&defaults);
    if (output != Stdout::kNoReaderIgnored) sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argv{const_cast<char*>("swaptrail")};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::vector<std::string> lines = environment_of({});
    std::vector<char*> environment;
    for (std::string& line : lines) environment.push_back(line.data());
    environment.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, SWAPTRAIL_PROGRAM, &actions, &attributes, argv.data(),
                          environment.data()),
              0);
    sigaction(SIGPIPE, &before, nullptr);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ::close(pipe[1]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    std::ifstream err(path("err"));
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            "",
            {std::istreambuf_iterator<char>(err), {}}};
  }

  // Each command as it is when it prints something.
  std::vector<std::vector<std::string>> commands() {
    const std::string file = recording();
    std::vector<std::vector<std::string>> all = {
        {"--help"},
        {"--version"},
        {"replay", "--help"},
        {"doctor"},
        {"doctor", "-ojsonl"},
        {"replay", file},
        {"replay", file, "--print=jsonl"},
        {"info", file},
        {"info", file, "-ojson"},
        {"verify", file},
        {"repair", file, "-o", path("repaired"), "--force"},
        {"cut", file, "-o", path("cut"), "--force"},
        {"merge", file, "-o", path("merged"), "--force"},
        {"export", file, "--format=csv"},
        {"export", file, "--format=jsonl"},
        {"export", file, "--format=perfetto"},
        {"validate", file},
        {"validate", "--rules"},
        {"what-if", file},
        {"simulate", "--mib=1"},
        {"completion", "bash"},
        {"manpage"},
    };
    std::vector<std::vector<std::string>> questions = online_questions();
    questions.push_back({"status", "--check"});
    for (const std::vector<std::string>& question : questions)
      for (const char* format : {"table", "json"}) {
        all.push_back(with_socket(question));
        all.back().push_back(std::string("--output=") + format);
      }
    return all;
  }
  // What is there but the recording.
  std::set<std::string> files(const std::string& directory) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      names.insert(entry.path().filename().string());
    return names;
  }
  std::string get(const std::string& name) const {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string recording_;
};

TEST_F(EndingsTest, OutputThatIsLostIsNeverSuccess) {
  add_lives(3);
  daemon.watch.before = [this](int) { add_lives(1); };
  for (const std::vector<std::string>& arguments : commands()) {
    for (const HowItEnds& end : kEndings) {
      const Ended ended = run_into(end.output, arguments);
      const std::string what = testing::PrintToString(arguments) + " into " + end.name;
      EXPECT_EQ(ended.code, end.code) << what << ": " << ended.err;
      const bool told = ended.err.find("can't write to standard output") != std::string::npos;
      EXPECT_EQ(told, end.told) << what << ": " << ended.err;
    }
  }
}

// A new command has to be in the table.
TEST_F(EndingsTest, AreThoseOfEachCommand) {
  std::set<std::string> held;
  for (const std::vector<std::string>& arguments : commands()) held.insert(arguments[0]);
  const std::string help = run({"--help"}).out;
  size_t count = 0;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {  // "  command   what it does"
    const size_t end = line.find("  ", 2);
    if (!line.starts_with("  ") || end == line.npos) continue;
    const std::string name = line.substr(2, end - 2);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != name.npos || name.empty()) continue;
    EXPECT_TRUE(held.contains(name)) << name;
    ++count;
  }
  EXPECT_GT(count, 15u);
}

// What is opened later must not get the number of a stream that is closed.
TEST_F(EndingsTest, OfAClosedStreamLeaveFilesAlone) {
  const std::string whole = path("whole"), same = path("same");
  ASSERT_EQ(run({"cut", recording(), "-o", whole}).code, 0);
  const Ended ended = run_into(Stdout::kClosed, {"cut", recording(), "-o", same});
  EXPECT_EQ(ended.code, 3);
  EXPECT_THAT(ended.err, HasSubstr("Bad file descriptor"));  // nothing else got its number
  EXPECT_EQ(get(same), get(whole));
  EXPECT_EQ(run({"verify", same}).code, 0);
}

TEST_F(EndingsTest, LeaveNoUnfinishedFile) {
  for (const HowItEnds& end : kEndings) {
    const std::string out = path("out");
    const Ended ended = run_into(
        end.output, {"simulate", "--mib=1", "--print=jsonl", "--record=" + out, "--force"});
    EXPECT_EQ(ended.code, end.code) << end.name;
    for (const std::string& name : files(directory_))
      EXPECT_EQ(name.find("unfinished"), std::string::npos) << end.name << ": " << name;
    if (std::filesystem::exists(out)) {
      EXPECT_EQ(run({"verify", out}).code, 0) << end.name;
    }
  }
}

// Each command that writes a file. OUT stands for it.
std::vector<std::vector<std::string>> writers(const std::string& recording,
                                              const std::string& out) {
  return {{"export", recording, "--format=csv", "--force", "-o", out},
          {"export", recording, "--format=jsonl", "--force", "-o", out},
          {"export", recording, "--format=perfetto", "--force", "-o", out},
          {"repair", recording, "--force", "-o", out},
          {"cut", recording, "--force", "-o", out},
          {"merge", recording, "--force", "-o", out},
          {"simulate", "--mib=1", "--print=none", "--force", "-o", out},
          {"manpage", "--directory", std::filesystem::path(out).parent_path()}};
}

// A file system of 64 KiB of which nothing is left; gone with this.
class FullDisk {
 public:
  explicit FullDisk(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    mounted_ = mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=64k,mode=700") == 0;
    if (!mounted_) return;
    for (const char* name : {"out", "swaptrail.1"})
      std::ofstream(directory_ + "/" + name) << "what was there";
    std::ofstream filler(directory_ + "/filler");
    while (filler << 'x' << std::flush) {
    }
  }
  ~FullDisk() {
    if (mounted_) umount2(directory_.c_str(), MNT_DETACH);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  const std::string directory_;
  bool mounted_;
};

TEST_F(EndingsTest, OnAFullDiskKeepWhatWasThere) {
  const std::string directory = path("full");
  const FullDisk disk(directory);
  if (!disk.mounted()) GTEST_SKIP() << "needs a tmpfs, which only root may mount";
  const std::set<std::string> before = files(directory);
  ASSERT_EQ(before.size(), 3u);
  for (const std::vector<std::string>& arguments : writers(recording(), directory + "/out")) {
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.code, 3) << testing::PrintToString(arguments);
    EXPECT_THAT(ended.err, HasSubstr("No space left on device"));
    EXPECT_EQ(files(directory), before) << testing::PrintToString(arguments);
    EXPECT_EQ(get(directory + "/out"), "what was there") << testing::PrintToString(arguments);
    EXPECT_EQ(get(directory + "/swaptrail.1"), "what was there");
  }
}

// A limit on the size of files is no signal that leaves half of one.
TEST_F(EndingsTest, AtALimitOfFileSizesKeepWhatWasThere) {
  const std::string directory = path("limited");
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/out") << "what was there";
  for (const std::vector<std::string>& arguments : writers(recording(), directory + "/out")) {
    if (arguments[0] == "manpage") continue;  // smaller than any limit
    std::string line = "ulimit -f 1; exec " SWAPTRAIL_PROGRAM;
    for (const std::string& argument : arguments) line += " '" + argument + "'";
    const int status = std::system(("bash -c \"" + line + "\" >/dev/null 2>&1").c_str());
    EXPECT_EQ(WEXITSTATUS(status), 3) << line;
    EXPECT_EQ(files(directory), std::set<std::string>{"out"}) << line;
    EXPECT_EQ(get(directory + "/out"), "what was there") << line;
  }
}

}  // namespace
}  // namespace swaptrail::online
