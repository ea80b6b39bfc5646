#include "popbull/composition.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "base/utf8.h"
#include "mail/header_scanner.h"
#include "mail/incoming_text.h"
#include "popbull/mime_composer.h"

namespace pop {
namespace {

constexpr std::size_t longest_line = 998;  // RFC 5322, 2.1.1
constexpr std::string_view nobody_named = "To: undisclosed-recipients:;\n";

/// RFC 5322, 3.6, and RFC 2045, 3: at most one of each.
constexpr std::array single_fields{"date",         "from",
                                   "sender",       "reply-to",
                                   "to",           "cc",
                                   "message-id",   "in-reply-to",
                                   "references",   "subject",
                                   "mime-version", "content-type",
                                   "content-id",   "content-transfer-encoding"};
constexpr std::array address_fields{"from", "sender", "reply-to", "to", "cc"};
/// They tell how a message came into somebody's maildrop, or who got it besides.
constexpr std::array traces{"bcc",           "return-path", "delivered-to",
                            "x-original-to", "received",    "x-envelope-to"};

template <class Names>
bool is_one_of(std::string_view name, const Names& names) {
  return std::ranges::any_of(
      names, [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

bool has_8bit(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; });
}

std::string lines_of(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string lines;
  for (const auto& [name, value] : fields) lines += name + ": " + value + "\n";
  return lines;
}

Result<Composition> finished(Composition made, const Supplement& supplement) {
  if (supplement.attachments.empty()) return made;
  Result<std::string> whole = with_attachments(made.message, supplement.attachments);
  if (!whole) return std::unexpected(std::move(whole).error());
  made.message = std::move(*whole);
  return made;
}

std::uint64_t line_of(std::string_view text, std::size_t offset) {
  return 1 + static_cast<std::uint64_t>(std::ranges::count(text.substr(0, offset), '\n'));
}

std::unexpected<Error> refuse_line(std::uint64_t line, std::string_view why) {
  return fail(Errc::corrupt, "line " + std::to_string(line) + ": " + std::string{why});
}

/// A message under way to a bulletin.
class Adaptation {
 public:
  Adaptation(std::string text, std::uint64_t lines_in_front)
      : text_{std::move(text)}, lines_in_front_{lines_in_front} {
    const std::size_t end = text_.starts_with('\n') ? 0 : text_.find("\n\n");
    header_size_ = end == std::string::npos ? text_.size() : end == 0 ? 0 : end + 1;
    fields_ = header_fields(header());
  }

  [[nodiscard]] Result<void> check() const {
    if (const std::size_t nul = text_.find('\0'); nul != std::string::npos) {
      return refuse(nul, "a NUL octet");
    }
    if (Result<void> header_ok = check_header(); !header_ok) return header_ok;
    return check_lengths();
  }

  [[nodiscard]] Result<Composition> finish(const Supplement& supplement) const {
    const HeaderField* const from = find("From");
    if (from == nullptr) return fail(Errc::corrupt, "there is no From: field");
    Result<Sender> sender = sender_of(unfolded(*from), supplement.host);
    if (!sender) return std::unexpected(std::move(sender).error().in("From:"));
    const HeaderField* const subject = find("Subject");
    if (subject == nullptr) return fail(Errc::corrupt, "there is no Subject: field");
    std::string message = kept_fields(*sender, supplement) + supplied_fields(supplement);
    if (Result<void> mime = add_mime_fields(message); !mime) return std::unexpected(mime.error());
    message += lines_of(supplement.fields) + "\n" + quoted_body();
    return finished(
        {std::move(message), std::move(sender->address), decoded_text(unfolded(*subject))},
        supplement);
  }

 private:
  [[nodiscard]] std::string_view header() const {
    return std::string_view{text_}.substr(0, header_size_);
  }
  [[nodiscard]] std::string_view body() const {
    return std::string_view{text_}.substr(std::min(header_size_ + 1, text_.size()));
  }
  [[nodiscard]] std::string_view lines(const HeaderField& field) const {
    return header().substr(field.begin, field.end - field.begin);
  }
  [[nodiscard]] const HeaderField* find(std::string_view name) const {
    const auto found = std::ranges::find_if(
        fields_, [&](const HeaderField& field) { return equal_ignoring_case(field.name, name); });
    return found == fields_.end() ? nullptr : &*found;
  }
  [[nodiscard]] std::string unfolded(const HeaderField& field) const {
    std::string value{lines(field).substr(field.name.size())};
    value.erase(0, value.find(':') + 1);
    std::erase(value, '\n');
    return std::string{trimmed(value)};
  }
  [[nodiscard]] std::unexpected<Error> refuse(std::size_t offset, std::string_view why) const {
    return refuse_line(line_of(text_, offset) + lines_in_front_, why);
  }

  [[nodiscard]] Result<void> check_header() const {
    if (fields_.empty()) return fail(Errc::corrupt, "there is no header");
    for (const HeaderField& field : fields_) {
      if (field.name.empty()) {
        return refuse(field.begin, "neither a header field nor the empty line that ends a header");
      }
      if (Result<void> sound = check_field(field); !sound) return sound;
    }
    if (!is_valid_utf8(header())) return fail(Errc::corrupt, "the header is not UTF-8");
    return {};
  }

  [[nodiscard]] Result<void> check_field(const HeaderField& field) const {
    const std::string name{field.name};
    const auto is_control = [](char c) {
      return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == '\x7f';
    };
    if (std::ranges::any_of(lines(field), is_control)) {
      return refuse(field.begin, name + ": has control characters");
    }
    if (is_one_of(name, single_fields) && &field != find(name)) {
      return refuse(field.begin, "a second " + name + ": field");
    }
    if (equal_ignoring_case(name, "Date") && !is_date(unfolded(field))) {
      return refuse(field.begin, "Date: is no date");
    }
    if (equal_ignoring_case(name, "Subject") && unfolded(field).empty()) {
      return refuse(field.begin, "Subject: is empty");
    }
    return {};
  }

  [[nodiscard]] Result<void> check_lengths() const {
    std::size_t begin = 0;
    while (begin < text_.size()) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      if (end - begin > longest_line) return refuse(begin, "longer than 998 octets");
      begin = end + 1;
    }
    return {};
  }

  /// What the composition sets itself.
  [[nodiscard]] bool is_dropped(const HeaderField& field, const Supplement& supplement) const {
    if (is_one_of(field.name, traces)) return true;
    return std::ranges::any_of(supplement.fields, [&](const auto& own) {
      return equal_ignoring_case(field.name, own.first);
    });
  }

  [[nodiscard]] std::string kept_fields(const Sender& sender, const Supplement& supplement) const {
    std::string kept;
    for (const HeaderField& field : fields_) {
      if (is_dropped(field, supplement) || is_replaced(field)) continue;
      if (&field == find("From") && unfolded(field).find(sender.address) == std::string::npos) {
        kept += sender.field;  // had no host
      } else if (has_8bit(lines(field))) {
        const bool is_list = is_one_of(field.name, address_fields);
        kept += encoded_field(is_list ? FieldKind::addresses : FieldKind::text,
                              std::string{field.name}, unfolded(field));
      } else {
        // Without blanks before the colon: "From :" would pass for a separator.
        kept += std::string{field.name} + std::string{lines(field).substr(lines(field).find(':'))};
        if (!kept.ends_with('\n')) kept += '\n';
      }
    }
    return kept;
  }

  [[nodiscard]] std::string supplied_fields(const Supplement& supplement) const {
    std::string supplied;
    if (find("Date") == nullptr) supplied += "Date: " + date_field(supplement.now) + "\n";
    if (find("Message-ID") == nullptr) {
      supplied += "Message-ID: " + new_message_id(supplement.host) + "\n";
    }
    if (find("To") == nullptr) supplied += nobody_named;
    return supplied;
  }

  [[nodiscard]] std::string transfer_encoding() const {
    const HeaderField* const field = find("Content-Transfer-Encoding");
    return field == nullptr ? "7bit" : lower(unfolded(*field));
  }
  /// A body of eight-bit characters that says it has seven.
  [[nodiscard]] bool has_wrong_encoding() const {
    return has_8bit(body()) && transfer_encoding() == "7bit";
  }
  [[nodiscard]] bool is_replaced(const HeaderField& field) const {
    return equal_ignoring_case(field.name, "Content-Transfer-Encoding") && has_wrong_encoding();
  }

  Result<void> add_mime_fields(std::string& message) const {
    if (!has_wrong_encoding()) return {};
    if (find("Content-Type") == nullptr) {
      if (!is_valid_utf8(body())) {
        return fail(
            Errc::corrupt,
            "the body has characters of no known set: no Content-Type: field, and not UTF-8");
      }
      message += "Content-Type: text/plain; charset=utf-8\n";
    }
    if (find("MIME-Version") == nullptr) message += "MIME-Version: 1.0\n";
    message += "Content-Transfer-Encoding: 8bit\n";
    return {};
  }

  [[nodiscard]] std::string quoted_body() const {
    SeparatorQuoting quoting{SpoolFormat::mbox};
    std::string quoted;
    quoting.feed(body(), quoted);
    quoting.finish(quoted);
    return quoted;
  }

  std::string text_;
  std::uint64_t lines_in_front_;
  std::size_t header_size_ = 0;
  std::vector<HeaderField> fields_;
};

/// CRLF as LF, however many CRs it has, and a line end at the end.
std::string with_unix_lines(std::string_view text) {
  std::string lines;
  lines.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      const std::size_t next = text.find_first_not_of('\r', i);
      if (next == text.npos || text[next] == '\n') continue;
    }
    lines += text[i];
  }
  if (!lines.ends_with('\n')) lines += '\n';
  return lines;
}

