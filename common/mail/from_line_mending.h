#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// What makes a From_ line of a damaged one: bytes at its beginning that go, and what comes
/// instead.
struct FromLineMending {
  std::size_t removed = 0;
  std::string inserted;
};

/// For a line, without its line end, that was a From_ line before a crash or a careless program
/// damaged it: "rom ", "FFrom ", "from ", rubbish in front of it, no blank or no keyword, or a date
/// that is none. The date is then taken from `header`, what stands behind the line. nullopt if the
/// line is sound, is quoted, or looks like anything else.
[[nodiscard]] std::optional<FromLineMending> mended_from_line(std::string_view line,
                                                              std::string_view header);

/// What the beginning of some text looks like, if it is taken for a message's header.
struct HeaderLook {
  bool begins_with_field = false;
  std::size_t fields = 0;      // up to the first empty line or line that is no field
  bool has_trace = false;      // Received, Return-Path, Delivered-To, Date
  bool has_origin = false;     // From, To, Subject, Message-Id
  bool has_stored_id = false;  // X-UIDL, X-UID: no client and no sender writes them

  /// Nobody would take it for prose.
  [[nodiscard]] bool is_convincing() const { return begins_with_field && has_trace && has_origin; }
};
[[nodiscard]] HeaderLook look_at_header(std::string_view text);

/// A From_ line with its LF for a message that has lost it: the sender from Return-Path: or From:,
/// the time from Date: (1970 where there is none).
[[nodiscard]] std::string from_line_for(std::string_view header);

}  // namespace pop
