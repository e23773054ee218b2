// The parts of the daemon that need no kernel: options, /proc, cgroups, output filters.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <variant>
#include <vector>

#include "daemon/host/cgroups.h"
#include "daemon/host/page_frames.h"
#include "daemon/host/proc.h"
#include "daemon/host/swapping_processes.h"
#include "daemon/options/options.h"
#include "daemon/pipeline/output.h"

namespace swaptrail::daemon {
namespace {

std::variant<options::Options, base::ExitCode> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "swaptraild");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return options::parse_options(static_cast<int>(pointers.size()), pointers.data());
}

TEST(SwappingProcesses, AreThoseWithVmSwap) {
  const auto some = host::parse_process_status(
      7,
      "Name:\ta\\nb\\\\c d\nState:\tS (sleeping)\nVmRSS:\t    100 kB\nVmSwap:\t      12 kB\nThreads:\t1\n");
  ASSERT_TRUE(some.has_value());
  EXPECT_EQ(some->pid, 7u);
  EXPECT_EQ(some->swapped_bytes, 12u << 10);
  EXPECT_EQ(comm_text(some->comm), "a\nb\\c d");
  EXPECT_FALSE(host::parse_process_status(2, "Name:\tkthreadd\nThreads:\t1\n").has_value());
  EXPECT_FALSE(host::parse_process_status(2, "Name:\tx\nVmSwap:\tmuch\n").has_value());
}

TEST(Cgroups, TheMemoryCgroupOfAProcess) {
  EXPECT_EQ(host::Cgroups::path_in("0::/user.slice/a:b\n"), "/user.slice/a:b");
  EXPECT_EQ(host::Cgroups::path_in("5:cpu,memory:/old\n1:name=systemd:/x\n0::/new\n"), "/old");
  EXPECT_EQ(host::Cgroups::path_in("1:name=systemd:/x\n"), "");
}

TEST(Options, DefaultsFollowEverything) {
  const auto parsed = parse({});
  ASSERT_TRUE(std::holds_alternative<options::Options>(parsed));
  const options::Options& options = std::get<options::Options>(parsed);
  EXPECT_FALSE(options.mode.has_value());
  EXPECT_EQ(options.print, report::PrintFormat::kSummary);
  EXPECT_EQ(options.ring_mib, 8u);
  EXPECT_TRUE(options.pids.empty());
}

