#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/log.h"

namespace pop::test {

/// Keeps what was logged. `lines` must outlive the Log that owns the sink.
class RecordingSink final : public LogSink {
 public:
  using Lines = std::vector<std::pair<Severity, std::string>>;

  explicit RecordingSink(Lines& lines) : lines_{lines} {}
  void write(Severity severity, std::string_view line) override {
    lines_.emplace_back(severity, line);
  }

 private:
  Lines& lines_;
};

}  // namespace pop::test
