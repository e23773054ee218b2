#include "tests/online/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace swaptrail::online {
namespace {

constexpr int kPatience_ms = 20'000;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void close_once(int& file) {
  if (file >= 0) ::close(file);
  file = -1;
}

}  // namespace

std::vector<std::string> environment_of(const Program::Environment& more) {
  Program::Environment all = {{"TZ", "UTC"}, {"TERM", "xterm"}};
  for (const char* name : {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) all[name] = value;
  for (const auto& [name, value] : more) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

Program::Program(const std::vector<std::string>& arguments, const Environment& more) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  std::vector<std::string> argv{"swaptrail"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = environment_of(more);
  if (posix_spawn(&pid_, SWAPTRAIL_PROGRAM, &actions, nullptr, pointers(argv).data(),
                  pointers(environment).data()) != 0)
    std::abort();
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Program::~Program() {
  if (pid_ > 0) {
    send(SIGKILL);
    wait();
  }
}

bool Program::read_some() {
  pollfd files[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (::poll(files, 2, kPatience_ms) <= 0) return false;
  struct {
    int& file;
    std::string& text;
  } const both[] = {{out_, ended_.out}, {err_, ended_.err}};
  for (int index = 0; index < 2; ++index) {
    if (files[index].revents == 0) continue;
    char bytes[4096];
    const ssize_t count = ::read(both[index].file, bytes, sizeof bytes);
    if (count <= 0)
      close_once(both[index].file);
    else
      both[index].text.append(bytes, static_cast<size_t>(count));
  }
  return true;
}

bool Program::wait_for_output(const std::string& text) {
  size_t seen = 0;  // before it there is none
  while (ended_.out.find(text, seen) == std::string::npos) {
    seen = ended_.out.size() - std::min(ended_.out.size(), text.size());
    if (out_ < 0 || !read_some()) return false;
  }
  return true;
}

void Program::send(int signal) const { ::kill(pid_, signal); }

void Program::close_output() { close_once(out_); }

Ended Program::wait() {
  while (out_ >= 0 || err_ >= 0)
    if (!read_some()) {
      send(SIGKILL);
      break;
    }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  close_once(out_);
  close_once(err_);
  ended_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended_;
}

Ended run(const std::vector<std::string>& arguments, const Program::Environment& more) {
  return Program(arguments, more).wait();
}

}  // namespace swaptrail::online
