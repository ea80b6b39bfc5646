#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "pop3/command.h"

namespace pop {

/// Cuts a client's bytes into lines (LF or CRLF), however they arrive. Holds at most one unfinished
/// line and what was fed and not yet taken; a line beyond the limit is thrown away while it arrives
/// and reported once, as soon as it is known to be too long. Memory that held a line is overwritten
/// before it is given back: a password may have been in it.
class LineReader {
 public:
  struct Line {
    std::string text;  // without line end; empty if too_long; overwritten when the Line goes
    bool too_long = false;

    Line() = default;
    Line(const Line&) = default;
    Line(Line&&) = default;
    Line& operator=(const Line&) = default;
    Line& operator=(Line&&) = default;
    ~Line();
  };

  LineReader() = default;
  LineReader(LineReader&&) = default;
  LineReader& operator=(LineReader&&) = default;
  ~LineReader();

  void feed(std::string_view bytes);
  /// `longest` is the limit for this line, its end included. nullopt: feed more.
  [[nodiscard]] std::optional<Line> next(std::size_t longest = longest_command_line);
  /// Everything fed and not yet taken as lines, for handing a connection over; empties the reader.
  /// Call it right after next() gave a whole line: what is skipped of a too long one is not in it.
  [[nodiscard]] std::string take_rest();
  /// The same, and the reader keeps it.
  [[nodiscard]] std::string rest() const { return std::string{untaken()}; }
  /// Drops everything (after STLS nothing read before counts).
  void clear();
  /// Overwrites the memory that held lines already taken; what was not taken stays.
  void wipe();

 private:
  [[nodiscard]] std::string_view untaken() const;
  void make_room(std::size_t more);
  void skip_to_line_end();
  Line take_line(std::size_t line_end);

  std::string pending_;       // what was wiped leaves nothing beyond its size
  std::size_t taken_ = 0;     // pending_ before this was returned
  std::size_t searched_ = 0;  // no LF between taken_ and this
  bool skipping_ = false;
};

}  // namespace pop
