// Runs the program `swaptrail`: to its end, or step by step.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace swaptrail::online {

struct Ended {
  int code = -1;  // 128 + N: killed by signal N
  std::string out;
  std::string err;
};

// stdin is /dev/null. Of the environment only PATH and the variables of sanitizers are passed on;
// TZ is UTC.
class Program {
 public:
  using Environment = std::map<std::string, std::string>;

  explicit Program(const std::vector<std::string>& arguments, const Environment& more = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Reads until stdout has `text`. False: it ended, or took 20 s.
  bool wait_for_output(const std::string& text);
  void send(int signal) const;
  void close_output();
  Ended wait();

 private:
  bool read_some();

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  Ended ended_;
};

// To its end.
Ended run(const std::vector<std::string>& arguments, const Program::Environment& more = {});

// The environment as above, as "NAME=value".
std::vector<std::string> environment_of(const Program::Environment& more);

}  // namespace swaptrail::online
