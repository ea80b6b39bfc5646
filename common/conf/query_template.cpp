#include "conf/query_template.h"

#include "base/text.h"

namespace pop {
namespace {

using Place = QueryTemplate::Place;

Place place_named(char letter) {
  switch (letter) {
    case 'u':
      return Place::user;
    case 'a':
      return Place::address;
    case 'h':
      return Place::host;
    default:
      return Place::none;
  }
}

bool is_quote(char c) {
  return c == '\'' || c == '"' || c == '`';
}

/// The placeholder that `text` begins with, or none.
Place leading_place(std::string_view text) {
  return text.size() >= 2 && text[0] == '%' ? place_named(text[1]) : Place::none;
}

/// The placeholder of '%u' or "%u" at the front of `text`.
Place leading_quoted_place(std::string_view text) {
  if (text.size() < 4 || (text[0] != '\'' && text[0] != '"') || text[3] != text[0]) {
    return Place::none;
  }
  // '%u''x' is one longer text.
  if (text.size() > 4 && text[4] == text[0]) return Place::none;
  return leading_place(text.substr(1));
}

}  // namespace

Judged<QueryTemplate> QueryTemplate::parse(std::string_view text) {
  QueryTemplate result;
  Piece piece;
  char quote = 0;
  const auto end_piece = [&](Place then) {
    piece.then = then;
    result.pieces_.push_back(std::move(piece));
    piece = {};
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    const char c = rest.front();
    if (rest.starts_with("%%")) {
      piece.text += '%';
      ++at;
    } else if (const Place place = leading_place(rest); place != Place::none) {
      if (quote != 0) {
        return std::unexpected("\"" + escaped(rest.substr(0, 2)) +
                               "\" stands for a whole quoted literal and cannot be part of one; "
                               "use CONCAT(), or write %% for a percent sign");
      }
      end_piece(place);
      ++at;
    } else if (const Place quoted = leading_quoted_place(rest);
               quote == 0 && quoted != Place::none) {
      end_piece(quoted);
      at += 3;
    } else if (quote != 0 && c == '\\' && quote != '`') {
      piece.text += rest.substr(0, 2);
      ++at;
    } else {
      if (quote == 0 && is_quote(c)) {
        quote = c;
      } else if (c == quote) {
        quote = 0;
      }
      piece.text += c;
    }
  }
  if (quote != 0) return std::unexpected(std::string{"a quote is not closed: "} + quote);
  if (!piece.text.empty()) end_piece(Place::none);
  return result;
}

}  // namespace pop
