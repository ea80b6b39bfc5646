#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/pattern.h"

namespace pop {

/// Who gets a bulletin and when, as far as its header says: fields whose names begin with
/// "Popper-Bulletin-", which nobody receives. Each may come more than once.
///   Start:    not before this time
///   End:      not after it; a date without a time counts to its last second
///   Users:    names of users, separated by commas or blanks; * and ? stand for any characters
///   Pattern:  a POSIX extended regular expression that matches all of a user's name
/// Without Users and Pattern everybody gets it, with them whom any of them names.
struct BulletinTerms {
  std::optional<std::int64_t> start, end;  // seconds since 1970
  std::vector<std::string> users;
  std::vector<Pattern> patterns;

  [[nodiscard]] bool are_for(const std::string& user) const;
};

inline constexpr std::string_view bulletin_field_prefix = "Popper-Bulletin-";

/// What a time without a time of day stands for.
enum class WholeDay : std::uint8_t { begins, ends };

/// "2026-12-24", "2026-12-24 18:00" or "2026-12-24 18:00:30", with a 'T' for the blank if you like,
/// and behind a time of day "Z" or "+0100"; without these in the time zone of this machine. nullopt
/// for anything else, days included that no calendar has.
[[nodiscard]] std::optional<std::int64_t> bulletin_time(std::string_view text, WholeDay day);

/// Takes one field up; `name` is all of it, `value` unfolded and trimmed. What is wrong with it.
[[nodiscard]] Judged<void> add_term(BulletinTerms& terms, std::string_view name,
                                    std::string_view value);

}  // namespace pop
