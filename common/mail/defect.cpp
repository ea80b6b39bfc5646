#include "mail/defect.h"

#include <algorithm>

namespace pop {
namespace {

using enum DefectKind;

constexpr std::array texts{
    DefectText{not_a_spool, "not-a-spool", Harm::error, "cannot log in: the file is refused",
               "nothing: there is no message in it"},
    DefectText{leading_text, "leading-text", Harm::error, "cannot log in: the file is refused",
               "makes a message of its own of the text"},
    DefectText{leading_empty_lines, "leading-empty-lines", Harm::error,
               "cannot log in: the file is refused", "moves the lines to the quarantine"},
    DefectText{missing_from_line, "missing-from-line", Harm::error,
               "the message is part of the one before, or nothing at all",
               "puts a From_ line in front of the header"},
    DefectText{damaged_from_line, "damaged-from-line", Harm::error,
               "the message is part of the one before, or nothing at all", "mends the From_ line"},
    DefectText{doubled_from_line, "doubled-from-line", Harm::warning,
               "a line that is no header field in front of the header",
               "moves the second line to the quarantine"},
    DefectText{glued_message, "glued-message", Harm::error,
               "two messages as one: the second one is text of the first",
               "puts an empty line between the two"},
    DefectText{false_separator, "false-separator", Harm::error,
               "one message as two: the second one has no header",
               "quotes the line with '>', so that it is text again"},
    DefectText{torn_message, "torn-message", Harm::warning,
               "the message ends in the middle of a line; the next delivery may be taken for its "
               "text",
               "ends the line and adds an empty one"},
    DefectText{missing_empty_line, "missing-empty-line", Harm::notice,
               "nothing yet; the next delivery may be taken for text of the last message",
               "adds the empty line"},
    DefectText{nul_block, "nul-block", Harm::error,
               "NUL octets that a crash left, and maybe no separator behind them",
               "moves them to the quarantine"},
    DefectText{wrong_content_length, "wrong-content-length", Harm::warning,
               "nothing here; other programs split the spool at other places",
               "writes the length that the body has"},
    DefectText{damaged_header, "damaged-header", Harm::warning,
               "a header that ends too early, or with a line that is no field",
               "makes a field of the line, or an empty line before it"},
    DefectText{control_bytes, "control-bytes", Harm::notice, "octets that are no text",
               "nothing: they are part of the message"},
    DefectText{mixed_line_ends, "mixed-line-ends", Harm::notice,
               "nothing: all lines are sent with CRLF", "nothing"},
    DefectText{duplicate_message, "duplicate-message", Harm::warning, "the same message again",
               "moves the later one to the quarantine"},
    DefectText{duplicate_unique_id, "duplicate-unique-id", Harm::warning,
               "another unique-id for one of the two when the other one goes",
               "stores the unique-id that clients have seen"},
    DefectText{invalid_unique_id, "invalid-unique-id", Harm::notice,
               "the computed unique-id instead of the stored one",
               "moves the field to the quarantine"},
    DefectText{forged_imap_base, "forged-imap-base", Harm::warning,
               "nothing; IMAP servers may take it for their own data when the messages before go",
               "moves the field to the quarantine"},
    DefectText{damaged_imap_base, "damaged-imap-base", Harm::notice,
               "nothing; IMAP servers number the messages anew", "nothing: the numbers are lost"},
    DefectText{lost_imap_base, "lost-imap-base", Harm::notice,
               "nothing; IMAP servers number the messages anew", "nothing: the numbers are lost"},
    DefectText{mixed_formats, "mixed-formats", Harm::error,
               "messages of the other format as text of the one before",
               "separates them as the file does"},
    DefectText{unopened_message, "unopened-message", Harm::warning,
               "the message; other programs may not see it", "adds the opening line"},
    DefectText{unclosed_message, "unclosed-message", Harm::warning,
               "the message; the next delivery may be taken for its text", "adds the closing line"},
    DefectText{leftover_drop, "leftover-drop", Harm::error,
               "the mail in it only after the next login has merged it",
               "nothing: recover merges it"},
    DefectText{unfinished_journal, "unfinished-journal", Harm::warning,
               "nothing: the next login finishes the update", "finishes the update"},
    DefectText{damaged_journal, "damaged-journal", Harm::error, "cannot log in while it is there",
               "nothing: compare the spool with a backup"},
    DefectText{abandoned_build, "abandoned-build", Harm::notice, "nothing: it is cleared away",
               "removes it"},
    DefectText{abandoned_lock, "abandoned-lock", Harm::warning,
               "a wait until the lock counts as stale; deliveries wait, too",
               "removes it when its holder is known to be dead"},
    DefectText{wrong_owner, "wrong-owner", Harm::error, "cannot log in: the file is refused",
               "nothing: see own"},
    DefectText{wrong_mode, "wrong-mode", Harm::error, "cannot log in: the file is refused",
               "nothing: see own"},
    DefectText{no_plain_file, "no-plain-file", Harm::error, "cannot log in: the file is refused",
               "nothing: look at who made it"},
    DefectText{lying_index, "lying-index", Harm::error,
               "wrong sizes or messages: the index passes for fresh and is not", "removes it"},
    DefectText{damaged_index, "damaged-index", Harm::notice, "nothing: it is made anew",
               "removes it"},
    DefectText{foreign_entry, "foreign-entry", Harm::notice,
               "nothing: it is no mail and left alone", "nothing"},
    DefectText{unsuitable_name, "unsuitable-name", Harm::warning,
               "the message, maybe in another place of the list", "nothing"},
    DefectText{lying_size, "lying-size", Harm::warning,
               "-ERR at RETR once; other programs send a wrong size", "nothing"},
    DefectText{stale_delivery, "stale-delivery", Harm::notice,
               "nothing: the delivery was not finished", "nothing"},
    DefectText{repeated_name, "repeated-name", Harm::warning,
               "another unique-id when one of the two goes", "nothing"},
    DefectText{missing_directory, "missing-directory", Harm::warning, "an empty maildrop, or -ERR",
               "nothing"},
};

consteval bool texts_follow_kinds() {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].kind != static_cast<DefectKind>(i)) return false;
  }
  return texts.back().kind == missing_directory;
}
static_assert(texts_follow_kinds());

}  // namespace

std::string_view name_of(Harm harm) {
  constexpr std::array<std::string_view, 3> names{"notice", "warning", "error"};
  return names.at(static_cast<std::size_t>(harm));
}

std::string_view name_of(Remedy remedy) {
  constexpr std::array<std::string_view, 3> names{"none", "sure", "doubtful"};
  return names.at(static_cast<std::size_t>(remedy));
}

const DefectText& text_of(DefectKind kind) {
  return texts.at(static_cast<std::size_t>(kind));
}

std::optional<DefectKind> defect_kind(std::string_view name) {
  const auto found = std::ranges::find(texts, name, &DefectText::name);
  if (found == texts.end()) return std::nullopt;
  return found->kind;
}

}  // namespace pop
