// `top` at a terminal: its keys work, and the terminal is as it was, however it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

constexpr std::chrono::seconds kPatience(20);

// The program with a terminal of its own.
class AtTerminal {
 public:
  AtTerminal(const std::vector<std::string>& arguments, const Program::Environment& more = {}) {
    std::vector<std::string> argv{"swaptrail"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    std::vector<std::string> environment = environment_of(more);
    std::vector<char*> argv_pointers, environment_pointers;
    for (std::string& text : argv) argv_pointers.push_back(text.data());
    for (std::string& text : environment) environment_pointers.push_back(text.data());
    argv_pointers.push_back(nullptr);
    environment_pointers.push_back(nullptr);
    winsize size{};
    size.ws_col = 120;
    size.ws_row = 24;
    int slave = -1;
    if (openpty(&master_, &slave, nullptr, nullptr, &size) != 0) std::abort();
    slave_ = slave;  // kept open: what it is set to stays readable
    tcgetattr(slave_, &before_);
    pid_ = fork();
    if (pid_ == 0) {
      setsid();
      ioctl(slave, TIOCSCTTY, 0);
      for (int file = 0; file < 3; ++file) dup2(slave, file);
      execve(SWAPTRAIL_PROGRAM, argv_pointers.data(), environment_pointers.data());
      _exit(127);
    }
  }
  ~AtTerminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(master_);
    close(slave_);
  }
  AtTerminal(const AtTerminal&) = delete;
  AtTerminal& operator=(const AtTerminal&) = delete;

  void press(const std::string& keys) {
    ASSERT_EQ(write(master_, keys.data(), keys.size()), keys.size());
  }
  void send(int signal) const { kill(pid_, signal); }
  // Waits until it has stopped itself.
  bool has_stopped() const {
    int status = 0;
    return waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
  }
  void resize(unsigned short rows) {
    winsize size{};
    size.ws_col = 120;
    size.ws_row = rows;
    ioctl(master_, TIOCSWINSZ, &size);
  }

