#include "popspool/mime_text.h"

#include <gmime/gmime.h>

#include <memory>

#include "base/text.h"

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

std::string valid_text(const char* text, gssize size = -1) {
  if (text == nullptr) return {};
  const OwnedText valid{g_utf8_make_valid(text, size)};
  return valid.get();
}

void begin_once() {
  static const bool begun = (g_mime_init(), true);
  (void)begun;
}

Owned<GMimeMessage> parse(std::string_view stored) {
  begin_once();
  const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(stored.data(), stored.size())};
  const Owned<GMimeParser> parser{g_mime_parser_new_with_stream(stream.get())};
  return Owned<GMimeMessage>{g_mime_parser_construct_message(parser.get(), nullptr)};
}

void append_fields(GMimeObject* object, std::vector<DecodedField>& fields) {
  GMimeHeaderList* list = g_mime_object_get_header_list(object);
  for (int i = 0; i < g_mime_header_list_get_count(list); ++i) {
    GMimeHeader* header = g_mime_header_list_get_header_at(list, i);
    fields.push_back(
        {valid_text(g_mime_header_get_name(header)), valid_text(g_mime_header_get_value(header))});
  }
}

/// The library keeps Content-* fields with the body that they describe: they come last.
std::vector<DecodedField> fields_of(GMimeMessage* message) {
  std::vector<DecodedField> fields;
  append_fields(GMIME_OBJECT(message), fields);
  if (GMimeObject* body = g_mime_message_get_mime_part(message)) append_fields(body, fields);
  return fields;
}

std::string decoded_content(GMimePart* part) {
  GMimeDataWrapper* content = g_mime_part_get_content(part);
  if (content == nullptr) return {};
  const Owned<GMimeStream> stream{g_mime_stream_mem_new()};
  g_mime_data_wrapper_write_to_stream(content, stream.get());
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
  return {reinterpret_cast<const char*>(bytes->data), bytes->len};
}

std::string without_carriage_returns(std::string text) {
  std::string lines;
  lines.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    lines += text[i];
  }
  return lines;
}

std::string text_of(GMimePart* part) {
  if (GMIME_IS_TEXT_PART(part)) {
    const OwnedText text{g_mime_text_part_get_text(GMIME_TEXT_PART(part))};
    if (text) return without_carriage_returns(valid_text(text.get()));
  }
  const std::string bytes = decoded_content(part);  // of a charset that nobody knows
  return without_carriage_returns(valid_text(bytes.data(), static_cast<gssize>(bytes.size())));
}

DecodedPart decoded_part(GMimePart* part) {
  GMimeContentType* type = g_mime_object_get_content_type(GMIME_OBJECT(part));
  const OwnedText name{type == nullptr ? nullptr : g_mime_content_type_get_mime_type(type)};
  DecodedPart decoded{.type = lower(valid_text(name ? name.get() : "text/plain")),
                      .file_name = valid_text(g_mime_part_get_filename(part)),
                      .text = {}};
  decoded.is_text = type == nullptr || g_mime_content_type_is_type(type, "text", "*");
  if (decoded.is_text) {
    decoded.text = text_of(part);
  } else {
    decoded.octets = decoded_content(part).size();
  }
  return decoded;
}

}  // namespace

DecodedMessage decode_message(std::string_view stored) {
  const Owned<GMimeMessage> message = parse(stored);
  if (!message) return {};
  DecodedMessage decoded{.fields = fields_of(message.get()), .parts = {}};
  GMimePartIter* parts = g_mime_part_iter_new(GMIME_OBJECT(message.get()));
  const std::unique_ptr<GMimePartIter, decltype(&g_mime_part_iter_free)> owner{
      parts, &g_mime_part_iter_free};
  while (g_mime_part_iter_is_valid(parts)) {
    GMimeObject* object = g_mime_part_iter_get_current(parts);
    if (GMIME_IS_PART(object)) decoded.parts.push_back(decoded_part(GMIME_PART(object)));
    if (!g_mime_part_iter_next(parts)) break;
  }
  return decoded;
}

std::vector<DecodedField> decode_fields(std::string_view stored) {
  const std::size_t lf = stored.find("\n\n");
  const std::size_t crlf = stored.find("\n\r\n");
  const std::size_t end = std::min(lf, crlf);
  const Owned<GMimeMessage> message =
      parse(end == std::string_view::npos ? stored : stored.substr(0, end + 1));
  return message ? fields_of(message.get()) : std::vector<DecodedField>{};
}

std::string address_of(const std::string& from) {
  begin_once();
  const Owned<InternetAddressList> list{internet_address_list_parse(nullptr, from.c_str())};
  if (!list) return {};
  for (int i = 0; i < internet_address_list_length(list.get()); ++i) {
    InternetAddress* address = internet_address_list_get_address(list.get(), i);
    if (!INTERNET_ADDRESS_IS_MAILBOX(address)) continue;
    return lower(valid_text(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address))));
  }
  return {};
}

std::int64_t time_of_date(const std::string& date) {
  begin_once();
  GDateTime* parsed = g_mime_utils_header_decode_date(date.c_str());
  if (parsed == nullptr) return 0;
  const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> owner{parsed, &g_date_time_unref};
  return g_date_time_to_unix(parsed);
}

}  // namespace pop