Result<void> check_text(std::string_view text) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return refuse_line(line_of(text, nul), "a NUL octet");
  }
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (!is_valid_utf8(text.substr(begin, end - begin))) {
      return refuse_line(line_of(text, begin), "not UTF-8");
    }
    begin = end + 1;
  }
  return {};
}

Result<void> check_subject(std::string_view subject) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  const bool is_sound = !trimmed(subject).empty() && is_valid_utf8(subject) &&
                        std::ranges::none_of(subject, is_control);
  if (is_sound) return {};
  return fail(Errc::usage,
              "subject \"" + escaped(subject) + "\": empty, not UTF-8, or not one line");
}

}  // namespace

Result<Composition> compose(const Notice& notice, const Supplement& supplement) {
  if (Result<void> sound = check_subject(notice.subject); !sound) {
    return std::unexpected(sound.error());
  }
  Result<Sender> sender = sender_of(notice.sender, supplement.host);
  if (!sender) return std::unexpected(std::move(sender).error());
  if (notice.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return fail(Errc::corrupt, "the text is empty");
  }
  const std::string text = with_unix_lines(notice.text);
  if (Result<void> sound = check_text(text); !sound) return std::unexpected(sound.error());
  MimeBody body = text_body(text);
  std::string message = "Date: " + date_field(supplement.now) + "\n" + std::string{nobody_named} +
                        sender->field + encoded_field(FieldKind::text, "Subject", notice.subject) +
                        "Message-ID: " + new_message_id(supplement.host) + "\n" + body.fields +
                        lines_of(supplement.fields) + "\n" + body.body;
  return finished({std::move(message), std::move(sender->address), notice.subject}, supplement);
}

Result<Composition> adapt(std::string_view message, const Supplement& supplement) {
  const std::string lines = with_unix_lines(message);
  const bool has_envelope = lines.starts_with("From ");
  // Checked with the fields that will be left out, so that line numbers are those of its file.
  const Adaptation given{has_envelope ? lines.substr(lines.find('\n') + 1) : lines,
                         has_envelope ? 1U : 0U};
  if (Result<void> sound = given.check(); !sound) return std::unexpected(sound.error());
  IncomingText incoming;
  std::string text;
  incoming.feed(lines, text);
  incoming.finish(text);
  return Adaptation{std::move(text), 0}.finish(supplement);
}

}  // namespace pop
