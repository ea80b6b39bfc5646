#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "mail/unique_id.h"

namespace pop {

// Unique-ids as other POP3 servers make them, from what lies in the maildrop. A header is the
// stored one, with or without the empty line that ends it; line ends are LF or CRLF.

/// MD5 as 32 hex digits.
[[nodiscard]] std::string md5_in_hex(std::string_view text);

/// popa3d 1.0: 16 hex digits.
[[nodiscard]] std::string popa3d_id(std::string_view header);

/// Dovecot's %{md5} of an mbox message: 32 hex digits.
[[nodiscard]] std::string dovecot_header_md5(std::string_view header);

/// What Courier makes of a file's base name that has no number.
[[nodiscard]] std::string courier_escaped(std::string_view base);

/// The id that `recipe` gives to a message; `separator` as of UniqueIdMaker.
[[nodiscard]] std::string recipe_id(UniqueIdRecipe recipe, std::string_view separator,
                                    std::string_view header);

/// The trimmed value of the first field with this name, any case; nullopt without one.
[[nodiscard]] std::optional<std::string> first_value(std::string_view header,
                                                     std::string_view name);

/// What stands for a message in a template of Dovecot's pop3_uidl_format.
struct UidlVariables {
  std::optional<std::uint32_t> uid, uidvalidity;
  std::optional<std::string> md5, filename, guid;
};

/// A pop3_uidl_format: %u %v %m %f %g, each with a width ("08") and the modifiers X, L, U and M
/// before the letter; or %{uid} %{uidvalidity} %{md5} %{filename} %{guid} with the filters hex,
/// hex(WIDTH), upper, lower and md5.
class UidlTemplate {
 public:
  /// Errc::usage says what is not understood.
  [[nodiscard]] static Result<UidlTemplate> parse(std::string_view text);
  /// nullopt: a variable that the template names is not known of this message.
  [[nodiscard]] std::optional<std::string> apply(const UidlVariables& variables) const;

 private:
  struct Filter {
    enum class Kind : std::uint8_t { hex, upper, lower, md5 } kind;
    std::size_t width = 0;  // of hex
  };
  struct Part {
    std::string text;   // literally, or
    char variable = 0;  // u, v, m, f or g
    std::vector<Filter> filters;
    std::size_t width = 0;  // at least; filled up in front
    char fill = ' ';
  };
  [[nodiscard]] Result<std::size_t> parse_letter(std::string_view rest);
  [[nodiscard]] Result<std::size_t> parse_braces(std::string_view rest);
  [[nodiscard]] static std::optional<std::string> value_of(const Part& part,
                                                           const UidlVariables& variables);

  std::vector<Part> parts_;
};

}  // namespace pop
