#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// A line of a log, taken apart; the parts lie in the line or in the reader that gave them.
struct LogLine {
  std::int64_t time = 0;     // seconds since 1970
  std::string_view program;  // as syslog's tag has it, without the process id
  std::string_view message;
};

/// Takes the heads off log lines: of RFC 3164 and 5424, with or without a priority in front, with
/// the time stamps of RFC 3164 or 3339; of journalctl's JSON; of Dovecot's own files; and of what
/// popper writes to a tracefile or to standard error, as text or JSON. No I/O, but for the files of
/// the time zone.
class LogHeads {
 public:
  /// Stamps without a year belong to the last such day that is no later than a day after `latest`,
  /// in seconds since 1970. Those without a zone are local time.
  explicit LogHeads(std::int64_t latest) : latest_{latest} {}

  /// The result is good until the next call. nullopt for what is no log line.
  [[nodiscard]] std::optional<LogLine> read(std::string_view line);

 private:
  struct Civil {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  };
  [[nodiscard]] std::optional<LogLine> read_classic(std::string_view line);
  [[nodiscard]] std::optional<LogLine> read_iso(std::string_view line);
  [[nodiscard]] std::optional<LogLine> read_structured(std::string_view line);
  [[nodiscard]] std::optional<LogLine> read_json(std::string_view line);
  [[nodiscard]] std::optional<std::int64_t> take_iso_stamp(std::string_view& line);
  [[nodiscard]] int year_of(int month, int day);
  [[nodiscard]] std::int64_t local_seconds(const Civil& civil);

  std::int64_t latest_;
  Civil hour_{};  // of which the local time is known
  std::int64_t hour_begins_ = 0;
  int known_month_ = 0, known_day_ = 0, known_year_ = 0;
  std::string program_, message_;  // what JSON wrote otherwise
};

}  // namespace pop
