#include "store/message_watch.h"

#include <algorithm>

#include "mail/from_line.h"
#include "mail/header_scanner.h"

namespace pop {

void MessageWatch::feed(std::string_view piece) {
  last += piece.substr(piece.size() - std::min<std::size_t>(piece.size(), 4));
  last.erase(0, last.size() - std::min<std::size_t>(last.size(), 4));
  while (!piece.empty()) {
    const std::size_t lf = piece.find('\n');
    const std::size_t count = lf == std::string_view::npos ? piece.size() : lf + 1;
    take(piece.substr(0, count), lf != std::string_view::npos);
    piece.remove_prefix(count);
  }
}

Fingerprint MessageWatch::finish() {
  end_line();
  if (!in_digest_) digest_header();
  return digest_.finish(last.ends_with("\n\r\n") || last == "\r\n" ? 2
                        : last.ends_with("\n\n") || last == "\n"   ? 1
                                                                   : 0);
}

void MessageWatch::take(std::string_view part, bool ends) {
  if (in_body_) {
    if (!in_digest_) digest_header();
    body += part.size();
    digest_.content(part);
  } else {
    header += part;
  }
  if (line_.size() <= longest_from_line + 2) line_ += part;
  if (ends) end_line();
}

void MessageWatch::end_line() {
  std::string_view text = line_;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (in_body_ && after_empty_ && is_from_line(text)) has_separator_ = true;
  after_empty_ = text.empty();
  if (text.empty()) in_body_ = true;
  line_.clear();
}

void MessageWatch::digest_header() {
  in_digest_ = true;
  digest_.begin();
  std::size_t end = 0;
  for (const HeaderField& field : header_fields(header)) {
    end = field.end;
    if (field.bookkeeping != Bookkeeping::none) continue;
    digest_.content(std::string_view{header}.substr(field.begin, field.end - field.begin));
  }
  digest_.content(std::string_view{header}.substr(end));
}

}  // namespace pop
