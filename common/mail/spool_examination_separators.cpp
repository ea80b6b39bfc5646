#include "mail/spool_examination.h"

#include <algorithm>
#include <utility>

#include "mail/from_line.h"
#include "mail/from_line_mending.h"

namespace pop {
namespace {

/// ... for sure if they are so long and begin or end with a sector.
constexpr std::uint64_t sure_nul_block = 64;

constexpr std::uint64_t sector = 512;

}  // namespace

void SpoolExamination::judge_sighting(const Sighting& sighting, const ScannedMessage& message,
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

void SpoolExamination::judge_from_line(const Sighting& sighting, const ScannedMessage& message) {
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
void SpoolExamination::judge_mmdf_line(const Sighting& sighting) {
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

void SpoolExamination::judge_nul_block(const Sighting& sighting) {
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

/// MMDF: lines of Control-A that are missing.
void SpoolExamination::judge_framing(std::size_t index) {
  const ScannedMessage& message = found.messages[index];
  if (!is_mmdf || message.separator != message.header) return;
  report({.kind = DefectKind::unopened_message,
          .remedy = Remedy::sure,
          .at = message.separator,
          .detail = in_quotes(without_line_end(line_at(message.separator.count))),
          .edits = {{message.separator, {}, std::string{control_a_line} + eol()}}});
}

}  // namespace pop
