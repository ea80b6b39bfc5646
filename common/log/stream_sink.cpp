#include "log/stream_sink.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

namespace pop {

namespace {

std::string stamp_of(std::chrono::system_clock::time_point when) {
  const auto since_epoch = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(since_epoch - seconds);
  const time_t whole = seconds.count();
  struct tm utc {};
  ::gmtime_r(&whole, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     rest.count());
}

void write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

StreamSink::StreamSink(int descriptor, const Clock& clock, LineFormat format)
    : descriptor_{descriptor}, clock_{clock}, format_{format} {}

void StreamSink::write(Severity severity, std::string_view line) {
  const std::string stamp = stamp_of(clock_.wall());
  if (format_ == LineFormat::json) {  // the line is an object: these become its first members
    line.remove_prefix(1);
    return write_whole(descriptor_,
                       fmt::format("{{\"time\":\"{}\",\"pid\":{},{}\n", stamp, ::getpid(), line));
  }
  write_whole(descriptor_,
              fmt::format("{} [{}] {}: {}\n", stamp, ::getpid(), name_of(severity), line));
}

}  // namespace pop
