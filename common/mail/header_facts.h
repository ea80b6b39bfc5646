#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/bookkeeping.h"

namespace pop {

/// How a header line counts; a continuation line as its field does.
struct HeaderLineKind {
  Bookkeeping bookkeeping = Bookkeeping::none;
  bool hidden = false;  // from the client
};

/// Gathers what the scan listing tells about one message from its header lines.
class HeaderFacts {
 public:
  /// Lines are looked at up to this length only.
  static constexpr std::size_t longest_line = 1023;

  /// One physical line without its line end, cut to longest_line or not.
  HeaderLineKind add(std::string_view line);

  [[nodiscard]] const std::string& stored_id() const { return stored_id_; }
  [[nodiscard]] bool has_status() const { return has_status_; }
  [[nodiscard]] bool retrieved() const { return retrieved_; }
  [[nodiscard]] bool has_hidden_fields() const { return has_hidden_fields_; }
  /// A line with other characters than ASCII in UTF-8, or one so long that it was not looked at
  /// whole.
  [[nodiscard]] bool may_have_utf8() const { return may_have_utf8_; }
  /// The Content-Length:, unless it is no number or two of them differ.
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  /// UW's pseudo message for sure.
  [[nodiscard]] bool is_folder_internal() const { return has_imap_ && subject_names_data_; }
  /// Two of the three signs that Qpopper's UW-kluge went by.
  [[nodiscard]] bool looks_folder_internal() const;

 private:
  void begin_field(std::string_view line);
  void add_bookkeeping(std::string_view name, std::string_view value);
  void add_content_length(std::string_view value, std::size_t line_size);

  HeaderLineKind field_;  // the one that a continuation line would belong to
  std::string stored_id_;
  std::optional<std::uint64_t> content_length_;
  bool content_length_unclear_ = false;
  bool has_status_ = false, retrieved_ = false, has_hidden_fields_ = false, may_have_utf8_ = false;
  bool has_imap_ = false, has_uw_imap_ = false, subject_names_data_ = false, subject_warns_ = false,
       from_mail_system_ = false;
};

}  // namespace pop
