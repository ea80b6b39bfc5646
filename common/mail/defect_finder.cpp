#include "mail/defect_finder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>
#include <utility>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"
#include "mail/from_line_mending.h"
#include "mail/header_survey.h"
#include "mail/text_masks.h"

// Two readers go over each piece. The scanner says what the daemon makes of the file. The walk
// notes sightings: places where a separator may be hidden, and bytes that are no text. A message's
// sightings are judged when the scanner has told where it ends, because a line means something else
// in a header, in a body and in a body whose length is known.
//
// Invariant: all sightings kept lie behind the messages judged so far.

namespace pop {
namespace {

constexpr std::string_view control_a_line = "\1\1\1\1";
/// What is read to see whether a header begins there.
constexpr std::size_t header_window = 8192;
/// A longer header is not looked at.
constexpr std::uint64_t largest_header = std::uint64_t{4} << 20;
constexpr std::size_t longest_line = longest_from_line + 2;
/// Shorter runs of NULs are control bytes of a message, longer ones what a crash left ...
constexpr std::uint64_t shortest_nul_block = 16;
/// ... for sure if they are so long and begin or end with a sector.
constexpr std::uint64_t sure_nul_block = 64;
constexpr std::uint64_t sector = 512;
constexpr std::size_t shown = 60;

std::string in_quotes(std::string_view text) {
  return '"' + escaped(text, shown) + '"';
}

std::string_view without_line_end(std::string_view line) {
  const std::size_t lf = line.find('\n');
  line = line.substr(0, lf);
  if (lf != line.npos && line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// What may stand in front of a From_ line and is not the last line of a message that was cut off.
bool is_rubbish(std::string_view text) {
  constexpr std::size_t longest = 8;
  return text.size() <= longest && std::ranges::none_of(text, [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet >= 0x20 && octet < 0x7f && c != 'F';
         });
}

/// Escape sequences, form feeds, backspaces and shifts stand in sound mail.
bool is_control(char c) {
  switch (c) {
    case '\b':
    case '\f':
    case '\x0e':
    case '\x0f':
    case '\x1b':
      return false;
    default:
      return true;
  }
}

enum class Sight : std::uint8_t {
  from_line,         // a sound From_ line where none counts
  broken_from_line,  // after an empty line
  stored_header,     // a header that bears a unique-id, after an empty line
  mmdf_line,
  nul_block,
};

struct Sighting {
  Sight what;
  std::uint64_t at;
  std::uint64_t size = 0;    // of the NULs, or of the rubbish and keyword to be replaced
  std::string inserted{};    // of a broken From_ line
  bool begins_line = false;  // a From_ line
};

}  // namespace

struct DefectFinder::State {
  State(const ScanOptions& chosen, LookAhead& whole) : options{chosen}, text{whole} {}

  void feed(std::string_view bytes);
  SpoolFindings finish();

  // The beginning of the file
  void examine_head();
  std::uint64_t past_nuls(std::uint64_t from);
  void judge_first_line(std::uint64_t from);
  std::uint64_t next_separator(std::uint64_t from);

  // The walk
  void walk();
  void walk_block(const TextMasks& masks, unsigned size);
  void on_hits(std::uint64_t paragraphs, std::uint64_t words, std::uint64_t controls,
               std::uint64_t lf);
  void on_paragraph(std::uint64_t offset);
  void on_word(std::uint64_t offset, std::uint64_t line);
  bool counts_there(std::uint64_t offset);
  void on_control(std::uint64_t offset, std::uint64_t line);
  void note_controls(std::uint64_t offset, std::uint64_t count, std::uint64_t line);
  void settle_controls();
  void end_nul_run();
  void advance_to(std::uint64_t offset);

  // What a message's sightings and header mean
  void judge(std::size_t index);
  void judge_sighting(const Sighting& sighting, const ScannedMessage& message, bool length_known);
  void judge_from_line(const Sighting& sighting, const ScannedMessage& message);
  void judge_mmdf_line(const Sighting& sighting);
  void judge_nul_block(const Sighting& sighting);
  bool judge_length(const ScannedMessage& message, std::string_view header,
                    const HeaderSurvey& survey);
  [[nodiscard]] bool leads_to_sighting(const ScannedMessage& message, std::uint64_t length) const;
  void judge_no_fields(std::size_t index, std::string_view header, const HeaderSurvey& survey);
  void judge_stored_ids(const ScannedMessage& message, std::string_view header,
                        const HeaderSurvey& survey);
  void judge_imap(std::size_t index, std::string_view header, const HeaderSurvey& survey);
  void judge_framing(std::size_t index);
  void judge_controls();
  void judge_end();
  void judge_duplicates();
  void judge_equal_ids(const std::vector<bool>& duplicate);
  void number_lines();

  std::string_view view(std::uint64_t offset, std::size_t count);
  std::string_view line_at(std::uint64_t offset);
  [[nodiscard]] std::uint64_t size() const { return text.size().count; }
  [[nodiscard]] std::string eol() const { return crlf_first ? "\r\n" : "\n"; }
  std::string missing_line_ends(std::uint64_t offset);
  void report(Defect defect);
  void take_messages();

  ScanOptions options;
  LookAhead& text;
  MaskText mask = best_text_masks();
  std::optional<MboxScanner> scanner;
  std::uint64_t scan_from = 0;
  bool is_mmdf = false;
  SpoolFindings found;
  bool head_examined = false;
  bool first_is_listed = true;  // nothing but rubbish stands before scan_from

  std::string_view piece;
  std::uint64_t piece_at = 0;  // file offset of its first byte

  // Of the walk
  std::uint64_t at = 0;  // file offset of the block
  TextMasks before{};    // the 64 bytes before the block, the last one in the highest bit
  std::uint64_t before_first_cr = 0, before_empty = 0;  // the same, for CRs and line ends
  std::uint64_t line_begin = 0;
  std::uint64_t resume_at = 0;           // hits before it have been dealt with
  std::optional<std::uint64_t> nul_run;  // its beginning, while it goes on
  std::uint64_t nul_run_line = 0, nul_run_end = 0, nul_block_end = 0;
  bool seen_line_end = false, crlf_first = false;
  std::uint64_t line_ends = 0, other_line_ends = 0;
  std::optional<std::uint64_t> other_line_end;

  std::vector<Sighting> sightings;
  std::uint64_t first_control = 0, controls = 0;
  struct LineControls {
    std::uint64_t line = 0, first = 0, count = 0;
  };
  LineControls line_controls;
  std::size_t judged = 0;
  std::size_t judging = 0;  // number of the message that is judged, 0 for none
  std::string header_copy;
  std::uint64_t doubled_end = 0;  // of the From_ lines at the beginning of its header

  struct StoredId {
    std::size_t index;
    SpoolEdit edit;  // takes it away
  };
  std::vector<StoredId> stored_ids;
  bool has_imap_base = false;
  std::optional<Defect> first_imap_id;
};

DefectFinder::DefectFinder(const ScanOptions& options, LookAhead& text)
    : state_{std::make_unique<State>(options, text)} {}
DefectFinder::DefectFinder(DefectFinder&&) noexcept = default;
DefectFinder& DefectFinder::operator=(DefectFinder&&) noexcept = default;
DefectFinder::~DefectFinder() = default;

void DefectFinder::feed(std::string_view piece) {
  state_->feed(piece);
}
SpoolFindings DefectFinder::finish() {
  return state_->finish();
}

void DefectFinder::State::feed(std::string_view bytes) {
  if (!std::exchange(head_examined, true)) examine_head();
  piece = bytes;
  const std::uint64_t end = piece_at + bytes.size();
  if (end > scan_from) {
    if (!scanner) scanner.emplace(options, &text, FileBytes{scan_from}, SpoolFormat::empty);
    const std::uint64_t skipped = scan_from > piece_at ? scan_from - piece_at : 0;
    scanner->feed(bytes.substr(skipped));
    take_messages();
    walk();
    advance_to(end);
  }
  piece_at = end;
  piece = {};
}

SpoolFindings DefectFinder::State::finish() {
  if (!std::exchange(head_examined, true)) examine_head();
  end_nul_run();
  if (scanner) {
    (void)scanner->finish();  // examine_head() has seen that it begins with a separator
    take_messages();
    advance_to(size());
    found.format = scanner->format();
    judge_end();
    judge_duplicates();
  }
  if (first_imap_id && !has_imap_base && first_is_listed) report(*std::move(first_imap_id));
  if (other_line_end) {
    report({.kind = DefectKind::mixed_line_ends,
            .at = {*other_line_end},
            .detail = std::to_string(other_line_ends) + " of " + std::to_string(line_ends) +
                      " lines end with " + (crlf_first ? "LF, not CRLF" : "CRLF, not LF")});
  }
  std::ranges::stable_sort(found.defects, {}, [](const Defect& defect) {
    return std::pair{defect.at, defect.kind};
  });
  number_lines();
  return std::move(found);
}

void DefectFinder::State::take_messages() {
  while (auto message = scanner->next()) found.messages.push_back(std::move(*message));
}

void DefectFinder::State::report(Defect defect) {
  if (found.defects.size() >= most_defects) {
    found.cut_off = true;
    return;
  }
  if (defect.message == 0) defect.message = judging;
  found.defects.push_back(std::move(defect));
}

/// Up to `count` bytes at `offset`; valid until the next call.
std::string_view DefectFinder::State::view(std::uint64_t offset, std::size_t count) {
  if (offset >= piece_at && offset - piece_at < piece.size()) {
    const std::string_view rest = piece.substr(offset - piece_at);
    if (rest.size() >= count || piece_at + piece.size() == size()) return rest.substr(0, count);
  }
  return text.bytes({offset}, count);
}

/// The line there with its line end; cut where it is longer than any From_ line.
std::string_view DefectFinder::State::line_at(std::uint64_t offset) {
  if (offset >= piece_at && offset - piece_at < piece.size()) {
    const std::string_view rest = piece.substr(offset - piece_at, longest_line);
    const std::size_t lf = rest.find('\n');
    if (lf != rest.npos) return rest.substr(0, lf + 1);
  }
  const std::string_view rest = view(offset, longest_line);
  return rest.substr(0, std::min(rest.find('\n'), rest.size() - 1) + 1);
}

/// What must be put at `offset` for a From_ line there to count.
std::string DefectFinder::State::missing_line_ends(std::uint64_t offset) {
  const std::uint64_t look = std::min<std::uint64_t>(offset, 4);
  const std::string_view last = view(offset - look, look);
  if (offset == 0 || last.ends_with("\n\n") || last.ends_with("\n\r\n")) return {};
  return last.ends_with('\n') ? eol() : eol() + eol();
}

// The beginning of the file

/// Finds where the scanner can begin, and what stands in front of that.
void DefectFinder::State::examine_head() {
  std::uint64_t from = 0;
  for (;;) {
    const std::string_view window = text.bytes({from}, 2);
    if (window.empty()) break;
    std::uint64_t end = from;
    DefectKind kind = DefectKind::nul_block;
    std::string detail;
    if (window[0] == '\0') {
      end = past_nuls(from);
      detail = std::to_string(end - from) + " NUL octets";
    } else if (window[0] == '\n' || window == "\r\n") {
      kind = DefectKind::leading_empty_lines;
      end = from + (window[0] == '\n' ? 1 : 2);
      detail = "an empty line";
    } else {
      break;
    }
    report({.kind = kind,
            .remedy = Remedy::sure,
            .at = {from},
            .detail = detail,
            .edits = {{.at = {from}, .removed = {end - from}, .inserted = {}}}});
    from = end;
  }
  scan_from = from;
  if (from < size()) judge_first_line(from);
  at = line_begin = resume_at = scan_from;
  is_mmdf = without_line_end(text.bytes({scan_from}, control_a_line.size() + 2)) == control_a_line;
}

std::uint64_t DefectFinder::State::past_nuls(std::uint64_t from) {
  for (;;) {
    const std::string_view window = text.bytes({from}, header_window);
    const std::size_t other = window.find_first_not_of('\0');
    if (other != window.npos) return from + other;
    from += window.size();
    if (window.empty()) return from;
  }
}

void DefectFinder::State::judge_first_line(std::uint64_t from) {
  const std::string window{text.bytes({from}, header_window)};
  const std::string_view line = without_line_end(std::string_view{window}.substr(0, longest_line));
  if (line == control_a_line || is_from_line(line)) return;
  const std::size_t lf = std::min(window.find('\n'), window.size() - 1);
  const std::string_view header = std::string_view{window}.substr(lf + 1);
  Defect defect{.at = {from}, .detail = in_quotes(line)};
  if (auto mending = mended_from_line(line, header); mending) {
    defect.kind = DefectKind::damaged_from_line;
    defect.remedy = Remedy::sure;
    defect.edits = {{{from}, {mending->removed}, std::move(mending->inserted)}};
  } else if (const HeaderLook look = look_at_header(window); look.has_trace || look.has_origin) {
    defect.kind = DefectKind::missing_from_line;
    defect.remedy = Remedy::sure;
    defect.edits = {{{from}, {}, from_line_for(window)}};
  }
  scan_from = next_separator(from + lf + 1);
  first_is_listed = false;
  if (defect.edits.empty() && scan_from < size()) {
    defect.kind = DefectKind::leading_text;
    defect.remedy = Remedy::doubtful;
    defect.edits = {{{from}, {}, make_from_line("", {}) + "Subject: recovered text\n\n"}};
    std::string separation = missing_line_ends(scan_from);
    if (!separation.empty()) defect.edits.push_back({{scan_from}, {}, std::move(separation)});
  }
  report(std::move(defect));
}

/// The next line that is a separator with a header behind it; the file's size if there is none.
std::uint64_t DefectFinder::State::next_separator(std::uint64_t from) {
  constexpr std::size_t window_size = std::size_t{64} << 10;
  while (from < size()) {
    const std::string window{text.bytes({from}, window_size + header_window)};
    if (window.empty()) break;
    const bool last = from + window.size() >= size();
    const std::size_t usable = last ? window.size() : window_size;
    for (std::size_t begin = 0; begin < usable;) {
      const std::string_view rest = std::string_view{window}.substr(begin);
      const std::string_view line = without_line_end(rest.substr(0, longest_line));
      const std::size_t lf = rest.find('\n');
      const std::string_view behind = lf == rest.npos ? std::string_view{} : rest.substr(lf + 1);
      const bool begins_message = line == control_a_line ||
                                  (is_from_line(line) && look_at_header(behind).begins_with_field);
      if (begins_message && (begin > 0 || from > 0)) return from + begin;
      begin += lf == rest.npos ? rest.size() : lf + 1;
      if (begin >= usable) from += begin;
    }
  }
  return size();
}

// The walk

void DefectFinder::State::walk() {
  constexpr std::size_t batch = 64;
  std::array<TextMasks, batch> masks;
  std::string_view rest = piece.substr(std::min<std::uint64_t>(at - piece_at, piece.size()));
  while (rest.size() >= 64) {
    const std::size_t blocks = std::min(rest.size() / 64, batch);
    mask(rest.data(), blocks, masks.data());
    for (std::size_t i = 0; i < blocks; ++i) walk_block(masks.at(i), 64);
    rest.remove_prefix(blocks * 64);
  }
  if (rest.empty()) return;
  std::array<char, 64> last;
  last.fill('.');
  std::ranges::copy(rest, last.begin());
  mask(last.data(), 1, masks.data());
  walk_block(masks[0], static_cast<unsigned>(rest.size()));
}

/// The `size` (1 to 64) bytes at `at`; what is behind them is set in no mask.
void DefectFinder::State::walk_block(const TextMasks& now, unsigned size) {
  const auto shifted = [](std::uint64_t bits, std::uint64_t earlier, unsigned by) {
    return bits << by | earlier >> (64 - by);
  };
  const std::uint64_t begins = shifted(now.lf, before.lf, 1);
  const std::uint64_t first_cr = now.cr & begins;
  const std::uint64_t empty = now.lf & (begins | shifted(first_cr, before_first_cr, 1));
  const std::uint64_t valid = size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
  const std::uint64_t paragraphs = shifted(empty, before_empty, 1) & ~now.lf & ~now.cr & valid;
  std::uint64_t words = now.space & shifted(now.m, before.m, 1);
  if (words != 0) words &= shifted(now.o, before.o, 2) & shifted(now.r, before.r, 3);

  const std::uint64_t crlf = now.lf & shifted(now.cr, before.cr, 1);
  if (now.lf != 0) {
    if (!std::exchange(seen_line_end, true)) crlf_first = (crlf & -now.lf & now.lf) != 0;
    const std::uint64_t other = crlf_first ? now.lf & ~crlf : crlf;
    line_ends += static_cast<std::uint64_t>(std::popcount(now.lf));
    if (other != 0) {
      other_line_ends += static_cast<std::uint64_t>(std::popcount(other));
      if (!other_line_end) other_line_end = at + static_cast<unsigned>(std::countr_zero(other));
    }
  }
  if ((paragraphs | words | now.control) != 0) on_hits(paragraphs, words, now.control, now.lf);
  if (now.lf != 0) line_begin = at + 64 - static_cast<unsigned>(std::countl_zero(now.lf));

  const auto kept = [size](std::uint64_t bits, std::uint64_t earlier) {
    return size == 64 ? bits : bits << (64 - size) | earlier >> size;
  };
  before = {kept(now.lf, before.lf),
            kept(now.cr, before.cr),
            kept(now.r, before.r),
            kept(now.o, before.o),
            kept(now.m, before.m),
            kept(now.space, before.space),
            0};
  before_first_cr = kept(first_cr, before_first_cr);
  before_empty = kept(empty, before_empty);
  at += size;
}

void DefectFinder::State::on_hits(std::uint64_t paragraphs, std::uint64_t words,
                                  std::uint64_t control_bytes, std::uint64_t lf) {
  for (std::uint64_t hits = paragraphs | words | control_bytes; hits != 0; hits &= hits - 1) {
    const auto bit = static_cast<unsigned>(std::countr_zero(hits));
    const std::uint64_t one = std::uint64_t{1} << bit;
    const std::uint64_t offset = at + bit;
    if (offset < resume_at) continue;
    const std::uint64_t ends_before = lf & (one - 1);
    const std::uint64_t line = ends_before == 0
                                   ? line_begin
                                   : at + 64 - static_cast<unsigned>(std::countl_zero(ends_before));
    if ((control_bytes & one) != 0) on_control(offset, line);
    if ((paragraphs & one) != 0) on_paragraph(offset);
    if ((words & one) != 0 && offset >= line + 4) on_word(offset, line);
  }
}

/// A line behind an empty one. Sound From_ lines are the scanner's.
void DefectFinder::State::on_paragraph(std::uint64_t offset) {
  const std::string_view line = without_line_end(line_at(offset));
  const bool from = line.starts_with("From ");
  if (from && is_from_line(line)) return;
  if (std::min(line.find_first_not_of('\0'), line.size()) >= shortest_nul_block) return;
  const bool may_be_field = line.starts_with("R") || line.starts_with("X-UID") ||
                            line.starts_with("D") || line.starts_with("F");
  const bool has_date = line.size() > 20 && line.back() >= '0' && line.back() <= '9';
  if (!from && !has_date && !may_be_field) return;
  const std::string kept{line};
  const std::string_view window = view(offset, header_window);
  const std::size_t lf = window.find('\n');
  if (lf == window.npos) return;
  const std::string_view behind = window.substr(lf + 1);
  if (from || has_date) {
    auto mending = mended_from_line(kept, behind);
    const bool text_in_front = mending && mending->inserted.empty() &&
                               !is_rubbish(std::string_view{kept}.substr(0, mending->removed));
    if (mending && !text_in_front && look_at_header(behind).is_convincing()) {
      advance_to(offset);
      sightings.push_back(
          {Sight::broken_from_line, offset, mending->removed, std::move(mending->inserted), true});
      return;
    }
  }
  const HeaderLook look = may_be_field ? look_at_header(window) : HeaderLook{};
  if (!look.has_stored_id || !look.is_convincing()) return;
  advance_to(offset);
  sightings.push_back({.what = Sight::stored_header, .at = offset});
}

/// Whether a From_ line that begins at `offset` is a separator, or a part of one.
bool DefectFinder::State::counts_there(std::uint64_t offset) {
  if (!is_mmdf && missing_line_ends(offset).empty()) return true;
  const std::uint64_t look = std::min<std::uint64_t>(offset, control_a_line.size() + 2);
  return view(offset - look, look).find(control_a_line) != std::string_view::npos;
}

/// "rom " ends at `offset` in the line that begins at `line`.
void DefectFinder::State::on_word(std::uint64_t offset, std::uint64_t line) {
  const std::uint64_t from = offset - 4;
  if (view(from, 1) != "F" || from == scan_from) return;
  if (nul_run && nul_run_end <= from) end_nul_run();
  const std::string_view front = view(line, std::min<std::uint64_t>(from - line, 16));
  if (is_rubbish(front) && counts_there(line)) return;  // seen as a paragraph
  if (nul_block_end == from || !is_from_line(without_line_end(line_at(from)))) return;
  const std::string_view around = view(line, std::min<std::uint64_t>(from - line + 1, 512));
  const std::string_view rubbish = around.substr(0, std::min<std::uint64_t>(from - line, 511));
  if (from > line && rubbish.find_first_not_of("> \t|:") == rubbish.npos) return;
  const std::string_view window = view(from, header_window);
  const std::size_t lf = window.find('\n');
  const bool convincing =
      lf != window.npos && look_at_header(window.substr(lf + 1)).is_convincing();
  if (!convincing) return;
  advance_to(from);
  sightings.push_back({.what = Sight::from_line, .at = from, .begins_line = from == line});
}

void DefectFinder::State::on_control(std::uint64_t offset, std::uint64_t line) {
  const char c = view(offset, 1).front();
  if (!is_control(c)) return;
  if (c == '\1' && offset == line && without_line_end(line_at(offset)) == control_a_line) {
    resume_at = offset + control_a_line.size();
    if (is_mmdf) return;
    advance_to(offset);
    sightings.push_back({.what = Sight::mmdf_line, .at = offset});
    return;
  }
  if (c == '\0') {
    if (nul_run && nul_run_end != offset) end_nul_run();
    if (!nul_run) {
      nul_run = offset;
      nul_run_line = line;
    }
    const std::string_view rest = piece.substr(offset - piece_at);
    const std::size_t run = std::min(rest.find_first_not_of('\0'), rest.size());
    resume_at = nul_run_end = offset + run;
    if (run < rest.size()) end_nul_run();
    return;
  }
  note_controls(offset, 1, line);
}

/// Those of a line that is not over yet wait: a separator may turn out to begin there.
void DefectFinder::State::note_controls(std::uint64_t offset, std::uint64_t count,
                                        std::uint64_t line) {
  if (line_controls.count > 0 && line_controls.line != line) settle_controls();
  if (line_controls.count == 0) line_controls = {line, offset, 0};
  line_controls.count += count;
}

void DefectFinder::State::settle_controls() {
  const LineControls settled = std::exchange(line_controls, {});
  if (settled.count == 0) return;
  advance_to(settled.line);
  if (controls == 0) first_control = settled.first;
  controls += settled.count;
}

void DefectFinder::State::end_nul_run() {
  if (!nul_run) return;
  const std::uint64_t begin = *std::exchange(nul_run, std::nullopt);
  const std::uint64_t count = nul_run_end - begin;
  if (count < shortest_nul_block) return note_controls(begin, count, nul_run_line);
  advance_to(begin);
  nul_block_end = nul_run_end;
  sightings.push_back({.what = Sight::nul_block, .at = begin, .size = count});
}

/// Judges all messages that end at or before `offset`.
void DefectFinder::State::advance_to(std::uint64_t offset) {
  if (nul_run && nul_run_end < offset) end_nul_run();
  while (judged < found.messages.size() && found.messages[judged].end.count <= offset) {
    const std::uint64_t end = found.messages[judged].end.count;
    if (nul_run && *nul_run < end) break;
    if (line_controls.count > 0 && line_controls.line < end) {
      settle_controls();
      continue;
    }
    const auto later = std::ranges::stable_partition(
        sightings, [end](const Sighting& sighting) { return sighting.at < end; });
    std::vector<Sighting> kept{std::make_move_iterator(later.begin()),
                               std::make_move_iterator(later.end())};
    sightings.erase(later.begin(), later.end());
    judging = judged + 1;
    judge(judged++);
    judging = 0;
    sightings = std::move(kept);
    controls = 0;
  }
}

// Judgement

void DefectFinder::State::judge(std::size_t index) {
  const ScannedMessage& message = found.messages[index];
  judge_framing(index);
  judge_controls();
  const std::uint64_t header_size = (message.body - message.header).count;
  bool length_known = false;
  if (header_size <= largest_header) {
    header_copy = view(message.header.count, header_size);
    const HeaderSurvey survey = survey_header(header_copy);
    length_known = judge_length(message, header_copy, survey);
    judge_no_fields(index, header_copy, survey);
    judge_stored_ids(message, header_copy, survey);
    judge_imap(index, header_copy, survey);
  }
  for (const Sighting& sighting : sightings) judge_sighting(sighting, message, length_known);
}

void DefectFinder::State::judge_sighting(const Sighting& sighting, const ScannedMessage& message,
                                         bool length_known) {
  const bool in_header = sighting.at < message.body.count;
  switch (sighting.what) {
    case Sight::mmdf_line:
      return judge_mmdf_line(sighting);
    case Sight::nul_block:
      return judge_nul_block(sighting);
    case Sight::from_line:
    case Sight::broken_from_line:
    case Sight::stored_header:
      break;
  }
  if (length_known && !in_header) return;  // text: its writer has counted it
  judge_from_line(sighting, message);
}

void DefectFinder::State::judge_from_line(const Sighting& sighting, const ScannedMessage& message) {
  if (sighting.at < message.body.count) {
    // Sound headers end in the same words ("X-Envelope: From a Thu ..."); what stands alone on a
    // line is told as a doubled From_ line if it is the first.
    const bool doubled = sighting.begins_line && doubled_end > sighting.at;
    if (!sighting.begins_line || doubled) return;
  }
  Defect defect{.kind = is_mmdf ? DefectKind::mixed_formats : DefectKind::glued_message,
                .remedy = Remedy::doubtful,
                .at = {sighting.at},
                .detail = in_quotes(without_line_end(line_at(sighting.at)))};
  std::string inserted = is_mmdf ? std::string{} : missing_line_ends(sighting.at);
  if (sighting.what == Sight::broken_from_line) {
    if (!is_mmdf) defect.kind = DefectKind::damaged_from_line;
    inserted += sighting.inserted;
  } else if (sighting.what == Sight::stored_header) {
    if (!is_mmdf) defect.kind = DefectKind::missing_from_line;
    inserted += from_line_for(view(sighting.at, header_window));
  }
  if (is_mmdf) {
    inserted.insert(0, std::string{control_a_line} + eol() + std::string{control_a_line} + eol());
    if (!sighting.begins_line && sighting.what == Sight::from_line) inserted.insert(0, eol());
  }
  defect.edits = {{{sighting.at}, {sighting.size}, std::move(inserted)}};
  report(std::move(defect));
}

/// In an mbox: opens or closes a message of the other format.
void DefectFinder::State::judge_mmdf_line(const Sighting& sighting) {
  const std::uint64_t end = sighting.at + line_at(sighting.at).size();
  const std::string window{view(end, header_window)};
  const std::string_view next = without_line_end(std::string_view{window}.substr(0, longest_line));
  Defect defect{.kind = DefectKind::mixed_formats,
                .at = {sighting.at},
                .detail = "a line of four Control-A in an mbox"};
  std::string separation = missing_line_ends(sighting.at);
  const bool separates = next == control_a_line || window.empty() || is_from_line(next);
  if (separates || look_at_header(window).is_convincing()) {
    if (!separates) separation += from_line_for(window);
    defect.remedy = Remedy::doubtful;
    defect.edits = {{{sighting.at}, {end - sighting.at}, std::move(separation)}};
  }
  report(std::move(defect));
}

void DefectFinder::State::judge_nul_block(const Sighting& sighting) {
  const std::uint64_t end = sighting.at + sighting.size;
  const bool on_sectors = sighting.at % sector == 0 || end % sector == 0 || end == size();
  const bool sure = sighting.size >= sure_nul_block && on_sectors;
  const std::string window{view(end, header_window)};
  const std::size_t lf = std::min(window.find('\n'), window.size());
  const std::string_view line = without_line_end(std::string_view{window}.substr(0, longest_line));
  const std::string_view behind = std::string_view{window}.substr(std::min(lf + 1, window.size()));
  SpoolEdit edit{{sighting.at}, {sighting.size}, {}};
  const bool header_behind = look_at_header(behind).is_convincing();
  if (is_from_line(line)) {
    edit.inserted = missing_line_ends(sighting.at);
  } else if (auto mending = mended_from_line(line, behind); mending && header_behind) {
    edit.inserted = missing_line_ends(sighting.at) + mending->inserted;
    edit.removed += {mending->removed};
  } else if (look_at_header(window).is_convincing()) {
    edit.inserted = missing_line_ends(sighting.at) + from_line_for(window);
  }
  report({.kind = DefectKind::nul_block,
          .remedy = sure ? Remedy::sure : Remedy::doubtful,
          .at = {sighting.at},
          .detail = std::to_string(sighting.size) + " NUL octets",
          .edits = {std::move(edit)}});
}

/// Whether a Content-Length: says what the body is; reports each that does not.
bool DefectFinder::State::judge_length(const ScannedMessage& message, std::string_view header,
                                       const HeaderSurvey& survey) {
  if (survey.content_lengths.empty()) return false;
  const std::uint64_t body = (message.content_end - message.body).count;
  const std::string_view last = view(message.content_end.count - std::min<std::uint64_t>(body, 4),
                                     std::min<std::uint64_t>(body, 4));
  std::uint64_t empty_line = 0;
  if (last.ends_with("\n\n") || last == "\n") empty_line = 1;
  if (last.ends_with("\n\r\n") || last == "\r\n") empty_line = 2;
  bool all_right = true;
  for (std::size_t i = 0; i < survey.content_lengths.size(); ++i) {
    const SurveyedField& field = survey.content_lengths[i];
    const std::string_view value = header.substr(field.value, field.value_size);
    const auto length = decimal(value);
    if (i == 0 && length && (*length == body || *length == body - empty_line)) continue;
    if (i > 0 && value == header.substr(survey.content_lengths[0].value,
                                        survey.content_lengths[0].value_size)) {
      continue;
    }
    all_right = false;
    if (length && leads_to_sighting(message, *length)) continue;
    const FileBytes begin = message.header + FileBytes{field.begin};
    SpoolEdit edit{message.header + FileBytes{field.value},
                   {field.value_size},
                   std::to_string(body - empty_line)};
    if (i > 0 || field.value_size == 0) edit = {begin, {field.end - field.begin}, {}};
    Defect defect{
        .kind = DefectKind::wrong_content_length,
        .at = begin,
        .detail = in_quotes(value) + ", and the body has " + std::to_string(body - empty_line)};
    // Nobody knows the length before it is known where the message ends.
    if (sightings.empty()) {
      defect.remedy = Remedy::sure;
      defect.edits = {std::move(edit)};
    }
    report(std::move(defect));
  }
  return all_right;
}

/// Whether a body of `length` ends where something is wrong: then that is wrong, not the length.
bool DefectFinder::State::leads_to_sighting(const ScannedMessage& message,
                                            std::uint64_t length) const {
  const std::uint64_t end = message.body.count + length;
  return std::ranges::any_of(sightings, [&](const Sighting& sighting) {
    return end <= sighting.at && sighting.at <= end + 2;
  });
}

void DefectFinder::State::judge_no_fields(std::size_t index, std::string_view header,
                                          const HeaderSurvey& survey) {
  const ScannedMessage& message = found.messages[index];
  doubled_end = 0;
  for (const SurveyedField& line : survey.doubled) {
    const FileBytes begin = message.header + FileBytes{line.begin};
    doubled_end = message.header.count + line.end;
    report({.kind = DefectKind::doubled_from_line,
            .remedy = Remedy::sure,
            .at = begin,
            .detail = in_quotes(without_line_end(header.substr(line.begin, line.end - line.begin))),
            .edits = {{begin, {line.end - line.begin}, {}}}});
  }
  if (survey.no_fields.empty()) return;
  const SurveyedField& first = survey.no_fields.front();
  const std::string detail =
      in_quotes(without_line_end(header.substr(first.begin, first.end - first.begin)));
  if (survey.fields == 0 && index > 0 && !is_mmdf && survey.doubled.empty()) {
    report({.kind = DefectKind::false_separator,
            .remedy = Remedy::doubtful,
            .at = message.separator,
            .detail = "followed by " + detail,
            .edits = {{message.separator, {}, ">"}}});
    return;
  }
  if (message.separator == message.header) return;  // told as an unopened message
  const FileBytes begin = message.header + FileBytes{first.begin};
  const bool field_follows = survey.fields_after_first_no_field > 0;
  report({.kind = DefectKind::damaged_header,
          .remedy = Remedy::doubtful,
          .at = begin,
          .detail = detail,
          .edits = {{begin, {}, field_follows ? "X-Damaged-Header: " : eol()}}});
}

void DefectFinder::State::judge_stored_ids(const ScannedMessage& message, std::string_view header,
                                           const HeaderSurvey& survey) {
  bool has_one = false;
  for (const SurveyedField& field : survey.stored_ids) {
    const std::string_view value = header.substr(field.value, field.value_size);
    const FileBytes begin = message.header + FileBytes{field.begin};
    const SpoolEdit edit{begin, {field.end - field.begin}, {}};
    if (!is_valid_unique_id(value)) {
      report({.kind = DefectKind::invalid_unique_id,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value),
              .edits = {edit}});
    } else if (std::exchange(has_one, true)) {
      report({.kind = DefectKind::duplicate_unique_id,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value) + " besides another one in the same header",
              .edits = {edit}});
    } else {
      stored_ids.push_back({judging - 1, edit});
    }
  }
}

void DefectFinder::State::judge_imap(std::size_t index, std::string_view header,
                                     const HeaderSurvey& survey) {
  const ScannedMessage& message = found.messages[index];
  for (const SurveyedField& field : survey.imap_bases) {
    const std::string_view value = header.substr(field.value, field.value_size);
    const FileBytes begin = message.header + FileBytes{field.begin};
    if (index > 0) {
      report({.kind = DefectKind::forged_imap_base,
              .remedy = Remedy::sure,
              .at = begin,
              .detail = in_quotes(value),
              .edits = {{begin, {field.end - field.begin}, {}}}});
      continue;
    }
    has_imap_base = true;
    if (is_imap_base(value)) continue;
    report({.kind = DefectKind::damaged_imap_base, .at = begin, .detail = in_quotes(value)});
  }
  if (first_imap_id || survey.imap_ids.empty()) return;
  const SurveyedField& field = survey.imap_ids.front();
  first_imap_id = Defect{
      .kind = DefectKind::lost_imap_base,
      .at = message.header + FileBytes{field.begin},
      .message = judging,
      .detail = "X-UID: " + std::string{in_quotes(header.substr(field.value, field.value_size))}};
}

/// MMDF: lines of Control-A that are missing.
void DefectFinder::State::judge_framing(std::size_t index) {
  const ScannedMessage& message = found.messages[index];
  if (!is_mmdf || message.separator != message.header) return;
  report({.kind = DefectKind::unopened_message,
          .remedy = Remedy::sure,
          .at = message.separator,
          .detail = in_quotes(without_line_end(line_at(message.separator.count))),
          .edits = {{message.separator, {}, std::string{control_a_line} + eol()}}});
}

void DefectFinder::State::judge_controls() {
  if (controls == 0) return;
  report({.kind = DefectKind::control_bytes,
          .at = {first_control},
          .detail = std::to_string(controls) + (controls == 1 ? " octet" : " octets") +
                    ", the first one " + in_quotes(view(first_control, 1))});
}

// The end of the file

void DefectFinder::State::judge_end() {
  if (found.messages.empty()) return;
  const ScannedMessage& last = found.messages.back();
  judging = found.messages.size();
  const std::uint64_t look = std::min<std::uint64_t>(size(), 4);
  const std::string tail{text.bytes({size() - look}, look)};
  const bool ended = tail.ends_with('\n');
  if (is_mmdf) {
    if (last.content_end == last.end) {
      report(
          {.kind = DefectKind::unclosed_message,
           .remedy = Remedy::sure,
           .at = {size()},
           .detail = "the file ends without a closing line",
           .edits = {{{size()}, {}, (ended ? "" : eol()) + std::string{control_a_line} + eol()}}});
    }
  } else if (!ended) {
    report({.kind = DefectKind::torn_message,
            .remedy = Remedy::sure,
            .at = {size()},
            .detail = "the file ends in the middle of a line",
            .edits = {{{size()}, {}, eol() + eol()}}});
  } else if (!tail.ends_with("\n\n") && !tail.ends_with("\n\r\n")) {
    report({.kind = DefectKind::missing_empty_line,
            .remedy = Remedy::sure,
            .at = {size()},
            .detail = "the file does not end with an empty line",
            .edits = {{{size()}, {}, eol()}}});
  }
  judging = 0;
}

// What is there twice

void DefectFinder::State::judge_duplicates() {
  std::vector<std::size_t> order(found.messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return found.messages[i].fingerprint; });
  std::vector<bool> duplicate(order.size());
  for (std::size_t k = 1, first = 0; k < order.size(); ++k) {
    const ScannedMessage& one = found.messages[order[first]];
    const ScannedMessage& other = found.messages[order[k]];
    if (one.fingerprint != other.fingerprint) {
      first = k;
      continue;
    }
    duplicate[order[k]] = true;
    const bool same_id = !one.stored_id.empty() && one.stored_id == other.stored_id;
    report({.kind = DefectKind::duplicate_message,
            .remedy = same_id ? Remedy::sure : Remedy::doubtful,
            .at = other.separator,
            .message = order[k] + 1,
            .detail = "the same as message " + std::to_string(order[first] + 1),
            .edits = {{other.separator, other.end - other.separator, {}}}});
  }
  judge_equal_ids(duplicate);
}