  // Reads until `text` comes; what came before it is forgotten.
  bool shows(const std::string& text) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (size_t at = seen_.find(text); at == std::string::npos; at = seen_.find(text))
      if (!read_some(until)) return false;
    seen_.erase(0, seen_.find(text) + text.size());
    return true;
  }
  // The lines of the next whole screen.
  long lines_of_a_screen() {
    const std::string home = "\x1b[H";
    if (!shows(home)) return -1;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (seen_.find(home) == std::string::npos)
      if (!read_some(until)) return -1;
    return std::count(seen_.begin(), seen_.begin() + static_cast<long>(seen_.find(home)), '\n') + 1;
  }

  bool is_raw() const {
    termios now{};
    tcgetattr(slave_, &now);
    return (now.c_lflag & (ICANON | ECHO)) == 0;
  }
  bool is_as_before() const {
    termios now{};
    tcgetattr(slave_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
           now.c_oflag == before_.c_oflag && now.c_cc[VMIN] == before_.c_cc[VMIN] &&
           now.c_cc[VTIME] == before_.c_cc[VTIME];
  }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  // False: nothing came, or it took too long although something came.
  bool read_some(std::chrono::steady_clock::time_point until) {
    pollfd file = {master_, POLLIN, 0};
    char bytes[4096];
    if (std::chrono::steady_clock::now() > until || ::poll(&file, 1, 20'000) <= 0) return false;
    const ssize_t count = ::read(master_, bytes, sizeof bytes);
    if (count <= 0) return false;
    seen_.append(bytes, static_cast<size_t>(count));
    return true;
  }

  pid_t pid_ = -1;
  int master_ = -1;
  int slave_ = -1;
  termios before_{};
  std::string seen_;
};

class TerminalTest : public OnlineTest {
 protected:
  void SetUp() override {
    OnlineTest::SetUp();
    // Forty processes, each in a cgroup of its own, with pages on their way out all the time.
    for (int row = 100; row < 140; ++row)
      cgroups_.push_back(make_cgroup("row" + std::to_string(row)));
    daemon.queries.GetCounters.before = [this](int) {
      for (uint32_t row = 0; row < 40; ++row) {
        Lifecycle made = life(++last_id_);
        made.cgroup = cgroups_[row];
        made.mappings[0].tgid = 1000 + row;
        made.mappings[0].comm = store::comm_of("row" + std::to_string(100 + row));
        made.nr_pages = static_cast<uint16_t>(100 - row);
        add(made);
      }
    };
    command_ = with_socket({"top", "--interval=100ms"});
  }

  static constexpr const char* kEnter = "\x1b[?1049h";
  static constexpr const char* kLeave = "\x1b[?1049l";
  std::vector<uint64_t> cgroups_;
  std::vector<std::string> command_;
};

TEST_F(TerminalTest, KeysWorkAndQuitRestores) {
  AtTerminal top(command_);
  ASSERT_TRUE(top.shows(kEnter));
  ASSERT_TRUE(top.shows("by process, sorted by rate"));
  ASSERT_TRUE(top.shows("row100"));
  EXPECT_TRUE(top.is_raw());
  top.press("p");
  EXPECT_TRUE(top.shows("by cgroup"));
  top.press("w");
  EXPECT_TRUE(top.shows("sorted by wait"));
  top.press("+");
  EXPECT_TRUE(top.shows("every 250ms"));
  EXPECT_TRUE(top.shows("row100"));  // there is something to scroll
  top.press("\x1b[6~");
  EXPECT_TRUE(top.shows("row139"));
  top.press(" ");
  EXPECT_TRUE(top.shows("PAUSED"));
  top.press("q");
  EXPECT_TRUE(top.shows("\x1b[?25h"));
  EXPECT_TRUE(top.shows(kLeave));
  EXPECT_TRUE(top.shows("rounds"));
  EXPECT_EQ(top.wait(), 0);
  EXPECT_TRUE(top.is_as_before());
}

TEST_F(TerminalTest, EachSignalRestores) {
  const std::pair<int, int> signals[] = {
      {SIGINT, 0}, {SIGTERM, 0}, {SIGHUP, 0}, {SIGQUIT, 0}, {SIGSEGV, 128 + SIGSEGV}};
  for (const auto& [signal, code] : signals) {
    AtTerminal top(command_);
    ASSERT_TRUE(top.shows("row100"));
    EXPECT_TRUE(top.is_raw());
    top.send(signal);
    EXPECT_TRUE(top.shows(kLeave)) << signal;
    EXPECT_EQ(top.wait(), code) << signal;
    EXPECT_TRUE(top.is_as_before()) << signal;
  }
}

TEST_F(TerminalTest, StopGivesTheTerminalBackAndTakesItAgain) {
  AtTerminal top(command_);
  ASSERT_TRUE(top.shows("row100"));
  top.send(SIGTSTP);
  ASSERT_TRUE(top.shows(kLeave));
  ASSERT_TRUE(top.has_stopped());
  EXPECT_TRUE(top.is_as_before());
  top.send(SIGCONT);
  ASSERT_TRUE(top.shows(kEnter));
  ASSERT_TRUE(top.shows("row100"));
  EXPECT_TRUE(top.is_raw());
  top.press("q");
  EXPECT_EQ((top.shows(kLeave), top.wait()), 0);
}

TEST_F(TerminalTest, FollowsTheSize) {
  AtTerminal top(command_);
  ASSERT_TRUE(top.shows("row100"));
  EXPECT_EQ(top.lines_of_a_screen(), 24);
  top.resize(9);
  long lines = 0;
  for (int screen = 0; screen < 100 && lines != 9; ++screen) lines = top.lines_of_a_screen();
  EXPECT_EQ(lines, 9);
}

TEST_F(TerminalTest, NoColorIsKept) {
  AtTerminal coloured(command_);
  EXPECT_TRUE(coloured.shows("\x1b[1mswaptrail top"));
  AtTerminal plain(command_, {{"NO_COLOR", "1"}});
  EXPECT_TRUE(plain.shows("\x1b[Hswaptrail top"));
}

TEST_F(TerminalTest, FirstQuestionRefusedIsToldOnTheTerminalAsItWas) {
  daemon.failure = grpc::Status(grpc::PERMISSION_DENIED, "not for you");
  AtTerminal top(command_);
  EXPECT_TRUE(top.shows(kLeave));
  EXPECT_TRUE(top.shows("not for you"));
  EXPECT_EQ(top.wait(), 6);
  EXPECT_TRUE(top.is_as_before());
}

}  // namespace
}  // namespace swaptrail::online
