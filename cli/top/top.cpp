#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/ending.h"
#include "cli/online/filter.h"
#include "cli/online/quantities.h"
#include "cli/online/terminal.h"
#include "cli/top/top_screen.h"

namespace swaptrail::top {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};

struct TopOptions : online::ClientCall {
  online::FilterOptions filter;
  TopState state;
  std::string interval = "2s";
  uint64_t batch = 0;
};

// Signals as bytes read from a file, for this thread and those that it starts.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kSignals) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    file_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() { ::close(file_); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int file() const { return file_; }
  // 0: no more.
  int next() {
    signalfd_siginfo info;
    return ::read(file_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  int file_;
};

// One request at a time, sent without waiting for the answer.
class Question {
 public:
  explicit Question(online::Connection& connection)
      : connection_(connection), done_(eventfd(0, EFD_CLOEXEC)) {}
  ~Question() {
    if (asked()) {
      context_->TryCancel();
      answer().IgnoreError();
    }
    ::close(done_);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  bool asked() const { return context_ != nullptr; }
  int file() const { return done_; }  // readable when answered

  void ask(v1::GetCountersRequest request) {
    request_ = std::move(request);
    response_.Clear();
    context_ = std::make_unique<grpc::ClientContext>();
    connection_.limit(*context_);
    connection_.trace().async()->GetCounters(context_.get(), &request_, &response_,
                                             [this](const grpc::Status& status) {
                                               status_ = status;
                                               eventfd_write(done_, 1);
                                             });
  }

  // Waits for the answer.
  absl::Status answer() {
    eventfd_t count = 0;
    eventfd_read(done_, &count);
    context_.reset();
    return online::status_of(status_);
  }
  const v1::GetCountersResponse& response() const { return response_; }

 private:
  online::Connection& connection_;
  const int done_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::GetCountersRequest request_;
  v1::GetCountersResponse response_;
  grpc::Status status_;
};

// At a terminal, until q or a signal.
class Screen {
 public:
  Screen(online::Connection& connection, const TopState& state, TopRounds rounds, Signals& signals)
      : question_(connection), rounds_(std::move(rounds)), signals_(signals), state_(state) {}

  // The exit code.
  int run() {
    {
      online::Terminal terminal;
      terminal_ = &terminal;
      while (!state_.quit && output_.open()) turn();
      terminal_ = nullptr;
    }
    if (!first_error_.ok()) return online::complain_of_answer(first_error_);
    std::fprintf(stderr, "swaptrail: %llu rounds, %s out, %s back\n",
                 static_cast<unsigned long long>(answers_), online::pages_text(out_pages_).c_str(),
                 online::pages_text(in_pages_).c_str());
    return output_.exit_code(cli::kDone);
  }

 private:
  void turn() {
    if (!question_.asked() && !state_.paused && absl::Now() >= next_) {
      question_.ask(rounds_.request());
      next_ = absl::Now() + state_.interval;
    }
    draw();
    pollfd files[] = {
        {STDIN_FILENO, POLLIN, 0}, {signals_.file(), POLLIN, 0}, {question_.file(), POLLIN, 0}};
    const int64_t left = absl::ToInt64Milliseconds(next_ - absl::Now()) + 1;
    const bool timed = !question_.asked() && !state_.paused;
    ::poll(files, 3, timed ? static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)) : -1);
    if (files[1].revents != 0) on_signals();
    if (files[2].revents != 0) on_answer();
    if (files[0].revents != 0) on_keys();
  }

  size_t visible() const {
    const size_t height = terminal_->height();
    return height > kTopHeadLines ? height - kTopHeadLines : 1;
  }

  void draw() {
    if (rounds_.window()) {
      view_.rows = top_rows(*rounds_.window(), state_.sort);
      view_.estimated = rounds_.window()->estimated();
      view_.length = rounds_.window_length();
    } else {
      view_.rows.clear();
      view_.length = absl::ZeroDuration();
    }
    const size_t last = view_.rows.size() > visible() ? view_.rows.size() - visible() : 0;
    state_.first_row = std::min(state_.first_row, last);
    output_.write(top_screen(view_, state_, style_, terminal_->width(), terminal_->height()));
  }

  void on_signals() {
    for (int signal = signals_.next(); signal != 0; signal = signals_.next()) {
      if (signal == SIGTSTP)
        terminal_->stop();
      else if (signal != SIGWINCH)
        state_.quit = true;
    }
  }

  void on_answer() {
    const absl::Status status = question_.answer();
    if (!status.ok()) return on_error(status);
    view_.trouble.clear();
    ++answers_;
    if (asked_group_ != state_.pivot) {  // asked before the pivot changed
      asked_group_ = state_.pivot;
      next_ = absl::InfinitePast();
      return;
    }
    rounds_.on_answer(question_.response());
    if (!rounds_.window()) return;
    for (const TopRow& row : top_rows(*rounds_.window(), SortBy::kRate)) {
      out_pages_ += row.freed_pages;
      in_pages_ += row.returned_pages;
    }
  }

  // Before the first answer there is nothing to show; after that swaptraild may come back.
  void on_error(const absl::Status& status) {
    view_.trouble = std::string(status.message());
    if (answers_ != 0) return;
    first_error_ = status;
    state_.quit = true;
  }

  void on_keys() {
    char bytes[64];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    // The terminal is gone if it is readable and has nothing.
    if (count <= 0) {
      state_.quit = true;
      return;
    }
    for (const Key key : keys_.read({bytes, static_cast<size_t>(count)})) {
      if (!press(key, view_.rows.size(), visible(), state_)) continue;
      while (!unanswerable(rounds_.filter(), state_.pivot).empty()) next_pivot(state_);
      rounds_.set_group(group_of(state_.pivot));
      if (!question_.asked()) asked_group_ = state_.pivot;
      next_ = absl::InfinitePast();
    }
  }

  Question question_;
  TopRounds rounds_;
  Signals& signals_;
  TopState state_;
  Pivot asked_group_ = state_.pivot;
  TopView view_;
  KeyReader keys_;
  cli::StandardOutput output_;
  const online::Style style_{online::wants_colour()};
  online::Terminal* terminal_ = nullptr;
  absl::Time next_ = absl::InfinitePast();
  absl::Status first_error_;
  uint64_t answers_ = 0;
  uint64_t out_pages_ = 0;
  uint64_t in_pages_ = 0;
};

