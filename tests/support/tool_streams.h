#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "tool/terminal.h"

namespace pop::test {

/// Streams of a tool under test: files in memory.
class ToolStreams {
 public:
  explicit ToolStreams(std::string_view input = "") : in_{file()}, out_{file()}, err_{file()} {
    if (::write(in_.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
        ::lseek(in_.get(), 0, SEEK_SET) != 0) {
      throw std::runtime_error("cannot fill standard input");
    }
  }
  [[nodiscard]] Terminal::Streams streams() const {
    return {.in = in_.get(), .out = out_.get(), .err = err_.get()};
  }
  [[nodiscard]] std::string out() const { return content(out_); }
  [[nodiscard]] std::string err() const { return content(err_); }

 private:
  static Fd file() {
    Fd fd{::memfd_create("stream", MFD_CLOEXEC)};
    if (!fd.is_open()) throw std::runtime_error("memfd_create failed");
    return fd;
  }
  static std::string content(const Fd& fd) {
    std::string text(static_cast<std::size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
    if (::pread(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("cannot read a stream");
    }
    return text;
  }
  Fd in_, out_, err_;
};

}  // namespace pop::test