TEST(Options, TakesFilters) {
  const auto parsed = parse(
      {"--pid=1", "--pid=2", "--outcome=aborted", "--cgroup=/a", "--mode=kprobe", "--print=jsonl"});
  ASSERT_TRUE(std::holds_alternative<options::Options>(parsed));
  const options::Options& options = std::get<options::Options>(parsed);
  EXPECT_EQ(options.pids, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(options.outcomes, std::vector<Outcome>{Outcome::kAborted});
  EXPECT_EQ(options.cgroup, "/a");
  EXPECT_EQ(options.mode, probe::Mode::kKprobe);
}

TEST(Options, RefusesWhatMakesNoSense) {
  for (const char* bad :
       {"--ring-size=3", "--ring-size=0", "--ring-size=2048", "--ring-size=x", "--mode=fast",
        "--outcome=happy", "--print=xml", "--btf=/nowhere", "--symbols=/dev/null", "--pid=x",
        "--max-folios=1", "surplus", "--listen=:7000", "--tls-key=/dev/null", "--store=1",
        "--regret=0", "--metrics-cgroups=0", "--config=/nowhere"}) {
    const auto parsed = parse({bad});
    ASSERT_TRUE(std::holds_alternative<base::ExitCode>(parsed)) << bad;
    EXPECT_EQ(std::get<base::ExitCode>(parsed), base::kExitUsage) << bad;
  }
}

TEST(Options, BtfOfAnotherKernelIsOnlyForExplaining) {
  EXPECT_TRUE(std::holds_alternative<base::ExitCode>(parse({"--btf=/dev/null"})));
  EXPECT_TRUE(
      std::holds_alternative<options::Options>(parse({"--btf=/dev/null", "--explain-attach"})));
}

TEST(Options, TcpNeedsTlsAndSomeWayToKnowClients) {
  const std::vector<std::string> tls = {"--listen=:7000", "--tls-cert=c", "--tls-key=k"};
  std::vector<std::string> arguments = tls;
  EXPECT_TRUE(std::holds_alternative<base::ExitCode>(parse(arguments)));
  arguments.push_back("--tls-client-ca=a");
  EXPECT_TRUE(std::holds_alternative<options::Options>(parse(arguments)));
  arguments.push_back("--tls-no-client-auth");  // not both
  EXPECT_TRUE(std::holds_alternative<base::ExitCode>(parse(arguments)));
  arguments = tls;
  arguments.push_back("--tls-no-client-auth");
  EXPECT_TRUE(std::holds_alternative<options::Options>(parse(arguments)));
}

TEST(Options, NoneIsNoGroupAndNoHttp) {
  const auto parsed = parse({"--socket-group=none", "--web.listen-address=none"});
  ASSERT_TRUE(std::holds_alternative<options::Options>(parsed));
  EXPECT_EQ(std::get<options::Options>(parsed).socket_group, "");
  EXPECT_EQ(std::get<options::Options>(parsed).web_listen, "");
}

TEST(Options, SocketIsInTheRunDir) {
  options::Options options;
  EXPECT_EQ(options::socket_path(options), "/run/swaptrail/api.sock");
  options.run_dir = "/x";
  EXPECT_EQ(options::socket_path(options), "/x/api.sock");
  options.socket = "/y";
  EXPECT_EQ(options::socket_path(options), "/y");
}

class ConfigFileTest : public testing::Test {
 protected:
  ~ConfigFileTest() override { std::filesystem::remove(path_); }
  auto parse_file(const std::string& text, const std::string& more = "--print=none") {
    std::ofstream(path_) << text;
    return parse({"--config=" + path_, more});
  }
  const std::string path_ = "/tmp/swaptrail-config-" + std::to_string(getpid());
};

TEST_F(ConfigFileTest, HasTheNamesOfTheFlags) {
  const auto parsed = parse_file(
      "# a comment\nweb.listen-address = \"[::1]:1\"\nstore = 32\nenable-pageout = true\n");
  ASSERT_TRUE(std::holds_alternative<options::Options>(parsed));
  const options::Options& options = std::get<options::Options>(parsed);
  EXPECT_EQ(options.web_listen, "[::1]:1");
  EXPECT_EQ(options.store_mib, 32u);
  EXPECT_TRUE(options.enable_pageout);
}

TEST_F(ConfigFileTest, YieldsToTheCommandLine) {
  const auto parsed = parse_file("store = 32\n", "--store=16");
  ASSERT_TRUE(std::holds_alternative<options::Options>(parsed));
  EXPECT_EQ(std::get<options::Options>(parsed).store_mib, 16u);
}

TEST_F(ConfigFileTest, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {"stroe = 32\n", "store = lots\n", "[web]\nlisten-address = \"x\"\n"}) {
    const auto parsed = parse_file(bad);
    ASSERT_TRUE(std::holds_alternative<base::ExitCode>(parsed)) << bad;
    EXPECT_EQ(std::get<base::ExitCode>(parsed), base::kExitUsage) << bad;
  }
}

TEST(Vmstat, TakesNumbersAndPassesOverTheRest) {
  const std::string text =
      "pswpin 12\npswpout 18446744073709551615\n\nodd line here\nbad x\npswpout_not";
  report::Vmstat values;
  host::parse_vmstat(text, values);
  EXPECT_EQ(values.size(), 2u);
  EXPECT_EQ(values["pswpin"], 12u);
  EXPECT_EQ(values["pswpout"], ~uint64_t{0});
}

