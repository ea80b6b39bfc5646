#include "popbull/mime_composer.h"

#include <gio/gio.h>
#include <gmime/gmime.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "base/utf8.h"

namespace pop {
namespace {

struct Unref {
  void operator()(void* object) const noexcept { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

struct Free {
  void operator()(void* memory) const noexcept { g_free(memory); }
};
using OwnedText = std::unique_ptr<char, Free>;

void begin_once() {
  static const bool begun = (g_mime_init(), true);
  (void)begun;
}

struct FreeOptions {
  void operator()(GMimeFormatOptions* options) const noexcept {
    g_mime_format_options_free(options);
  }
};
using OwnedOptions = std::unique_ptr<GMimeFormatOptions, FreeOptions>;

OwnedOptions unix_lines() {
  OwnedOptions options{g_mime_format_options_new()};
  g_mime_format_options_set_newline_format(options.get(), GMIME_NEWLINE_FORMAT_UNIX);
  return options;
}

std::string text_and_free(char* text) {
  const OwnedText owned{text};
  return owned ? owned.get() : "";
}

Owned<GMimeDataWrapper> content_of(std::string_view bytes) {
  const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(bytes.data(), bytes.size())};
  return Owned<GMimeDataWrapper>{
      g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT)};
}

/// As the system's table of types knows it; without one by its octets.
std::string type_of(const Attachment& attachment) {
  const OwnedText guess{g_content_type_guess(
      attachment.name.c_str(), reinterpret_cast<const guchar*>(attachment.content.data()),
      attachment.content.size(), nullptr)};
  const OwnedText type{guess ? g_content_type_get_mime_type(guess.get()) : nullptr};
  const std::string_view found = type ? type.get() : "";
  // What a reader's program would take for a message or several parts is sent as a file.
  const bool is_plain = found.find('/') != std::string_view::npos &&
                        !found.starts_with("message/") && !found.starts_with("multipart/") &&
                        !found.starts_with("inode/");
  return is_plain ? std::string{found} : "application/octet-stream";
}

Owned<GMimePart> part_of(const Attachment& attachment) {
  const std::string type = type_of(attachment);
  const std::size_t slash = type.find('/');
  Owned<GMimePart> part{
      g_mime_part_new_with_type(type.substr(0, slash).c_str(), type.substr(slash + 1).c_str())};
  g_mime_part_set_content(part.get(), content_of(attachment.content).get());
  g_mime_part_set_content_encoding(part.get(), GMIME_CONTENT_ENCODING_BASE64);
  if (type.starts_with("text/") && is_valid_utf8(attachment.content)) {
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
  }
  g_mime_object_set_disposition(GMIME_OBJECT(part.get()), "attachment");
  g_mime_part_set_filename(part.get(), attachment.name.c_str());
  return part;
}

Owned<GMimeMessage> parse(std::string_view text) {
  const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(text.data(), text.size())};
  const Owned<GMimeParser> parser{g_mime_parser_new_with_stream(stream.get())};
  return Owned<GMimeMessage>{g_mime_parser_construct_message(parser.get(), nullptr)};
}

constexpr std::size_t longest_plain_line = 78;  // RFC 5322, 2.1.1

bool needs_encoding(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0 || c == '\r' || c == '\0'; })) {
    return true;
  }
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > longest_plain_line || line.starts_with("From ")) return true;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return false;
}

/// The encoder leaves "From " at the beginning of a line, which a spool takes for a separator.
std::string without_separators(std::string text) {
  std::string made;
  made.reserve(text.size());
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t size = std::min(rest.find('\n'), rest.size() - 1) + 1;
    if (rest.starts_with("From ")) {
      made += "=46";
      made += rest.substr(1, size - 1);
    } else {
      made += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  return made;
}

std::string quoted_printable(const std::string& text) {
  const Owned<GMimeStream> memory{g_mime_stream_mem_new()};
  const Owned<GMimeStream> filtered{g_mime_stream_filter_new(memory.get())};
  const Owned<GMimeFilter> filter{
      g_mime_filter_basic_new(GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, TRUE)};
  g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered.get()), filter.get());
  g_mime_stream_write(filtered.get(), text.data(), text.size());
  g_mime_stream_flush(filtered.get());
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory.get()));
  return without_separators({reinterpret_cast<const char*>(bytes->data), bytes->len});
}

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c & 0x80) != 0; });
}

std::string encoded(InternetAddressList* list) {
  const OwnedOptions options = unix_lines();
  std::string text = text_and_free(internet_address_list_to_string(list, options.get(), TRUE));
  std::erase(text, '\n');  // the library folds where it likes
  std::ranges::replace(text, '\t', ' ');
  return text;
}

