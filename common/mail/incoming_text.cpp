#include "mail/incoming_text.h"

#include <utility>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"

namespace pop {
namespace {

constexpr std::string_view from_separator = "From ";
constexpr std::string_view mmdf_separator = "\1\1\1\1";

bool may_be_forged(std::string_view line) {
  const std::string_view name = bookkeeping_name(line);
  return bookkeeping_of(name) != Bookkeeping::none && !equal_ignoring_case(name, "Lines");
}

}  // namespace

void IncomingText::feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (place_ == Place::body && has_crlf_ == false && fate_ == Fate::keep && !holds_cr_) {
      out += piece;
      in_line_ = piece.back() != '\n';
      return;
    }
    const std::size_t lf = piece.find('\n');
    std::string_view bytes = piece.substr(0, lf);
    const bool ends = lf != std::string_view::npos;
    piece.remove_prefix(ends ? lf + 1 : piece.size());
    if (holds_cr_ && !bytes.empty()) {
      holds_cr_ = false;
      take("\r", out);
    }
    if (bytes.ends_with('\r')) {
      holds_cr_ = true;
      bytes.remove_suffix(1);
    }
    take(bytes, out);
    if (ends) end_line(std::exchange(holds_cr_, false), out);
  }
}

void IncomingText::finish(std::string& out) {
  if (std::exchange(holds_cr_, false)) take("\r", out);
  if (in_line_) end_line(has_crlf_.value_or(false), out);
}

void IncomingText::take(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  in_line_ = true;
  if (fate_ == Fate::open) {
    head_ += bytes;
    decide(false, out);
  } else if (fate_ == Fate::keep) {
    out += bytes;
  }
}

void IncomingText::end_line(bool has_cr, std::string& out) {
  if (fate_ == Fate::open) decide(true, out);
  const bool was_envelope = place_ == Place::first_line && fate_ == Fate::drop;
  if (!was_envelope && !has_crlf_) has_crlf_ = has_cr;
  if (fate_ == Fate::keep) out += has_cr && !*has_crlf_ ? "\r\n" : "\n";
  if (place_ == Place::first_line) place_ = Place::header;
  fate_ = place_ == Place::body ? Fate::keep : Fate::open;
  in_line_ = false;
}

void IncomingText::decide(bool is_complete, std::string& out) {
  if (place_ == Place::first_line) {
    const std::string_view known = std::string_view{head_}.substr(0, from_separator.size());
    const bool may_be_envelope =
        from_separator.starts_with(known) && head_.size() <= longest_from_line;
    if (may_be_envelope && !is_complete) return;
    if (may_be_envelope && known == from_separator) {
      envelope_ = std::exchange(head_, {});
      fate_ = Fate::drop;
      return;
    }
    place_ = Place::header;
  }
  decide_header_line(is_complete);
  if (fate_ == Fate::keep) out += head_;
  if (fate_ != Fate::open) head_.clear();
}

void IncomingText::decide_header_line(bool is_complete) {
  if (!is_complete && head_.size() < longest_bookkeeping_head) return;
  if (head_.empty()) {
    place_ = Place::body;
    fate_ = Fate::keep;
    return;
  }
  const bool continues = head_.front() == ' ' || head_.front() == '\t';
  if (!continues) field_ = may_be_forged(head_) ? Fate::drop : Fate::keep;
  fate_ = field_;
}

SeparatorQuoting::SeparatorQuoting(SpoolFormat format)
    : separator_{format == SpoolFormat::mmdf ? mmdf_separator : from_separator} {}

void SeparatorQuoting::feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (at_line_begin_) {
      const char next = separator_[matched_];
      if (piece.front() == next) {
        piece.remove_prefix(1);
        if (++matched_ < separator_.size()) continue;
        out += '>';
      }
      out += separator_.substr(0, std::exchange(matched_, 0));
      at_line_begin_ = false;
      continue;
    }
    const std::size_t lf = piece.find('\n');
    const std::size_t count = lf == std::string_view::npos ? piece.size() : lf + 1;
    out += piece.substr(0, count);
    piece.remove_prefix(count);
    at_line_begin_ = lf != std::string_view::npos;
  }
}

void SeparatorQuoting::finish(std::string& out) {
  if (at_line_begin_) out += separator_.substr(0, std::exchange(matched_, 0));
}

}  // namespace pop