TEST(Vmstat, ReadsThisHost) {
  const auto reading = host::read_vmstat();
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_TRUE(reading->values.contains("pgfault"));
}

TEST(Cgroups, FindsTheMemoryHierarchy) {
  const std::string both =
      "30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
      "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "32 25 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
  EXPECT_EQ(host::Cgroups::find_mount(both), "/sys/fs/cgroup/memory");
  EXPECT_EQ(
      host::Cgroups::find_mount("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"),
      "/sys/fs/cgroup");
  EXPECT_EQ(host::Cgroups::find_mount("30 25 0:26 / /mnt/a\\040b\\134c rw - cgroup2 cgroup2 rw\n"),
            "/mnt/a b\\c");
  EXPECT_EQ(host::Cgroups::find_mount("30 25 0:26 / /cg rw - cgroup2 - rw\n"),
            "/cg");  // mount -t cgroup2 -
  EXPECT_EQ(host::Cgroups::find_mount("garbage\n1 2 - x\n"), "");
}

class CgroupTree : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-cgroups-XXXXXX";
    root_ = mkdtemp(name);
    std::filesystem::create_directories(root_ + "/a/b");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  uint64_t inode(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat((root_ + path).c_str(), &status), 0);
    return status.st_ino;
  }
  std::string root_;
};

TEST_F(CgroupTree, NamesADirectoryByItsInode) {
  host::Cgroups cgroups(root_);
  EXPECT_EQ(cgroups.path_of(inode("/a/b"), 1), "/a/b");
  EXPECT_EQ(cgroups.path_of(inode(""), 1), "/");
  EXPECT_EQ(cgroups.path_of(0, 1), std::nullopt);
}

TEST_F(CgroupTree, LooksAgainForANewOneButNotAllTheTime) {
  host::Cgroups cgroups(root_);
  ASSERT_EQ(cgroups.path_of(inode("/a"), 1), "/a");
  std::filesystem::create_directories(root_ + "/new");
  const uint64_t id = inode("/new");
  EXPECT_EQ(cgroups.path_of(id, 2), std::nullopt);
  EXPECT_EQ(cgroups.path_of(id, 2 + host::Cgroups::kRescanAfter_ns), "/new");
}

TEST_F(CgroupTree, KeepsTheNameOfOneThatIsGone) {
  host::Cgroups cgroups(root_);
  const uint64_t id = inode("/a/b");
  ASSERT_EQ(cgroups.path_of(id, 1), "/a/b");
  std::filesystem::remove_all(root_ + "/a/b");
  EXPECT_EQ(cgroups.path_of(id, 3 * host::Cgroups::kRescanAfter_ns), "/a/b");
}

TEST_F(CgroupTree, TellsTheIdsBelowAPathAndWhoStillLives) {
  host::Cgroups cgroups(root_);
  std::filesystem::create_directories(root_ + "/ab");
  const uint64_t a = inode("/a"), b = inode("/a/b");
  EXPECT_THAT(cgroups.at_or_below("/a", 1), testing::UnorderedElementsAre(a, b));
  EXPECT_THAT(cgroups.at_or_below("/a/", 1), testing::UnorderedElementsAre(a, b));
  EXPECT_EQ(cgroups.at_or_below("/", 1).size(), 4u);
  EXPECT_TRUE(cgroups.at_or_below("/nowhere", 1).empty());
  EXPECT_TRUE(cgroups.lives(b));
  std::filesystem::remove_all(root_ + "/a/b");
  EXPECT_TRUE(cgroups.lives(b));  // as far as it knows
  cgroups.refresh();
  EXPECT_FALSE(cgroups.lives(b));
  EXPECT_TRUE(cgroups.lives(a));
  EXPECT_EQ(cgroups.known_path(b), "/a/b");
  EXPECT_THAT(cgroups.at_or_below("/a", 2), testing::UnorderedElementsAre(a, b));
}

