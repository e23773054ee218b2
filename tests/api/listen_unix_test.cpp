// The unix socket: who may open it, which server they get, and how it comes and goes.
#include "tests/api/listen_fixture.h"

namespace swaptrail::listen {
namespace {

constexpr uid_t kSomebody = 65534;

class ListenUnixTest : public ListenTest {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "sockets of a group and other users need root";
    ListenTest::SetUp();
    options_.socket_group = "games";  // of base-passwd: on every Debian
    readers_ = number_of("games");
    controllers_ = number_of("users");
    if (readers_ == 0 || controllers_ == 0) GTEST_SKIP() << "no groups 'games' and 'users'";
  }
  static gid_t number_of(const char* name) {
    const group* entry = getgrnam(name);
    return entry == nullptr ? 0 : entry->gr_gid;
  }
  struct stat socket_stat() const {
    struct stat found {};
    EXPECT_EQ(lstat(options_.socket_path.c_str(), &found), 0);
    return found;
  }
  // A socket at the path, on which somebody listens or nobody does any more.
  int foreign_socket(bool listening) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, options_.socket_path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (listening) {
      EXPECT_EQ(::listen(fd, 8), 0);
    }
    return fd;
  }

  gid_t readers_ = 0, controllers_ = 0;
};

TEST_F(ListenUnixTest, SocketIsOfItsGroupOnly) {
  const mode_t before = umask(0);  // the worst
  ASSERT_TRUE(start().ok());
  umask(before);
  const struct stat found = socket_stat();
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 07777, 0660u);
  EXPECT_EQ(found.st_uid, 0u);
  EXPECT_EQ(found.st_gid, readers_);
  EXPECT_THAT(server_->warnings(), testing::IsEmpty());
}

TEST_F(ListenUnixTest, WithoutTheGroupOnlyRoot) {
  options_.socket_group = "no-such-group-here";
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(socket_stat().st_mode & 07777, 0600u);
  ASSERT_EQ(server_->warnings().size(), 1u);
  EXPECT_THAT(server_->warnings()[0], testing::HasSubstr("groupadd --system no-such-group-here"));
  EXPECT_EQ(connect_as(options_.socket_path, kSomebody, {readers_}), -EACCES);
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenUnixTest, RootGetsEverything) {
  ASSERT_TRUE(start().ok());
  const auto to = channel();
  const grpc::Status status = get_status(to);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(trigger(to).ok());
  EXPECT_EQ(server_->counts().full.open, 1u);
}

TEST_F(ListenUnixTest, TheGroupReadsOnly) {
  options_.control_group = "users";
  ASSERT_TRUE(start().ok());
  const int fd = connect_as(options_.socket_path, kSomebody, {readers_});
  ASSERT_GE(fd, 0) << strerror(-fd);
  const auto to = channel_of(fd);
  EXPECT_TRUE(get_status(to).ok());
  EXPECT_EQ(trigger(to).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(control_.longest_reason, 0u);
  EXPECT_EQ(server_->counts().reading.open, 1u);
  EXPECT_EQ(server_->counts().full.open, 0u);
}

TEST_F(ListenUnixTest, TheControlGroupGetsEverything) {
  options_.control_group = "users";
  ASSERT_TRUE(start().ok());
  std::vector<gid_t> many;  // more groups than are asked for at first
  for (gid_t group = 100000; group < 100200; ++group) many.push_back(group);
  many.push_back(readers_);
  many.push_back(controllers_);
  for (const auto& groups : {std::vector<gid_t>{readers_, controllers_}, many}) {
    const int fd = connect_as(options_.socket_path, kSomebody, groups);
    ASSERT_GE(fd, 0) << strerror(-fd);
    const auto to = channel_of(fd);
    EXPECT_TRUE(get_status(to).ok());
    EXPECT_TRUE(trigger(to).ok());
  }
}

TEST_F(ListenUnixTest, WithoutControlGroupItsMembersRead) {
  ASSERT_TRUE(start().ok());
  const int fd = connect_as(options_.socket_path, kSomebody, {readers_, controllers_, 0});
  ASSERT_GE(fd, 0) << strerror(-fd);
  EXPECT_EQ(trigger(channel_of(fd)).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ListenUnixTest, OthersStayOutside) {
  options_.control_group = "users";
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(connect_as(options_.socket_path, kSomebody, {}), -EACCES);
  EXPECT_EQ(connect_as(options_.socket_path, kSomebody, {controllers_}), -EACCES);
  EXPECT_EQ(server_->counts().reading.accepted + server_->counts().full.accepted, 0u);
}

TEST_F(ListenUnixTest, BadControlGroups) {
  options_.control_group = "no-such-group-here";
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("groupadd"));
  options_.control_group = "nogroup";  // 65534
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("containers"));
  EXPECT_FALSE(std::filesystem::exists(options_.socket_path));
}