std::string folded(FieldKind kind, const std::string& name, const std::string& value) {
  const OwnedOptions options = unix_lines();
  const auto fold = kind == FieldKind::addresses ? g_mime_utils_structured_header_fold
                                                 : g_mime_utils_unstructured_header_fold;
  std::string field = text_and_free(fold(nullptr, options.get(), (name + ": " + value).c_str()));
  if (!field.ends_with('\n')) field += '\n';
  return field;
}

}  // namespace

Result<Sender> sender_of(const std::string& from, const std::string& host) {
  begin_once();
  const Owned<InternetAddressList> list{internet_address_list_parse(nullptr, from.c_str())};
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::usage, "sender \"" + escaped(from) + "\": " + std::string{why});
  };
  if (!list || internet_address_list_length(list.get()) != 1) return refuse("not one address");
  InternetAddress* address = internet_address_list_get_address(list.get(), 0);
  if (!INTERNET_ADDRESS_IS_MAILBOX(address)) return refuse("no address of a person");
  InternetAddressMailbox* mailbox = INTERNET_ADDRESS_MAILBOX(address);
  const char* given = internet_address_mailbox_get_addr(mailbox);
  std::string bare = given == nullptr ? "" : given;
  const bool has_blank = std::ranges::any_of(bare, [](char c) { return c <= ' ' || c == '\x7f'; });
  if (bare.empty() || bare.starts_with('@') || bare.ends_with('@') || has_blank) {
    return refuse("no address");
  }
  if (bare.find('@') == std::string::npos) bare += "@" + host;
  internet_address_mailbox_set_addr(mailbox, bare.c_str());
  return Sender{folded(FieldKind::addresses, "From", encoded(list.get())), std::move(bare)};
}

std::string date_field(std::int64_t moment) {
  begin_once();
  GDateTime* const local = g_date_time_new_from_unix_local(moment);
  const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> owner{local, &g_date_time_unref};
  return text_and_free(g_mime_utils_header_format_date(local));
}

bool is_date(const std::string& field) {
  begin_once();
  GDateTime* const date = g_mime_utils_header_decode_date(field.c_str());
  if (date == nullptr) return false;
  g_date_time_unref(date);
  return true;
}

std::string new_message_id(const std::string& host) {
  begin_once();
  return "<" + text_and_free(g_mime_utils_generate_message_id(host.c_str())) + ">";
}

std::string encoded_field(FieldKind kind, const std::string& name, const std::string& value) {
  begin_once();
  if (kind == FieldKind::addresses) {
    const Owned<InternetAddressList> list{internet_address_list_parse(nullptr, value.c_str())};
    if (list) return folded(kind, name, encoded(list.get()));
  }
  return folded(FieldKind::text, name,
                text_and_free(g_mime_utils_header_encode_text(nullptr, value.c_str(), "utf-8")));
}

std::string decoded_text(const std::string& value) {
  begin_once();
  const OwnedText text{g_mime_utils_header_decode_text(nullptr, value.c_str())};
  return text ? text_and_free(g_utf8_make_valid(text.get(), -1)) : value;
}

std::string ascii_of(const std::string& text) {
  return text_and_free(g_str_to_ascii(text.c_str(), "C"));
}

MimeBody text_body(const std::string& text) {
  begin_once();
  if (!needs_encoding(text)) return {.fields = {}, .body = text};
  const std::string charset = is_ascii(text) ? "us-ascii" : "utf-8";
  return {.fields = "MIME-Version: 1.0\nContent-Type: text/plain; charset=" + charset +
                    "\nContent-Transfer-Encoding: quoted-printable\n",
          .body = quoted_printable(text)};
}

Result<std::string> with_attachments(const std::string& message,
                                     const std::vector<Attachment>& attachments) {
  begin_once();
  const Owned<GMimeMessage> parsed = parse(message);
  GMimeObject* const body = parsed ? g_mime_message_get_mime_part(parsed.get()) : nullptr;
  if (body == nullptr) return fail(Errc::corrupt, "the message has no body that can be read");
  const Owned<GMimeMultipart> parts{g_mime_multipart_new_with_subtype("mixed")};
  g_mime_multipart_add(parts.get(), body);
  for (const Attachment& attachment : attachments) {
    g_mime_multipart_add(parts.get(), GMIME_OBJECT(part_of(attachment).get()));
  }
  g_mime_message_set_mime_part(parsed.get(), GMIME_OBJECT(parts.get()));
  const OwnedOptions options = unix_lines();
  return text_and_free(g_mime_object_to_string(GMIME_OBJECT(parsed.get()), options.get()));
}

}  // namespace pop
