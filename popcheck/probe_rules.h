#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck/probe_report.h"

namespace pop {

// What POP3 asks of the lines that a server sends. No I/O; lines have no line ends.

/// Capabilities by their names in capitals, with their parameters.
struct Capabilities {
  std::map<std::string, std::vector<std::string>, std::less<>> by_name;

  [[nodiscard]] bool has(std::string_view name) const { return by_name.contains(name); }
  [[nodiscard]] std::vector<std::string> parameters(std::string_view name) const;
};
[[nodiscard]] Capabilities capabilities_of(std::span<const std::string> lines);
[[nodiscard]] Fault capabilities_fault(std::span<const std::string> lines);
/// Names with blanks between.
[[nodiscard]] std::string names_of(const Capabilities& capabilities);

/// "<...>" of a greeting, if it has one.
[[nodiscard]] std::optional<std::string> banner_stamp_of(std::string_view greeting);
[[nodiscard]] Fault banner_stamp_fault(std::string_view stamp);

/// "IN-USE" of "-ERR [IN-USE] ..."; nothing where there is no bracket behind -ERR.
[[nodiscard]] std::optional<std::string> response_code_of(std::string_view line);
/// A code that nobody announced, or that RFC 2449 section 8 does not allow.
[[nodiscard]] Fault response_code_fault(std::string_view line, const Capabilities& capabilities);

struct MaildropCount {
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;
  bool operator==(const MaildropCount&) const = default;
};
/// Of "+OK 3 120 ...".
[[nodiscard]] std::optional<MaildropCount> count_of(std::string_view stat_line);

/// Sizes or unique-ids by message number. What comes behind the first fault is taken, too, as far
/// as it can be understood.
using Sizes = std::map<std::uint64_t, std::uint64_t>;
using Ids = std::map<std::uint64_t, std::string>;

[[nodiscard]] Fault take_sizes(std::span<const std::string> lines, Sizes& sizes);
[[nodiscard]] Fault take_ids(std::span<const std::string> lines, Ids& ids);
[[nodiscard]] Fault count_fault(const MaildropCount& counted, const Sizes& sizes);
[[nodiscard]] Fault unique_fault(const Ids& ids);
/// A message may come or go between two sessions; an id must not pass to another message, nor may a
/// message get another id.
[[nodiscard]] Fault stable_fault(const Ids& before, const Ids& now);
/// "+OK 3 120" and "+OK 3 id" against what the listing says.
[[nodiscard]] Fault single_fault(std::string_view line, std::uint64_t number,
                                 std::string_view listed);

/// Lines as they came, dots doubled.
[[nodiscard]] Fault stuffing_fault(std::span<const std::string> lines);
/// Of a message of which RETR gave `whole` and TOP n gave `top`, both without stuffing.
[[nodiscard]] Fault top_fault(std::span<const std::string> whole, std::span<const std::string> top,
                              std::size_t body_lines);

/// What is left of a message that came back must be what was sent: the header's fields in their
/// order among others, the body line for line. Empty lines at the end may come or go.
[[nodiscard]] Fault delivered_fault(std::span<const std::string> sent,
                                    std::span<const std::string> got);

}  // namespace pop