void write_round(const TopOptions& options, const TopRounds& rounds, bool first,
                 cli::StandardOutput& output) {
  if (options.format == online::Format::kJsonl)
    return output.write(online::json_line(*rounds.window()));
  if (options.format == online::Format::kJson) {
    output.write(first ? "[\n" : ",\n");
    return output.write(online::json_document(*rounds.window()));
  }
  const TopView view{top_rows(*rounds.window(), options.state.sort), rounds.window_length(), "",
                     rounds.window()->estimated()};
  output.write((first ? "" : "\n") + top_table(view, options.state, {online::wants_colour()}));
}

// Sleeps, but SIGINT and SIGTERM end it. False: one of them came.
bool sleep_through(Signals& signals, absl::Duration duration) {
  const absl::Time until = absl::Now() + duration;
  for (absl::Time now = absl::Now(); now < until; now = absl::Now()) {
    pollfd file = {signals.file(), POLLIN, 0};
    const int64_t left = absl::ToInt64Milliseconds(until - now) + 1;
    ::poll(&file, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)));
    for (int signal = signals.next(); signal != 0; signal = signals.next()) {
      if (signal == SIGTSTP) raise(SIGSTOP);
      if (signal != SIGTSTP && signal != SIGWINCH) return false;
    }
  }
  return true;
}

int batch(const TopOptions& options, online::Connection& connection, TopRounds rounds,
          Signals& signals) {
  cli::StandardOutput output;
  uint64_t printed = 0, out_pages = 0;
  while (printed < options.batch && output.open()) {
    const auto answer = online::ask(connection, connection.trace(),
                                    &v1::TraceService::Stub::GetCounters, rounds.request());
    if (!answer.ok()) return online::complain_of_answer(answer.status());
    rounds.on_answer(*answer);
    if (rounds.window()) {
      write_round(options, rounds, printed++ == 0, output);
      for (const TopRow& row : top_rows(*rounds.window(), SortBy::kRate))
        out_pages += row.freed_pages;
    }
    if (printed == options.batch) continue;
    if (!sleep_through(signals, options.state.interval)) break;
  }
  if (options.format == online::Format::kJson) output.write(printed == 0 ? "[]\n" : "]\n");
  if (output.open())
    std::fprintf(stderr, "swaptrail: %llu rounds, %s out\n",
                 static_cast<unsigned long long>(printed), online::pages_text(out_pages).c_str());
  return output.exit_code(cli::kDone);
}

