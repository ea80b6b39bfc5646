#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace pop::test {

/// A forked copy of the test that runs one function; its result is the exit status, 99 after an
/// exception. Killed when it is still running at the end. Catch assertions do not work in it.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<int()>& body) : pid_{::fork()} {
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ > 0) return;
    int status = 99;
    try {
      status = body();
    } catch (...) {  // _exit below, whatever it was: nothing of the test may run twice
    }
    ::_exit(status);
  }
  ChildProcess(ChildProcess&& other) noexcept : pid_{std::exchange(other.pid_, -1)} {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() {
    if (pid_ > 0) kill();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// The exit status, or 128 and the signal.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    (void)wait();
  }

 private:
  pid_t pid_;
};

/// One byte through a pipe: a child tells that it has got somewhere.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) throw std::runtime_error("pipe failed");
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() {
    if (::write(ends_[1], "x", 1) != 1) throw std::runtime_error("signal failed");
  }
  void await() {
    char byte = 0;
    while (::read(ends_[0], &byte, 1) < 0 && errno == EINTR) {
    }
  }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace pop::test
