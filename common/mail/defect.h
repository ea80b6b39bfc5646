#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace pop {

/// What can be wrong with a maildrop.
enum class DefectKind : std::uint8_t {
  // of the bytes of a spool
  not_a_spool,
  leading_text,
  leading_empty_lines,
  missing_from_line,
  damaged_from_line,
  doubled_from_line,
  glued_message,
  false_separator,
  torn_message,
  missing_empty_line,
  nul_block,
  wrong_content_length,
  damaged_header,
  control_bytes,
  mixed_line_ends,
  duplicate_message,
  duplicate_unique_id,
  invalid_unique_id,
  forged_imap_base,
  damaged_imap_base,
  lost_imap_base,
  mixed_formats,
  unopened_message,
  unclosed_message,
  // of the files around it
  leftover_drop,
  unfinished_journal,
  damaged_journal,
  abandoned_build,
  abandoned_lock,
  wrong_owner,
  wrong_mode,
  no_plain_file,
  lying_index,
  damaged_index,
  // of a Maildir
  foreign_entry,
  unsuitable_name,
  lying_size,
  stale_delivery,
  repeated_name,
  missing_directory,
};

/// How bad it is for the user.
enum class Harm : std::uint8_t {
  notice,   // served as it should be; other programs may stumble
  warning,  // a message looks wrong, or the next delivery or session may make it worse
  error,    // mail cannot be read, or is read as something else
};
[[nodiscard]] std::string_view name_of(Harm harm);

/// Whether a repair may be made without asking.
enum class Remedy : std::uint8_t {
  none,      // nothing to do, or nothing that a program could know
  sure,      // no message changes but by what is plainly no part of it
  doubtful,  // sound mail can look the same: a person or a policy decides
};
[[nodiscard]] std::string_view name_of(Remedy remedy);

/// What the tools and the manual page tell about a kind.
struct DefectText {
  DefectKind kind;
  std::string_view name;  // for --json and --decide: never changed
  Harm harm;
  std::string_view client_sees;  // what happens to who reads his mail
  std::string_view repair;       // what repair does about it
};
[[nodiscard]] const DefectText& text_of(DefectKind kind);
[[nodiscard]] std::optional<DefectKind> defect_kind(std::string_view name);

/// Bytes of a file that go and bytes that come in their place.
struct SpoolEdit {
  FileBytes at, removed;
  std::string inserted;
  bool operator==(const SpoolEdit&) const = default;
};

/// One defect. `edits` are ascending, do not touch each other and belong together.
struct Defect {
  DefectKind kind{};
  Remedy remedy = Remedy::none;
  std::string file{};              // what it is about, if not the spool
  FileBytes at{};                  // in the file
  std::uint64_t line = 0;          // from 1; 0: not a matter of lines
  std::size_t message = 0;         // from 1, as the spool holds them; 0: of none
  std::string detail{};            // what stands there, fit for a terminal
  std::vector<SpoolEdit> edits{};  // that mend it, in a spool
};

}  // namespace pop