int top(TopOptions options) {
  const auto interval = online::parse_duration(options.interval);
  const auto filter = online::filter_of(options.filter, absl::Now());
  for (const absl::Status& status : {interval.status(), filter.status()})
    if (!status.ok()) return online::complain_of_answer(status);
  if (const std::string_view option = unanswerable(*filter, options.state.pivot); !option.empty())
    return cli::complain(
        cli::kUnusable,
        absl::StrCat("counts by ", std::string(pivot_name(options.state.pivot)), " do not know ",
                     std::string(option)),
        "see top --help for what each --by takes, or ask swaptrail stats or trace");
  if (options.batch == 0 && !online::Terminal::there_is_one())
    return cli::complain(cli::kUnusable, "top needs a terminal",
                         "give --batch=N for N plain rounds");
  if (options.batch == 0 && options.format != online::Format::kTable)
    return cli::complain(cli::kUnusable, "a screen is no JSON",
                         "give --batch=N with -o json or jsonl");
  options.state.interval = *interval;
  Signals signals;
  auto connection = online::Connection::open(options.connection);
  if (!connection.ok()) return online::complain_of_answer(connection.status());
  TopRounds rounds(group_of(options.state.pivot), *filter);
  if (options.batch != 0) return batch(options, **connection, std::move(rounds), signals);
  return Screen(**connection, options.state, std::move(rounds), signals).run();
}

}  // namespace

void add_top(CLI::App& app, int& code) {
  auto [command, options] = online::add_online_command<TopOptions>(
      app, "top", "who swaps now, refreshed", online::Finds::kNothing,
      "\nKeys: p the next pivot; r, w, g sort by rate, wait or regret; + and - change the "
      "interval; space pauses; arrows, j and k scroll; q quits.\n"
      "Counts are exact, however much there is to swap: they are not of the store. Filters: by process "
      "--pid, --comm and --cgroup; by cgroup --cgroup; by device --area; by origin --origin; by reclaimer "
      "--pid and --comm. (other) is all that found no room in swaptraild's table. WAIT is how long the "
      "process or cgroup of a row waited in faults together, whosever pages they were; else how long "
      "pages of that device, origin or reclaimer were waited for. With -o json each round is an answer of "
      "GetCounters whose counts are those of the round.\n"
      "Examples:\n"
      "  swaptrail top\n"
      "  swaptrail top --by=cgroup --sort=wait\n"
      "  swaptrail top --batch=3 --interval=1s -o jsonl");
  std::map<std::string, Pivot> pivots;
  for (size_t index = 0; index < static_cast<size_t>(Pivot::kCount); ++index)
    pivots.emplace(pivot_name(static_cast<Pivot>(index)), static_cast<Pivot>(index));
  command->add_option("--by", options->state.pivot, "what the rows are [process]")
      ->transform(CLI::CheckedTransformer(pivots).description(""))
      ->type_name("TEXT:{process,cgroup,device,origin,reclaimer}");
  std::map<std::string, SortBy> sorts;
  for (const SortBy sort : {SortBy::kRate, SortBy::kWait, SortBy::kRegret})
    sorts.emplace(sort_name(sort), sort);
  command->add_option("--sort", options->state.sort, "which come first [rate]")
      ->transform(CLI::CheckedTransformer(sorts).description(""))
      ->type_name("TEXT:{rate,wait,regret}");
  command->add_option("--interval", options->interval, "between two rounds [2s]")
      ->type_name("DURATION");
  command->add_option("-b,--batch", options->batch, "print so many plain rounds, and end")
      ->check(CLI::PositiveNumber.description(""));
  online::add_lifecycle_filter(*command, options->filter);
  online::set_run(*command, options, code, top);
}

}  // namespace swaptrail::top
