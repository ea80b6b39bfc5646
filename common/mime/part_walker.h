#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// What to do with the body of a part whose header was seen.
struct PartKind {
  enum class Body : std::uint8_t { content, ignored, parts, message };
  Body body = Body::content;
  std::string boundary{};  // for parts; not empty
};

/// Is told of the parts of a message in order.
class PartVisitor {
 public:
  virtual ~PartVisitor() = default;
  /// `header` is as stored without the empty line that ends it; of a very long one the rest is
  /// missing. Valid until the visitor returns.
  [[nodiscard]] virtual PartKind begin_part(std::string_view header) = 0;
  /// A piece of content: at most one line, its line end as stored. The last line end before a
  /// boundary belongs to that.
  virtual void add_content(std::string_view piece) = 0;
  /// Of the part begun last and not yet ended.
  virtual void end_part() = 0;
};

/// Finds the parts of a message (RFC 2046 section 5.1) that comes in pieces of any size. The
/// visitor chooses how deep to go. Keeps the header of one part, one line's beginning and the
/// boundaries that are open; a line costs no more than a look at each of these. Whatever is broken
/// gives parts all the same: a boundary that is missing ends with the next one outside, or with the
/// message.
class PartWalker {
 public:
  /// The visitor must outlive the walker.
  explicit PartWalker(PartVisitor& visitor) : visitor_{visitor} {}

  void feed(std::string_view piece);
  /// Ends what is open.
  void finish();

 private:
  enum class Place : std::uint8_t {
    header,
    content,
    ignored,
    between,  // parts: what stands there is for nobody
  };
  struct Level {
    std::string boundary;  // empty: no multipart, but a message as a part
    bool is_closed = false;
  };
  void on_line(std::string_view line, bool begins);
  [[nodiscard]] bool take_boundary(std::string_view line);
  void take_header_line(std::string_view line, bool begins);
  void end_header();
  void end_levels_beyond(std::size_t depth);
  void end_open_part();

  PartVisitor& visitor_;
  std::string line_;  // that has not yet come to its end
  std::string header_;
  std::string line_end_;  // of the last line of content, which may belong to a boundary
  std::vector<Level> levels_;
  Place place_ = Place::header;
  bool is_part_open_ = false;  // content or ignored
  bool is_within_line_ = false;
};

}  // namespace pop
