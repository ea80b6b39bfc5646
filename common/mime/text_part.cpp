#include "mime/text_part.h"

#include <utility>

#include "mime/charset_text.h"
#include "mime/html_text.h"
#include "mime/plain_text.h"

namespace pop {
namespace {

// Where paragraphs have no lines of their own.
constexpr std::size_t usual_columns = 76;

std::size_t columns_for_paragraphs(const MangleRequest& request) {
  return request.wrap == 0 ? usual_columns : request.wrap;
}

TextLines lines_of(const PartHeader& part) {
  if (!part.is_flowed) return TextLines::fixed;
  return part.joins_without_blank ? TextLines::flowed_and_joined : TextLines::flowed;
}

bool is_html(const PartHeader& part) {
  return part.subtype == "html" || part.subtype == "xhtml";
}
bool is_enriched(const PartHeader& part) {
  return part.subtype == "enriched" || part.subtype == "richtext";
}

std::string unmarked(const PartHeader& part, std::string_view text) {
  return text_of_enriched(text,
                          part.subtype == "richtext" ? MarkedUp::richtext : MarkedUp::enriched);
}

std::string plain_form(const PartHeader& part, std::string text, const MangleRequest& request,
                       std::size_t most) {
  if (is_html(part)) return text_of_html(text, columns_for_paragraphs(request), most);
  if (is_enriched(part)) {
    return wrapped_text(unmarked(part, text), TextLines::fixed, columns_for_paragraphs(request),
                        most);
  }
  if (request.wrap == 0) return text;
  return wrapped_text(text, lines_of(part), request.wrap, most);
}

std::string html_form(const PartHeader& part, std::string text, const MangleRequest& request,
                      std::size_t most) {
  if (is_html(part)) return text;
  if (is_enriched(part)) text = unmarked(part, text);
  if (request.wrap != 0 || part.is_flowed) {
    text = wrapped_text(text, lines_of(part), request.wrap, most);
  }
  return "<div>" + html_of_text(text, most) + "</div>\n";
}

}  // namespace

TransferDecoder::TransferDecoder(const GmimeFunctions& gmime, GMimeContentEncoding encoding)
    : gmime_{gmime},
      passes_{encoding != GMIME_CONTENT_ENCODING_BASE64 &&
              encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE &&
              encoding != GMIME_CONTENT_ENCODING_UUENCODE},
      waits_for_begin_{encoding == GMIME_CONTENT_ENCODING_UUENCODE} {
  gmime_.begin_decoding(&state_, encoding);
}

void TransferDecoder::decode(std::string_view piece, std::string& out) {
  if (passes_) {
    out += piece;
    return;
  }
  if (waits_for_begin_) {
    if (!piece.starts_with("begin ")) return;
    waits_for_begin_ = false;
    state_.state |= GMIME_UUDECODE_STATE_BEGIN;
    return;
  }
  constexpr std::size_t kept_before = 16;
  const std::size_t size = out.size();
  out.resize(size + piece.size() + kept_before);
  out.resize(size + gmime_.decode(&state_, piece.data(), piece.size(), out.data() + size));
}

std::string readable_text(const GmimeFunctions& gmime, const PartHeader& part, std::string octets,
                          const MangleRequest& request, std::size_t most) {
  std::string text = to_utf8(gmime, std::move(octets), part.charset);
  return request.text == MangleRequest::Text::html
             ? html_form(part, std::move(text), request, most)
             : plain_form(part, std::move(text), request, most);
}

}  // namespace pop
