#include "mail/mbox_scanner.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/text.h"
#include "mail/content_digest.h"
#include "mail/from_line.h"
#include "mail/header_facts.h"
#include "mail/line_blocks.h"

// The scanner walks from place to place. Everywhere but in bodies it takes whole lines: straight
// from the piece when the piece has the line's end, else gathered in a buffer that holds the
// longest line anybody has to see whole. A line that does not fit is no separator, and its first
// bytes have told which header field it is; the rest only runs through counter and digest. Bodies
// are counted in blocks and stop only where a line may be a separator.
//
// Invariant: `at` is the file offset of the next byte to take and `line_begin` that of the line
// being taken; nothing else remembers where the input was cut.

namespace pop {
namespace {

/// A From_ line of full length with CRLF.
constexpr std::size_t longest_gathered = longest_from_line + 2;
constexpr std::string_view from_prefix = "From ";
constexpr std::string_view mmdf_line = "\1\1\1\1";

/// A physical line.
struct Line {
  std::string_view raw;   // as it lies in the file
  std::string_view text;  // without its line end
  [[nodiscard]] bool is_empty() const { return text.empty() && !raw.empty(); }
};

std::size_t line_end_size(std::string_view tail) {
  if (!tail.ends_with('\n')) return 0;
  return tail.ends_with("\r\n") ? 2 : 1;
}

Line as_line(std::string_view raw) {
  return {raw, raw.substr(0, raw.size() - line_end_size(raw))};
}

enum class Place : std::uint8_t {
  opening,     // the first line fed
  gap,         // MMDF: after a closing line, before the next opening line
  after_open,  // MMDF: a From_ line may follow the opening line and belongs to it
  header,
  body,
  candidate,  // in the body: a line that may be a separator and is not here whole yet
  corrupt,    // not a spool: nothing more is looked at
};

}  // namespace

struct MboxScanner::State {
  State(ScanOptions chosen, LookAhead* reader, FileBytes from, SpoolFormat known)
      : options{chosen},
        look_ahead{reader},
        start{from.count},
        at{from.count},
        format{known},
        place{known == SpoolFormat::mmdf ? Place::gap : Place::opening},
        unique_id{chosen.recipe} {}

  void feed(std::string_view piece);
  void finish();

  std::size_t take_line(std::string_view piece);
  void on_long_line();
  void add_to_long_line(std::string_view bytes);
  void end_gathered_line();
  void on_line(const Line& line);
  void on_opening(const Line& line);
  void on_gap(const Line& line);
  void on_after_open(const Line& line);
  void on_header_line(const Line& line);
  void count_header_line(std::uint64_t size, std::size_t line_end, HeaderLineKind kind);
  void on_header_end(const Line& line);
  void on_candidate(const Line& line);
  void reject(std::string_view first_line);

  std::size_t take_body(std::string_view piece);
  [[nodiscard]] std::size_t seek_separator(std::string_view piece);
  void add_to_body(std::string_view bytes);
  [[nodiscard]] std::optional<std::uint64_t> believed_end(std::uint64_t length) const;
  [[nodiscard]] bool may_begin_separator(std::string_view rest) const;
  [[nodiscard]] bool is_separator(std::string_view text) const;

  void on_separator(const Line& line);
  void begin_message(std::string_view separator);
  void begin_unopened_message();
  void begin_header(std::uint64_t offset);
  void end_message(std::uint64_t content_end);
  void count_body();
  void publish(std::uint64_t end);

  ScanOptions options;
  LookAhead* look_ahead;
  const LineBlocks& blocks = best_line_blocks();
  std::uint64_t start;
  std::uint64_t at;
  SpoolFormat format;
  Place place;

  std::array<char, longest_gathered> gathered{};
  std::size_t gathered_size = 0;
  std::uint64_t line_begin = 0;
  bool long_line = false;  // a header line that outgrew `gathered`
  HeaderLineKind long_line_kind;
  std::array<char, 2> long_line_tail{};

  ScannedMessage message;
  HeaderFacts facts;
  UniqueIdMaker unique_id;
  ContentDigest digest;
  BodyContext context;
  LineTally tally;
  std::optional<std::uint64_t> claim_end;  // a believed Content-Length ends the body here
  bool closed = false;                     // MMDF: `message` lacks only its end
  std::uint64_t messages = 0;