void DefectFinder::State::judge_equal_ids(const std::vector<bool>& duplicate) {
  const auto id_of = [&](const StoredId& stored) -> const std::string& {
    return found.messages[stored.index].stored_id;
  };
  std::ranges::stable_sort(stored_ids, {}, id_of);
  for (std::size_t k = 1, first = 0; k < stored_ids.size(); ++k) {
    if (id_of(stored_ids[first]) != id_of(stored_ids[k])) {
      first = k;
      continue;
    }
    if (duplicate[stored_ids[k].index]) continue;  // goes as a whole, or asked about
    report({.kind = DefectKind::duplicate_unique_id,
            .remedy = Remedy::sure,
            .at = stored_ids[k].edit.at,
            .message = stored_ids[k].index + 1,
            .detail = in_quotes(id_of(stored_ids[k])) + " is that of message " +
                      std::to_string(stored_ids[first].index + 1),
            .edits = {stored_ids[k].edit}});
  }
}

/// The only look back at the file, and only up to the last defect.
void DefectFinder::State::number_lines() {
  std::uint64_t counted_to = 0, line = 1;
  for (Defect& defect : found.defects) {
    while (counted_to < defect.at.count) {
      constexpr std::uint64_t window_size = std::uint64_t{256} << 10;
      const std::string_view window =
          text.bytes({counted_to}, std::min(window_size, defect.at.count - counted_to));
      if (window.empty()) return;
      line += static_cast<std::uint64_t>(std::ranges::count(window, '\n'));
      counted_to += window.size();
    }
    defect.line = line;
  }
}

}  // namespace pop