TEST_F(ListenUnixTest, StaleSocketIsReplaced) {
  close(foreign_socket(true));
  const ino_t stale = socket_stat().st_ino;
  ASSERT_TRUE(start().ok());
  EXPECT_NE(socket_stat().st_ino, stale);
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenUnixTest, LiveSocketIsKept) {
  const int live = foreign_socket(true);
  const ino_t inode = socket_stat().st_ino;
  EXPECT_THAT(start_error(absl::StatusCode::kAlreadyExists),
              testing::HasSubstr(options_.socket_path));
  EXPECT_EQ(socket_stat().st_ino, inode);
  close(live);
}

TEST_F(ListenUnixTest, ASecondDaemonLeavesTheFirst) {
  ASSERT_TRUE(start().ok());
  auto second = ApiServer::bind(options_);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenUnixTest, OtherThingsAtThePathAreKept) {
  const std::string precious = folder_ + "/precious";
  std::ofstream(precious) << "x";
  std::filesystem::create_symlink(precious, options_.socket_path);
  EXPECT_THAT(start_error(absl::StatusCode::kFailedPrecondition), testing::HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::is_symlink(options_.socket_path));
  std::filesystem::remove(options_.socket_path);
  std::filesystem::rename(precious, options_.socket_path);
  EXPECT_THAT(start_error(absl::StatusCode::kFailedPrecondition), testing::HasSubstr("remove it"));
  EXPECT_EQ(std::filesystem::file_size(options_.socket_path), 1u);
}

TEST_F(ListenUnixTest, FolderIsMadeAndChecked) {
  options_.socket_path = folder_ + "/new/api.sock";
  const mode_t before = umask(077);
  ASSERT_TRUE(start().ok());
  umask(before);
  struct stat found {};
  ASSERT_EQ(stat((folder_ + "/new").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0755u);
  server_.reset();

  chmod((folder_ + "/new").c_str(), 01777);
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("chmod go-w"));
  chmod((folder_ + "/new").c_str(), 0755);
  ASSERT_EQ(chown((folder_ + "/new").c_str(), kSomebody, 0), 0);
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("chown root"));

  std::filesystem::create_directory_symlink(folder_, folder_ + "/link");
  options_.socket_path = folder_ + "/link/api.sock";
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("symbolic"));
  options_.socket_path = folder_ + "/none/none/api.sock";
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("can't be made"));
}

TEST_F(ListenUnixTest, BadPaths) {
  for (const std::string& path : {folder_ + "/" + std::string(120, 'x'), std::string("api.sock"),
                                  std::string(), folder_ + "/"}) {
    options_.socket_path = path;
    EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("socket's"));
  }
  options_.socket_path = folder_ + "/" + std::string(64, 'x');
  EXPECT_TRUE(start().ok());
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenUnixTest, SocketGoesWithItsServer) {
  ASSERT_TRUE(start().ok());
  server_->shutdown(absl::Now());
  EXPECT_FALSE(std::filesystem::exists(options_.socket_path));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(ListenUnixTest, AnothersSocketStays) {
  ASSERT_TRUE(start().ok());
  std::filesystem::remove(options_.socket_path);
  const int other = foreign_socket(true);
  server_->shutdown(absl::Now());
  EXPECT_TRUE(std::filesystem::exists(options_.socket_path));
  close(other);
}

}  // namespace
}  // namespace swaptrail::listen