  std::deque<ScannedMessage> found;
  std::string corrupt_text;
};

MboxScanner::MboxScanner(ScanOptions options, LookAhead* look_ahead, FileBytes start,
                         SpoolFormat format)
    : state_{std::make_unique<State>(options, look_ahead, start, format)} {}
MboxScanner::MboxScanner(MboxScanner&&) noexcept = default;
MboxScanner& MboxScanner::operator=(MboxScanner&&) noexcept = default;
MboxScanner::~MboxScanner() = default;

void MboxScanner::feed(std::string_view piece) {
  state_->feed(piece);
}

std::optional<ScannedMessage> MboxScanner::next() {
  std::deque<ScannedMessage>& found = state_->found;
  if (found.empty()) return std::nullopt;
  std::optional<ScannedMessage> message{std::move(found.front())};
  found.pop_front();
  return message;
}

Result<void> MboxScanner::finish() {
  state_->finish();
  if (state_->place == Place::corrupt) return fail(Errc::corrupt, state_->corrupt_text);
  return {};
}

SpoolFormat MboxScanner::format() const {
  return state_->format;
}

void MboxScanner::State::feed(std::string_view piece) {
  while (!piece.empty() && place != Place::corrupt) {
    piece.remove_prefix(place == Place::body ? take_body(piece) : take_line(piece));
  }
}

void MboxScanner::State::finish() {
  if (gathered_size > 0) end_gathered_line();
  if (place == Place::after_open) begin_header(at);
  if (place == Place::header || place == Place::body) end_message(at);
  if (closed) publish(at);
}

// Whole lines

std::size_t MboxScanner::State::take_line(std::string_view piece) {
  if (gathered_size == 0) line_begin = at;
  const std::size_t lf = piece.find('\n');
  const bool ended = lf != std::string_view::npos;
  const std::string_view bytes = ended ? piece.substr(0, lf + 1) : piece;
  if (ended && gathered_size == 0) {
    at += bytes.size();
    on_line(as_line(bytes));
    return bytes.size();
  }
  const std::string_view fitting = bytes.substr(0, gathered.size() - gathered_size);
  std::ranges::copy(fitting, gathered.data() + gathered_size);
  gathered_size += fitting.size();
  at += fitting.size();
  if (fitting.size() < bytes.size()) {
    if (!long_line) on_long_line();
    if (place != Place::header) return fitting.size();
    add_to_long_line(bytes.substr(fitting.size()));
  }
  if (ended) end_gathered_line();
  return bytes.size();
}

/// The gathered line is too long for a separator: decides what it is instead.
void MboxScanner::State::on_long_line() {
  const std::string_view head{gathered.data(), gathered_size};
  if (place == Place::gap) begin_unopened_message();
  if (place == Place::after_open) begin_header(line_begin);
  if (place == Place::opening) reject(head);
  if (place == Place::candidate) add_to_body(head);
  if (place != Place::header) {
    gathered_size = 0;
    return;
  }
  long_line = true;
  long_line_kind = facts.add(head);
  unique_id.header_line(head);
  if (long_line_kind.bookkeeping == Bookkeeping::none) digest.content(head);
  long_line_tail = {head[head.size() - 2], head.back()};
}

void MboxScanner::State::add_to_long_line(std::string_view bytes) {
  at += bytes.size();
  if (long_line_kind.bookkeeping == Bookkeeping::none) digest.content(bytes);
  long_line_tail[0] = bytes.size() > 1 ? bytes[bytes.size() - 2] : long_line_tail[1];
  long_line_tail[1] = bytes.back();
}

void MboxScanner::State::end_gathered_line() {
  if (long_line) {
    const std::uint64_t size = at - line_begin;
    count_header_line(size, line_end_size({long_line_tail.data(), 2}), long_line_kind);
  } else {
    on_line(as_line({gathered.data(), gathered_size}));
  }
  gathered_size = 0;
  long_line = false;
}

void MboxScanner::State::on_line(const Line& line) {
  switch (place) {
    case Place::opening:
      return on_opening(line);
    case Place::gap:
      return on_gap(line);
    case Place::after_open:
      return on_after_open(line);
    case Place::header:
      return on_header_line(line);
    case Place::candidate:
      return on_candidate(line);
    case Place::body:
    case Place::corrupt:
      break;
  }
}

void MboxScanner::State::on_opening(const Line& line) {
  if (format != SpoolFormat::mbox && line.text == mmdf_line) {
    format = SpoolFormat::mmdf;
    on_gap(line);
  } else if (is_from_line(line.text)) {
    format = SpoolFormat::mbox;
    begin_message(line.text);
    begin_header(at);
  } else {
    reject(line.text);
  }
}

void MboxScanner::State::reject(std::string_view first_line) {
  constexpr std::size_t shown = 80;
  corrupt_text = "byte " + std::to_string(line_begin) +
                 ": neither a From_ line nor an MMDF line of four ^A, but ";
  corrupt_text += first_line.empty() ? "an empty line" : '"' + escaped(first_line, shown) + '"';
  place = Place::corrupt;
}

void MboxScanner::State::on_gap(const Line& line) {
  if (line.text == mmdf_line) {
    if (closed) publish(line_begin);
    begin_message(line.text);
    place = Place::after_open;
  } else if (!line.is_empty()) {
    begin_unopened_message();
    on_header_line(line);
  }
}

void MboxScanner::State::on_after_open(const Line& line) {
  if (is_from_line(line.text)) {
    digest.separator(line.text);
    begin_header(at);
  } else {
    begin_header(line_begin);
    on_header_line(line);
  }
}

void MboxScanner::State::on_header_line(const Line& line) {
  if (format == SpoolFormat::mmdf && line.text == mmdf_line) return on_separator(line);
  if (line.is_empty()) return on_header_end(line);
  const HeaderLineKind kind = facts.add(line.text);
  unique_id.header_line(line.text);
  if (kind.bookkeeping == Bookkeeping::none) digest.content(line.raw);
  count_header_line(line.raw.size(), line.raw.size() - line.text.size(), kind);
}

void MboxScanner::State::count_header_line(std::uint64_t size, std::size_t line_end,
                                           HeaderLineKind kind) {
  if (!kind.hidden) message.wire.count += size - line_end + 2;
}

void MboxScanner::State::on_header_end(const Line& line) {
  digest.content(line.raw);
  message.wire.count += 2;
  message.body = {at};
  context = {.after_lf = true, .after_crlf = line.raw.size() == 2, .after_empty = true};
  claim_end.reset();
  const auto length = facts.content_length();
  if (length && format == SpoolFormat::mbox) claim_end = believed_end(*length);
  place = Place::body;
}

/// Where a body of `length` bytes ends, if a From_ line or the end of the file follows there.
std::optional<std::uint64_t> MboxScanner::State::believed_end(std::uint64_t length) const {
  if (!look_ahead) return std::nullopt;
  const std::uint64_t size = look_ahead->size().count;
  if (message.body.count > size || length > size - message.body.count) return std::nullopt;
  const std::uint64_t end = message.body.count + length;
  if (end == size) return end;
  // One byte earlier, to know whether `end` begins a line; two more for an empty line before it.
  std::string_view view = look_ahead->bytes({end - 1}, 1 + 2 + longest_gathered);
  const std::uint64_t view_end = end - 1 + view.size();
  if (view.size() < 2) return std::nullopt;
  const bool begins_line = view.front() == '\n';
  view.remove_prefix(1);
  const std::size_t gap = view.starts_with('\n') ? 1 : view.starts_with("\r\n") ? 2 : 0;
  if (gap == 0 && !begins_line) return std::nullopt;
  view.remove_prefix(gap);
  if (end + gap == size) return size;
  const std::size_t lf = view.find('\n');
  if (lf == std::string_view::npos && view_end != size) return std::nullopt;
  if (!is_from_line(as_line(view.substr(0, lf == view.npos ? lf : lf + 1)).text)) {
    return std::nullopt;
  }
  return end + gap;
}

// Bodies

/// Takes the body up to the first separator, which is taken too, or to the piece's end.
std::size_t MboxScanner::State::take_body(std::string_view piece) {
  const std::size_t size = seek_separator(piece);
  digest.content(piece.substr(0, size));
  at += size;
  const std::string_view rest = piece.substr(size);
  if (rest.empty()) return size;
  line_begin = at;
  const std::size_t lf = rest.substr(0, longest_gathered).find('\n');
  if (lf == std::string_view::npos) {
    place = Place::candidate;
    return size;
  }
  at += lf + 1;
  on_separator(as_line(rest.substr(0, lf + 1)));
  return size + lf + 1;
}

/// Tallies the body up to a separator or a line that may become one with the next piece.
std::size_t MboxScanner::State::seek_separator(std::string_view piece) {
  const Seek seek = format == SpoolFormat::mmdf ? Seek::mmdf_line : Seek::from_line;
  std::size_t done = 0;
  while (done < piece.size()) {
    std::string_view rest = piece.substr(done);
    if (claim_end && *claim_end > at + done) {
      rest = rest.substr(0, *claim_end - (at + done));
      done += blocks.tally(rest.data(), rest.size(), Seek::nothing, context, tally);
      continue;
    }
    if (!claim_end) {
      done += blocks.tally(rest.data(), rest.size(), seek, context, tally);
      rest = piece.substr(done);
    }
    claim_end.reset();
    if (rest.empty() || may_begin_separator(rest)) break;
    done += blocks.tally(rest.data(), 1, Seek::nothing, context, tally);
  }
  return done;
}

/// Whether `rest`, which begins a line, begins with a separator, or with a part of what may be one.
bool MboxScanner::State::may_begin_separator(std::string_view rest) const {
  const std::string_view prefix = format == SpoolFormat::mmdf ? mmdf_line : from_prefix;
  const std::size_t known = std::min(prefix.size(), rest.size());
  if (rest.substr(0, known) != prefix.substr(0, known)) return false;
  const std::size_t lf = rest.substr(0, longest_gathered).find('\n');
  if (lf == std::string_view::npos) return rest.size() < longest_gathered;
  return is_separator(as_line(rest.substr(0, lf + 1)).text);
}

bool MboxScanner::State::is_separator(std::string_view text) const {
  return format == SpoolFormat::mmdf ? text == mmdf_line : is_from_line(text);
}

void MboxScanner::State::on_candidate(const Line& line) {
  if (is_separator(line.text)) {
    on_separator(line);
  } else {
    add_to_body(line.raw);
  }
}

/// A line that was no separator after all.
void MboxScanner::State::add_to_body(std::string_view bytes) {
  blocks.tally(bytes.data(), bytes.size(), Seek::nothing, context, tally);
  digest.content(bytes);
  place = Place::body;
}

// Messages

void MboxScanner::State::on_separator(const Line& line) {
  end_message(line_begin);
  if (format == SpoolFormat::mmdf) {
    place = Place::gap;
  } else {
    begin_message(line.text);
    begin_header(at);
  }
}

void MboxScanner::State::begin_message(std::string_view separator) {
  message = {};
  message.separator = {line_begin};
  facts = {};
  tally = {};
  unique_id.begin(separator);
  digest.begin();
  if (!separator.empty()) digest.separator(separator);
}

/// MMDF: text after a closing line. Its opening line got lost, or was taken for the closing line
/// of the message before; it is a message all the same.
void MboxScanner::State::begin_unopened_message() {
  if (closed) publish(line_begin);
  begin_message({});
  begin_header(line_begin);
}

void MboxScanner::State::begin_header(std::uint64_t offset) {
  message.header = {offset};
  place = Place::header;
}

void MboxScanner::State::end_message(std::uint64_t content_end) {
  message.content_end = {content_end};
  std::size_t empty_line = 0;
  message.kind = {.may_have_utf8 = facts.may_have_utf8(), .is_unended = place == Place::header};
  if (place == Place::header) {
    message.body = {content_end};
  } else {
    count_body();
    if (context.after_empty) empty_line = context.after_crlf ? 2 : 1;
  }
  message.fingerprint = digest.finish(empty_line);
  message.stored_id = facts.stored_id();
  if (message.stored_id.empty()) message.computed_id = unique_id.finish();
  message.retrieved = facts.retrieved();
  message.has_status = facts.has_status();
  message.has_hidden_fields = facts.has_hidden_fields();
  message.folder_internal =
      start == 0 && messages == 0 &&
      (facts.is_folder_internal() || (options.uw_kluge && facts.looks_folder_internal()));
  ++messages;
  closed = true;
  if (format == SpoolFormat::mbox) publish(content_end);
}

void MboxScanner::State::count_body() {
  const std::uint64_t size = message.content_end.count - message.body.count;
  const bool unterminated = size > 0 && !context.after_lf;
  message.wire.count += size + tally.line_ends - tally.crlf_ends + (unterminated ? 2 : 0);
  message.body_lines = {tally.line_ends + (unterminated ? 1 : 0)};
}

void MboxScanner::State::publish(std::uint64_t end) {
  message.end = {end};
  found.push_back(std::move(message));
  closed = false;
}

}  // namespace pop
