#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/option_value.h"

namespace pop {

/// An SQL statement with places for what a login tells, as loginfo-query is written: %u the user,
/// %a the client's address, %h this host, %% a percent sign; any other %x stays as it is.
class QueryTemplate {
 public:
  enum class Place : std::uint8_t { none, user, address, host };

  /// Literal text, and what follows it.
  struct Piece {
    std::string text;
    Place then = Place::none;
  };

  /// A placeholder stands for a whole literal, so it may stand alone or alone in quotes ('%u').
  /// What is wrong with it when one is inside a longer quoted text, where no quoting could make a
  /// value safe, or when a quote is not closed.
  [[nodiscard]] static Judged<QueryTemplate> parse(std::string_view text);

  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }

 private:
  std::vector<Piece> pieces_;  // ready to be put together
};

}  // namespace pop
