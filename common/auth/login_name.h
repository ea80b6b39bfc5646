#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/pattern.h"
#include "conf/settings.h"

namespace pop {

/// What a name that a client typed stands for. Nothing is checked yet: it may still be no name that
/// a user can have.
struct LoginName {
  std::string user;
  std::string folder;  // Maildir++ folder without the leading dot; empty: the inbox
  bool as_text = false;  // the client wants each message as one part of plain text
};

/// The one place that treats login names, in this order: SASLprep (RFC 6856 section 2.2; what cannot
/// be prepared stays as it is), downcase-user, trim-domain (cut at the first @), "-no-mime" at the end
/// (cut off, as_text; who really has such a name puts "-mime" behind it, which is cut off instead),
/// folder (the first match's parenthesis is the folder, what stands before the match is
/// the name).
class LoginNames {
 public:
  explicit LoginNames(const Settings& settings);

  [[nodiscard]] LoginName treat(std::string_view typed) const;

  /// Whether somebody of whom others have said that he is `owner`, such as a certificate or who
  /// judges a token, may log in as `typed`. Nothing is cut off what they said: their jo@elsewhere
  /// is nobody's jo. Letter case does not matter with downcase-user.
  [[nodiscard]] bool stands_for(std::string_view typed, std::string_view owner) const;

 private:
  bool downcase_, trim_;
  std::optional<Pattern> folder_;  // none: no folders
};

/// A name that may become a directory's behind a dot: at most 128 octets, no '/', no controls, and
/// no dot at either end nor beside another. Empty is the inbox.
[[nodiscard]] bool is_safe_folder(std::string_view folder);

}  // namespace pop
