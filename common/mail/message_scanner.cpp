#include "mail/message_scanner.h"

#include <algorithm>
#include <array>

#include "mail/content_digest.h"
#include "mail/header_facts.h"
#include "mail/line_blocks.h"

// Header lines are looked at whole up to the length that anybody looks at; of a longer one the
// first bytes tell what it is, and the rest is only counted.

namespace pop {
namespace {

constexpr std::size_t longest_looked_at =
    std::max(HeaderFacts::longest_line, UniqueIdMaker::longest_line);

std::size_t line_end_size(std::string_view tail) {
  if (!tail.ends_with('\n')) return 0;
  return tail.ends_with("\r\n") ? 2 : 1;
}

}  // namespace

struct MessageScanner::State {
  explicit State(UniqueIdRecipe recipe) : unique_id{recipe} {}

  std::size_t take_line(std::string_view piece);
  void on_line(std::string_view raw);
  void end_gathered_line();
  void count_line(std::string_view head, std::uint64_t size, std::size_t line_end);
  void on_header_end(std::size_t line_end);

  const LineBlocks& blocks = best_line_blocks();
  HeaderFacts facts;
  UniqueIdMaker unique_id;
  ContentDigest digest;
  bool in_body = false;
  BodyContext context;
  LineTally tally;  // of the body
  std::uint64_t body_size = 0;
  WireOctets header_wire, hidden;
  std::uint64_t bare_line_feeds = 0;  // of the header

  std::string gathered;             // the beginning of a line that has not ended yet
  std::uint64_t gathered_size = 0;  // of all of that line so far
  std::array<char, 2> last{};       // its last bytes
};

MessageScanner::MessageScanner(UniqueIdRecipe recipe) : state_{std::make_unique<State>(recipe)} {
  begin();
}
MessageScanner::MessageScanner(MessageScanner&&) noexcept = default;
MessageScanner& MessageScanner::operator=(MessageScanner&&) noexcept = default;
MessageScanner::~MessageScanner() = default;

void MessageScanner::begin() {
  State& s = *state_;
  s.facts = {};
  s.unique_id.begin({});
  s.digest.begin();
  s.in_body = false;
  s.tally = {};
  s.body_size = s.bare_line_feeds = s.gathered_size = 0;
  s.header_wire = s.hidden = {};
  s.gathered.clear();
}

void MessageScanner::feed(std::string_view piece) {
  State& s = *state_;
  s.digest.content(piece);
  while (!piece.empty() && !s.in_body) piece.remove_prefix(s.take_line(piece));
  if (piece.empty()) return;
  (void)s.blocks.tally(piece.data(), piece.size(), Seek::nothing, s.context, s.tally);
  s.body_size += piece.size();
}

bool MessageScanner::knows_header() const {
  return state_->in_body;
}

WireOctets MessageScanner::hidden() const {
  return state_->hidden;
}

std::uint64_t MessageScanner::bare_line_feeds() const {
  return state_->bare_line_feeds + state_->tally.line_ends - state_->tally.crlf_ends;
}

MessageFacts MessageScanner::finish() {
  State& s = *state_;
  if (s.gathered_size > 0) s.end_gathered_line();
  MessageFacts facts;
  facts.wire = s.header_wire;
  std::size_t empty_line = 0;
  if (s.in_body) {
    const bool unterminated = s.body_size > 0 && !s.context.after_lf;
    facts.wire.count +=
        s.body_size + s.tally.line_ends - s.tally.crlf_ends + (unterminated ? 2 : 0);
    if (s.context.after_empty) empty_line = s.context.after_crlf ? 2 : 1;
  }
  facts.fingerprint = s.digest.finish(empty_line);
  facts.stored_id = s.facts.stored_id();
  facts.computed_id = s.unique_id.finish();
  facts.header = {.may_have_utf8 = s.facts.may_have_utf8(), .is_unended = !s.in_body};
  return facts;
}

/// Takes a header line or, where it does not end in the piece, the beginning of one.
std::size_t MessageScanner::State::take_line(std::string_view piece) {
  const std::size_t lf = piece.find('\n');
  const bool ended = lf != std::string_view::npos;
  const std::string_view bytes = ended ? piece.substr(0, lf + 1) : piece;
  if (ended && gathered_size == 0) {
    on_line(bytes);
    return bytes.size();
  }
  gathered += bytes.substr(0, longest_looked_at + 2 - gathered.size());
  gathered_size += bytes.size();
  last = {bytes.size() > 1 ? bytes[bytes.size() - 2] : last[1], bytes.back()};
  if (ended) end_gathered_line();
  return bytes.size();
}

void MessageScanner::State::on_line(std::string_view raw) {
  const std::size_t line_end = line_end_size(raw);
  if (line_end == raw.size()) return on_header_end(line_end);
  count_line(raw.substr(0, raw.size() - line_end), raw.size(), line_end);
}

void MessageScanner::State::end_gathered_line() {
  const bool whole = gathered_size == gathered.size();
  if (whole) {
    on_line(gathered);
  } else {
    count_line(gathered, gathered_size, line_end_size({last.data(), last.size()}));
  }
  gathered.clear();
  gathered_size = 0;
}

void MessageScanner::State::count_line(std::string_view head, std::uint64_t size,
                                       std::size_t line_end) {
  const bool is_hidden = facts.add(head).hidden;
  unique_id.header_line(head);
  (is_hidden ? hidden : header_wire).count += size - line_end + 2;
  if (line_end == 1) ++bare_line_feeds;
}

void MessageScanner::State::on_header_end(std::size_t line_end) {
  header_wire.count += 2;
  if (line_end == 1) ++bare_line_feeds;
  context = {.after_lf = true, .after_crlf = line_end == 2, .after_empty = true};
  in_body = true;
}

}  // namespace pop
