#include "mail/defect_finder.h"

#include <algorithm>
#include <utility>

#include "mail/spool_examination.h"

// Two readers go over each piece. The scanner says what the daemon makes of the file. The walk
// notes sightings: places where a separator may be hidden, and bytes that are no text. A message's
// sightings are judged when the scanner has told where it ends, because a line means something else
// in a header, in a body and in a body whose length is known.
//
// Invariant: all sightings kept lie behind the messages judged so far.

namespace pop {
namespace {

/// A longer header is not looked at.
constexpr std::uint64_t largest_header = std::uint64_t{4} << 20;

}  // namespace

DefectFinder::DefectFinder(const ScanOptions& options, LookAhead& text)
    : state_{std::make_unique<SpoolExamination>(options, text)} {}
DefectFinder::DefectFinder(DefectFinder&&) noexcept = default;
DefectFinder& DefectFinder::operator=(DefectFinder&&) noexcept = default;
DefectFinder::~DefectFinder() = default;

void DefectFinder::feed(std::string_view piece) {
  state_->feed(piece);
}
SpoolFindings DefectFinder::finish() {
  return state_->finish();
}

void SpoolExamination::feed(std::string_view bytes) {
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

SpoolFindings SpoolExamination::finish() {
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

void SpoolExamination::take_messages() {
  while (auto message = scanner->next()) found.messages.push_back(std::move(*message));
}

void SpoolExamination::report(Defect defect) {
  if (found.defects.size() >= DefectFinder::most_defects) {
    found.cut_off = true;
    return;
  }
  if (defect.message == 0) defect.message = judging;
  found.defects.push_back(std::move(defect));
}

/// Up to `count` bytes at `offset`; valid until the next call.
std::string_view SpoolExamination::view(std::uint64_t offset, std::size_t count) {
  if (offset >= piece_at && offset - piece_at < piece.size()) {
    const std::string_view rest = piece.substr(offset - piece_at);
    if (rest.size() >= count || piece_at + piece.size() == size()) return rest.substr(0, count);
  }
  return text.bytes({offset}, count);
}

/// The line there with its line end; cut where it is longer than any From_ line.
std::string_view SpoolExamination::line_at(std::uint64_t offset) {
  if (offset >= piece_at && offset - piece_at < piece.size()) {
    const std::string_view rest = piece.substr(offset - piece_at, longest_line);
    const std::size_t lf = rest.find('\n');
    if (lf != rest.npos) return rest.substr(0, lf + 1);
  }
  const std::string_view rest = view(offset, longest_line);
  return rest.substr(0, std::min(rest.find('\n'), rest.size() - 1) + 1);
}

/// What must be put at `offset` for a From_ line there to count.
std::string SpoolExamination::missing_line_ends(std::uint64_t offset) {
  const std::uint64_t look = std::min<std::uint64_t>(offset, 4);
  const std::string_view last = view(offset - look, look);
  if (offset == 0 || last.ends_with("\n\n") || last.ends_with("\n\r\n")) return {};
  return last.ends_with('\n') ? eol() : eol() + eol();
}

/// Judges all messages that end at or before `offset`.
void SpoolExamination::advance_to(std::uint64_t offset) {
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

void SpoolExamination::judge(std::size_t index) {
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

/// The only look back at the file, and only up to the last defect.
void SpoolExamination::number_lines() {
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
