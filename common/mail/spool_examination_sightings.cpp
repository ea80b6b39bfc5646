#include "mail/spool_examination.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "mail/from_line.h"
#include "mail/from_line_mending.h"

namespace pop {
namespace {

/// Shorter runs of NULs are control bytes of a message, longer ones what a crash left ...
constexpr std::uint64_t shortest_nul_block = 16;

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

}  // namespace

// The walk

void SpoolExamination::walk() {
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
void SpoolExamination::walk_block(const TextMasks& now, unsigned size) {
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

void SpoolExamination::on_hits(std::uint64_t paragraphs, std::uint64_t words,
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
void SpoolExamination::on_paragraph(std::uint64_t offset) {
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
bool SpoolExamination::counts_there(std::uint64_t offset) {
  if (!is_mmdf && missing_line_ends(offset).empty()) return true;
  const std::uint64_t look = std::min<std::uint64_t>(offset, control_a_line.size() + 2);
  return view(offset - look, look).find(control_a_line) != std::string_view::npos;
}

/// "rom " ends at `offset` in the line that begins at `line`.
void SpoolExamination::on_word(std::uint64_t offset, std::uint64_t line) {
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

void SpoolExamination::on_control(std::uint64_t offset, std::uint64_t line) {
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
void SpoolExamination::note_controls(std::uint64_t offset, std::uint64_t count,
                                     std::uint64_t line) {
  if (line_controls.count > 0 && line_controls.line != line) settle_controls();
  if (line_controls.count == 0) line_controls = {line, offset, 0};
  line_controls.count += count;
}

void SpoolExamination::settle_controls() {
  const LineControls settled = std::exchange(line_controls, {});
  if (settled.count == 0) return;
  advance_to(settled.line);
  if (controls == 0) first_control = settled.first;
  controls += settled.count;
}

void SpoolExamination::end_nul_run() {
  if (!nul_run) return;
  const std::uint64_t begin = *std::exchange(nul_run, std::nullopt);
  const std::uint64_t count = nul_run_end - begin;
  if (count < shortest_nul_block) return note_controls(begin, count, nul_run_line);
  advance_to(begin);
  nul_block_end = nul_run_end;
  sightings.push_back({.what = Sight::nul_block, .at = begin, .size = count});
}

}  // namespace pop
