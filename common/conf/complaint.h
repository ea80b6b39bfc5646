#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace pop {

/// Where a setting was written. `source` is a file as it was named, or "command line"; line and
/// column count from 1 and 0 means that there is none. Columns are bytes, characters in TOML.
struct Place {
  std::string source;
  std::size_t line = 0;
  std::size_t column = 0;
  bool operator==(const Place&) const = default;
};

/// "FILE:LINE:COLUMN", without the parts that are 0.
[[nodiscard]] std::string to_string(const Place& place);

/// What kind of mistake it is: no sentence of the grammar, a name that there is not, a value that
/// the option does not take, a place where the option may not stand, a file that cannot be read.
enum class ComplaintKind : std::uint8_t { syntax, unknown_name, value, scope, file };

/// One thing that is wrong with a configuration. `what` is one line without a final period, with
/// foreign bytes escaped and, where a slip is likely, "; did you mean ..." and, in a file that
/// another names, "(named at FILE:LINE:COLUMN)" at its end.
struct Complaint {
  Place place;
  std::string what;
  ComplaintKind kind = ComplaintKind::syntax;
  bool operator==(const Complaint&) const = default;
};

/// "FILE:LINE:COLUMN: what".
[[nodiscard]] std::string to_string(const Complaint& complaint);

/// Reading a text stops after so many complaints, the last of which says so.
inline constexpr std::size_t most_complaints = 100;

/// A whole configuration is read before anybody complains, so a refusal has one complaint or more.
using Complaints = std::vector<Complaint>;
template <class T>
using Checked = std::expected<T, Complaints>;

}  // namespace pop