TEST(PageFrames, DividesFromItsBase) {
  const host::PageFrames frames(0xffffea0000000000, 64);
  EXPECT_EQ(frames.number_of(0xffffea0000000000 + 64 * 1234), 1234u);
  EXPECT_EQ(frames.number_of(0xffffea0000000001), std::nullopt);
  EXPECT_EQ(frames.number_of(0), std::nullopt);
}

// What an Output with these options writes for one lifecycle.
class Printing : public testing::Test {
 protected:
  class OneCgroup : public report::Names {
   public:
    std::optional<std::string_view> cgroup_path(uint64_t id) const override {
      if (id == 7) return "/shop/db";
      return std::nullopt;
    }
  };
  void SetUp() override { ASSERT_EQ(pipe(pipe_), 0); }
  void TearDown() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  bool prints(const options::Options& options, const Lifecycle& lifecycle) {
    pipeline::Output output(options.print, options, names_, pipe_[1]);
    output.on_lifecycle(lifecycle);
    output.flush();
    EXPECT_EQ(output.summary().total().lifecycles, 1u)
        << "the summary takes all, whatever the filter";
    write(pipe_[1], "|", 1);
    char first = 0;
    std::string text;
    while (read(pipe_[0], &first, 1) == 1 && first != '|') text += first;
    return !text.empty();
  }
  Lifecycle lifecycle() const {
    Lifecycle life;
    life.cgroup = 7;
    life.outcome = Outcome::kFreedDevice;
    life.mapping_count = 1;
    life.mappings[0].tgid = 42;
    return life;
  }
  OneCgroup names_;
  int pipe_[2] = {-1, -1};
};

TEST_F(Printing, FiltersByPid) {
  options::Options options;
  options.print = report::PrintFormat::kJsonl;
  options.pids = {42};
  EXPECT_TRUE(prints(options, lifecycle()));
  options.pids = {43};
  EXPECT_FALSE(prints(options, lifecycle()));
}

TEST_F(Printing, FiltersByCgroupAndBelow) {
  options::Options options;
  options.print = report::PrintFormat::kJsonl;
  for (const char* inside : {"/shop", "/shop/db", "/", "/shop/"}) {
    options.cgroup = inside;
    EXPECT_TRUE(prints(options, lifecycle())) << inside;
  }
  for (const char* outside : {"/sho", "/shop/db/x", "/other"}) {
    options.cgroup = outside;
    EXPECT_FALSE(prints(options, lifecycle())) << outside;
  }
}

TEST_F(Printing, FiltersByOutcome) {
  options::Options options;
  options.print = report::PrintFormat::kJsonl;
  options.outcomes = {Outcome::kFreedDevice};
  EXPECT_TRUE(prints(options, lifecycle()));
  options.outcomes = {Outcome::kAborted};
  EXPECT_FALSE(prints(options, lifecycle()));
}

TEST_F(Printing, NoPageUnlessAskedFor) {
  options::Options options;
  EXPECT_FALSE(prints(options, lifecycle()));
  options.print = report::PrintFormat::kText;
  EXPECT_TRUE(prints(options, lifecycle()));
}

TEST_F(Printing, AClosedPipeEndsThePrintingOnly) {
  signal(SIGPIPE, SIG_IGN);
  close(pipe_[0]);
  options::Options options;
  options.print = report::PrintFormat::kText;
  pipeline::Output output(options.print, options, names_, pipe_[1]);
  output.on_lifecycle(lifecycle());
  output.flush();
  EXPECT_TRUE(output.failed());
  output.on_lifecycle(lifecycle());
  EXPECT_EQ(output.summary().total().lifecycles, 2u);
  pipe_[0] = open("/dev/null", O_RDONLY);
}

}  // namespace
}  // namespace swaptrail::daemon
