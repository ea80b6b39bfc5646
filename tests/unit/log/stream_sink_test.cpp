#include "log/stream_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "base/fd.h"
#include "support/catch.h"

using namespace pop;

namespace {

class FixedClock final : public Clock {
 public:
  explicit FixedClock(std::chrono::milliseconds since_epoch) : now_{since_epoch} {}
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point{now_};
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return {}; }
  void sleep(std::chrono::milliseconds) override {}

 private:
  std::chrono::milliseconds now_;
};

struct Pipe {
  Fd reader, writer;

  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    reader = Fd{ends[0]};
    writer = Fd{ends[1]};
  }
  [[nodiscard]] std::string content() const {
    char buffer[8192];
    const ssize_t size = ::read(reader.get(), buffer, sizeof buffer);
    return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string{};
  }
};

}  // namespace

TEST_CASE("StreamSink writes time, process, severity and line", "[log][stream]") {
  const Pipe pipe;
  const std::string pid = "[" + std::to_string(::getpid()) + "] ";
  StreamSink{pipe.writer.get(), FixedClock{std::chrono::milliseconds{1'769'860'800'007}}}.write(
      Severity::warning, "login user=jo");
  CHECK(pipe.content() == "2026-01-31T12:00:00.007Z " + pid + "warning: login user=jo\n");
  StreamSink{pipe.writer.get(), FixedClock{std::chrono::milliseconds{-1}}}.write(Severity::debug,
                                                                                 "");
  CHECK(pipe.content() == "1969-12-31T23:59:59.999Z " + pid + "debug: \n");
}

TEST_CASE("StreamSink adds time and process to an object", "[log][stream]") {
  const Pipe pipe;
  StreamSink{pipe.writer.get(), FixedClock{std::chrono::milliseconds{7}}, LineFormat::json}.write(
      Severity::info, R"({"event":"login"})");
  CHECK(pipe.content() == "{\"time\":\"1970-01-01T00:00:00.007Z\",\"pid\":" +
                              std::to_string(::getpid()) + ",\"event\":\"login\"}\n");
}

TEST_CASE("StreamSink writes as it can and gives up without harm", "[log][stream]") {
  const FixedClock clock{std::chrono::milliseconds{0}};
  const Pipe pipe;
  StreamSink sink{pipe.writer.get(), clock};
  const std::string line(1000, 'x');
  for (int i = 0; i < 200; ++i) sink.write(Severity::info, line);  // more than a pipe holds
  CHECK(pipe.content().starts_with("1970-01-01T00:00:00.000Z ["));
  StreamSink closed{-1, clock};
  closed.write(Severity::info, line);
}

TEST_CASE("every severity has its own name", "[log][stream]") {
  CHECK(name_of(Severity::debug) == "debug");
  CHECK(name_of(Severity::info) == "info");
  CHECK(name_of(Severity::notice) == "notice");
  CHECK(name_of(Severity::warning) == "warning");
  CHECK(name_of(Severity::error) == "error");
  CHECK(name_of(Severity::critical) == "critical");
}
