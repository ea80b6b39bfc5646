#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "mail/defect_finder.h"
#include "mail/from_line.h"
#include "mail/header_survey.h"
#include "mail/text_masks.h"

namespace pop {

inline constexpr std::string_view control_a_line = "\1\1\1\1";

/// What is read to see whether a header begins there.
inline constexpr std::size_t header_window = 8192;

inline constexpr std::size_t longest_line = longest_from_line + 2;

/// Hostile bytes as a defect tells them.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t shown = 60;
  return '"' + escaped(text, shown) + '"';
}

inline std::string_view without_line_end(std::string_view line) {
  const std::size_t lf = line.find('\n');
  line = line.substr(0, lf);
  if (lf != line.npos && line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// What a DefectFinder knows of one spool; its functions stand in one file for each kind of
/// defects.
struct SpoolExamination {
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

  SpoolExamination(const ScanOptions& chosen, LookAhead& whole) : options{chosen}, text{whole} {}

  void feed(std::string_view bytes);
  SpoolFindings finish();

  // The beginning of the file: spool_examination_beginning.cpp
  void examine_head();
  std::uint64_t past_nuls(std::uint64_t from);
  void judge_first_line(std::uint64_t from);
  std::uint64_t next_separator(std::uint64_t from);

  // The walk, which notes sightings: spool_examination_sightings.cpp
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

  // What a message's sightings and header mean
  void advance_to(std::uint64_t offset);
  void judge(std::size_t index);

  // Hidden, damaged and missing separators: spool_examination_separators.cpp
  void judge_sighting(const Sighting& sighting, const ScannedMessage& message, bool length_known);
  void judge_from_line(const Sighting& sighting, const ScannedMessage& message);
  void judge_mmdf_line(const Sighting& sighting);
  void judge_nul_block(const Sighting& sighting);
  void judge_framing(std::size_t index);

  // Fields that lie, or are none: spool_examination_headers.cpp
  bool judge_length(const ScannedMessage& message, std::string_view header,
                    const HeaderSurvey& survey);
  [[nodiscard]] bool leads_to_sighting(const ScannedMessage& message, std::uint64_t length) const;
  void judge_no_fields(std::size_t index, std::string_view header, const HeaderSurvey& survey);
  void judge_stored_ids(const ScannedMessage& message, std::string_view header,
                        const HeaderSurvey& survey);
  void judge_imap(std::size_t index, std::string_view header, const HeaderSurvey& survey);

  // What only shows when more than one message is known: spool_examination_whole.cpp
  void judge_controls();
  void judge_end();
  void judge_duplicates();
  void judge_equal_ids(const std::vector<bool>& duplicate);

  // What all of them share
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

}  // namespace pop
