#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/complaint.h"
#include "conf/option_value.h"

namespace pop {

/// A set of marks that mail programs keep on messages.
struct MailFlags {
  /// seen: retrieved. old: was there in an earlier session. passed: forwarded. Not every form of a
  /// maildrop has all of them.
  enum Flag : std::uint8_t {
    seen = 1,
    old = 2,
    answered = 4,
    flagged = 8,
    deleted = 16,
    draft = 32,
    passed = 64,
  };
  std::uint8_t bits = 0;

  [[nodiscard]] bool operator==(const MailFlags&) const = default;
};

/// Which messages of a maildrop have had their time. What is not set makes no condition. Without a
/// limit all that fulfil the conditions go; with one, the oldest of them until the whole maildrop
/// keeps to it.
struct ExpiryRule {
  std::optional<std::chrono::seconds> older_than;     // since its delivery
  std::optional<std::chrono::seconds> retrieved_for;  // since a run first saw it retrieved
  std::optional<bool> retrieved;
  std::optional<MailFlags> with, without;    // has all of these; has none of these
  std::optional<std::uint64_t> larger_than;  // octets, as LIST counts them
  std::vector<std::string> headers;          // each "Name: EXPRESSION"; each must fit a field
  std::optional<std::uint64_t> max_messages, max_octets;  // limits

  [[nodiscard]] bool has_condition() const;
  /// It lets mail go by time alone, so that users can be told before.
  [[nodiscard]] bool can_warn() const { return (older_than || retrieved_for) && !has_limit(); }
  [[nodiscard]] bool has_limit() const { return max_messages || max_octets; }
};

/// The rules of some users. Both lists empty: of everybody.
struct ExpiryPart {
  std::vector<std::string> users;   // as glob(7) writes them
  std::vector<std::string> groups;  // of the system
  std::vector<ExpiryRule> rules;    // none: nothing goes
  std::chrono::days warn{0};        // how long before mail goes its user is told; 0: not at all
  std::string warning;              // file with what he is told; empty: in English
};

/// For each user the first part that fits counts, and no other.
struct ExpiryPolicy {
  std::vector<ExpiryPart> parts;
};

/// Reads a policy file; its format is told in popper-formats(5). All complaints are returned,
/// unless a syntax error hides the rest. `name` is what they call the text. Pure.
[[nodiscard]] Checked<ExpiryPolicy> parse_expiry_policy(std::string_view text,
                                                        const std::string& name);

/// "45s", "30m", "12h", "90d", "6w": a number and a unit, up to a hundred years.
[[nodiscard]] Judged<std::chrono::seconds> parse_age(std::string_view text);
/// Days of notice: up to a year.
[[nodiscard]] Judged<std::chrono::days> parse_notice(std::string_view text);
/// "1000", "64k", "10M", "2G": octets; units are powers of 1024.
[[nodiscard]] Judged<std::uint64_t> parse_octets(std::string_view text);
/// Names of MailFlags with commas between.
[[nodiscard]] Judged<MailFlags> parse_mail_flags(std::string_view text);
/// A "Name: EXPRESSION"; the expression is not looked at.
[[nodiscard]] Judged<std::string> parse_header_condition(std::string_view text);

}  // namespace pop
