#include "cli/online/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

namespace swaptrail::online {
namespace {

// Switches to the other screen and hides the cursor; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr int kFaults[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr size_t kUsualWidth = 80, kUsualHeight = 24;

// For the signal handler, which may need it at any moment.
termios g_before;
volatile sig_atomic_t g_taken = 0;

// Uses only what POSIX allows in a signal handler.
void give_back() {
  if (g_taken == 0) return;
  g_taken = 0;
  // An error could not be handled anyway.
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, kLeave.data(), kLeave.size());
  tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
}

void on_fault(int signal) {
  give_back();
  raise(signal);  // SA_RESETHAND: kills
}

winsize size_now() {
  winsize size{};
  ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
  return size;
}

}  // namespace

bool Terminal::there_is_one() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

Terminal::Terminal() {
  tcgetattr(STDIN_FILENO, &g_before);
  struct sigaction action {};
  action.sa_handler = on_fault;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : kFaults) sigaction(signal, &action, nullptr);
  enter();
}

Terminal::~Terminal() {
  leave();
  for (const int fault : kFaults) signal(fault, SIG_DFL);
}

size_t Terminal::width() const {
  const winsize size = size_now();
  return size.ws_col == 0 ? kUsualWidth : size.ws_col;
}

size_t Terminal::height() const {
  const winsize size = size_now();
  return size.ws_row == 0 ? kUsualHeight : size.ws_row;
}

void Terminal::stop() {
  leave();
  raise(SIGSTOP);
  enter();
}

void Terminal::enter() {
  termios raw = g_before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  g_taken = 1;
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, kEnter.data(), kEnter.size());
}

void Terminal::leave() { give_back(); }

}  // namespace swaptrail::online
