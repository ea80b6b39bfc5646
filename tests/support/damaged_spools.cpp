#include "support/damaged_spools.h"

namespace pop::test {
namespace {

using enum DefectKind;

constexpr std::string_view from_1 = "From ann@example.org Thu Jan  1 00:01:00 1970\n";
constexpr std::string_view from_2 = "From ann@example.org Thu Jan  1 00:02:00 1970\n";
constexpr std::string_view from_3 = "From ann@example.org Thu Jan  1 00:03:00 1970\n";
constexpr std::string_view from_4 = "From ann@example.org Thu Jan  1 00:04:00 1970\n";
constexpr std::string_view control_a = "\1\1\1\1\n";

std::string swapped(std::string_view what, std::string_view by) {
  return replaced(sound_spool(), what, by);
}
std::string without_end(std::string text, std::size_t count) {
  text.resize(text.size() - count);
  return text;
}
/// The mbox up to `sector` bytes, NULs for `count`, and what follows `count` bytes later, as a
/// crash leaves it that lost a block.
std::string with_hole(std::string text, std::size_t at, std::size_t count) {
  return text.replace(at, std::min(count, text.size() - at), std::string(count, '\0'));
}
std::string with_nuls(std::string text, std::size_t at, std::size_t count) {
  return text.insert(at, std::string(count, '\0'));
}

void add_from_lines(std::vector<Damage>& all) {
  const auto first = [&](std::string_view name, std::string_view line) {
    all.push_back({name, swapped(from_1, line), {damaged_from_line}, Outcome::restored_alone});
  };
  first("first From_ line lost its F", from_1.substr(1));
  first("first From_ line lost Fr", from_1.substr(2));
  first("first From_ line lost Fro", from_1.substr(3));
  first("first From_ line lost From", from_1.substr(4));
  first("first From_ line lost From and blank", from_1.substr(5));
  first("first From_ line has FF", "F" + std::string{from_1});
  first("first From_ line begins with a byte order mark", "\xEF\xBB\xBF" + std::string{from_1});
  first("first From_ line begins with rubbish", "\x07xyz!" + std::string{from_1});
  first("first From_ line in small letters", "f" + std::string{from_1.substr(1)});
  first("first From_ line misspelt", "Form" + std::string{from_1.substr(4)});
  first("first From_ line without its blank", "From" + std::string{from_1.substr(5)});
  first("first From_ line with another date", "From ann@example.org 1970-01-01T00:01:00Z\n");
  first("first From_ line with half a date", "From ann@example.org Thu Jan  1 00:0\n");
  first("first From_ line without date", "From ann@example.org\n");
  all.push_back({"first From_ line missing",
                 swapped(from_1, ""),
                 {missing_from_line},
                 Outcome::restored_alone});
  all.push_back({"empty line in front",
                 "\n" + sound_spool(),
                 {leading_empty_lines},
                 Outcome::restored_alone});
  all.push_back({"empty lines in front",
                 "\n\r\n\n" + sound_spool(),
                 {leading_empty_lines, leading_empty_lines, leading_empty_lines},
                 Outcome::restored_alone});
  all.push_back(
      {"text in front", "no mail\nat all\n\n" + sound_spool(), {leading_text}, Outcome::mended, 5});
  all.push_back({"text in front and no empty line",
                 "no mail\n" + sound_spool(),
                 {leading_text},
                 Outcome::mended,
                 5});
  all.push_back({"empty line and rom in front",
                 "\n" + swapped(from_1, from_1.substr(1)),
                 {leading_empty_lines, damaged_from_line},
                 Outcome::restored_alone});

  const auto inner = [&](std::string_view name, std::string_view line) {
    all.push_back({name, swapped(from_3, line), {damaged_from_line}, Outcome::restored});
  };
  inner("inner From_ line lost its F", from_3.substr(1));
  inner("inner From_ line lost Fro", from_3.substr(3));
  inner("inner From_ line has FF", "F" + std::string{from_3});
  inner("inner From_ line in small letters", "f" + std::string{from_3.substr(1)});
  inner("inner From_ line without its blank", "From" + std::string{from_3.substr(5)});
  inner("inner From_ line with another date", "From ann@example.org Jan 1, 1970\n");
  all.push_back(
      {"inner From_ line missing", swapped(from_3, ""), {missing_from_line}, Outcome::restored});
  const std::string twice = std::string{from_2} + std::string{from_2};
  all.push_back(
      {"From_ line doubled", swapped(from_2, twice), {doubled_from_line}, Outcome::restored_alone});
  all.push_back({"From_ line three times",
                 swapped(from_2, twice + std::string{from_2}),
                 {doubled_from_line, doubled_from_line},
                 Outcome::restored_alone});
  all.push_back({"another From_ line behind it",
                 swapped(from_1, std::string{from_1} + "From daemon Fri Jan  2 00:00:00 1970\n"),
                 {doubled_from_line},
                 Outcome::restored_alone});
}

void add_glued(std::vector<Damage>& all) {
  all.push_back({"no empty line between messages",
                 swapped("first\n\nanother paragraph\n\nFrom", "first\n\nanother paragraph\nFrom"),
                 {glued_message},
                 Outcome::restored});
  all.push_back({"glued in the middle of a line",
                 swapped("paragraph\n\nFrom", "paragraphFrom"),
                 {glued_message},
                 Outcome::restored});
  const std::string torn = "t1 fi" + std::string{from_2};
  all.push_back({"delivered behind a torn message",
                 swapped("t1 first\n\nanother paragraph\n\n" + std::string{from_2}, torn),
                 {glued_message},
                 Outcome::mended});
  all.push_back(
      {"glued twice",
       replaced(swapped("paragraph\n\nFrom", "paragraphFrom"), "last\n\nFrom", "last\nFrom"),
       {glued_message, glued_message},
       Outcome::restored});
  const std::string sentence = "From him Thu Jan  1 00:00:00 1970\nno header, just prose\n\n";
  all.push_back({"a body line taken for a separator",
                 swapped("another paragraph", "text\n\n" + sentence + "another paragraph"),
                 {false_separator},
                 Outcome::mended,
                 4});
  all.push_back({"a body line at the end taken for a separator",
                 sound_spool() + "From him Thu Jan  1 00:00:00 1970\nprose\n\n",
                 {false_separator},
                 Outcome::mended,
                 4});
}

void add_torn(std::vector<Damage>& all) {
  all.push_back({"last empty line missing",
                 without_end(sound_spool(), 1),
                 {missing_empty_line},
                 Outcome::restored_alone});
  all.push_back({"last line end missing",
                 without_end(sound_spool(), 2),
                 {torn_message},
                 Outcome::restored_alone});
  all.push_back(
      {"torn in the body", without_end(sound_spool(), 7), {torn_message}, Outcome::mended_alone});
  all.push_back({"torn in the header",
                 without_end(sound_spool(), 35),
                 {torn_message},
                 Outcome::mended_alone});
  all.push_back({"torn behind a header line",
                 without_end(sound_spool(), 22),
                 {missing_empty_line},
                 Outcome::mended_alone});
  all.push_back({"torn in the From_ line",
                 sound_spool().substr(0, sound_spool().find(from_4) + 20),
                 {torn_message},
                 Outcome::mended_alone,
                 3});
  all.push_back({"only the first From_ line",
                 std::string{from_1},
                 {missing_empty_line},
                 Outcome::mended_alone,
                 1});
  all.push_back({"only half the first From_ line",
                 std::string{from_1.substr(0, 30)},
                 {damaged_from_line},
                 Outcome::mended_alone,
                 1});
  all.push_back({"torn with CRLF",
                 without_end(with_crlf(sound_message(1, "", "one\n")), 4),
                 {torn_message},
                 Outcome::mended_alone,
                 1});
}

void add_nuls(std::vector<Damage>& all) {
  const std::string sound = sound_spool();
  const std::size_t second = sound.find(from_2), third = sound.find(from_3);
  all.push_back({"NULs in front", with_nuls(sound, 0, 4096), {nul_block}, Outcome::restored_alone});
  all.push_back({"NULs and rom in front",
                 std::string(512, '\0') + swapped(from_1, from_1.substr(1)),
                 {nul_block, damaged_from_line},
                 Outcome::restored_alone});
  all.push_back({"NULs at the end",
                 sound + std::string(1000, '\0'),
                 {nul_block, torn_message},
                 Outcome::mended_alone});
  all.push_back({"NULs between messages",
                 with_nuls(sound, third, 512 * 4 - third % 512),
                 {nul_block},
                 Outcome::restored_alone});
  all.push_back(
      {"a few NULs between messages", with_nuls(sound, third, 33), {nul_block}, Outcome::restored});
  all.push_back({"a hole over the end of a message",
                 with_hole(sound, second - 20, 20),
                 {nul_block},
                 Outcome::mended});
  all.push_back({"a hole over a From_ line",
                 with_hole(sound, second - 20, 20 + from_2.size()),
                 {nul_block},
                 Outcome::mended});
  all.push_back({"a hole over the beginning of a From_ line",
                 with_hole(sound, second - 20, 22),
                 {nul_block},
                 Outcome::mended});
  all.push_back({"a NUL in a body",
                 swapped("t3 third", std::string{"t3\0third", 8}),
                 {control_bytes},
                 Outcome::left});
  all.push_back({"control bytes in a body",
                 swapped("t3 third", "t3\1\2\3third"),
                 {control_bytes},
                 Outcome::left});
  all.push_back(
      {"nothing but NULs", std::string(4096, '\0'), {nul_block}, Outcome::mended_alone, 0});
}

void add_headers(std::vector<Damage>& all) {
  all.push_back({"Content-Length too small",
                 swapped("Content-Length: 20", "Content-Length: 7"),
                 {wrong_content_length},
                 Outcome::restored_alone});
  all.push_back({"Content-Length too large",
                 swapped("Content-Length: 20", "Content-Length: 4000"),
                 {wrong_content_length},
                 Outcome::restored_alone});
  all.push_back({"Content-Length of letters",
                 swapped("Content-Length: 20", "Content-Length: many"),
                 {wrong_content_length},
                 Outcome::restored_alone});
  all.push_back({"two different Content-Lengths",
                 swapped("Content-Length: 20\n", "Content-Length: 20\nContent-Length: 21\n"),
                 {wrong_content_length},
                 Outcome::restored_alone});
  all.push_back({"Content-Length without a value",
                 swapped("Content-Length: 20\n", "Content-Length:\n"),
                 {wrong_content_length},
                 Outcome::mended_alone});
  all.push_back({"a header line without its colon",
                 swapped("Subject: number 2", "Subject number 2"),
                 {damaged_header},
                 Outcome::mended});
  all.push_back({"a header without its empty line",
                 swapped("number 4\nMessage-Id: <4@example.org>"
                         "\nStatus: O\n\nt4 fourth",
                         "number 4\nt4 fourth"),
                 {damaged_header},
                 Outcome::mended});
  all.push_back({"an invalid X-UIDL",
                 swapped("X-UIDL: stored-id-000000003", "X-UIDL: an id with blanks"),
                 {invalid_unique_id},
                 Outcome::mended_alone});
  all.push_back({"an empty X-UIDL",
                 swapped("X-UIDL: stored-id-000000003", "X-UIDL:"),
                 {invalid_unique_id},
                 Outcome::mended_alone});
  all.push_back({"a too long X-UIDL",
                 swapped("X-UIDL: stored-id-000000003", "X-UIDL: " + std::string(80, 'x')),
                 {invalid_unique_id},
                 Outcome::mended_alone});
  all.push_back(
      {"two X-UIDL in one header",
       swapped("X-UIDL: stored-id-000000003\n", "X-UIDL: stored-id-000000003\nX-UIDL: another\n"),
       {duplicate_unique_id},
       Outcome::restored_alone});
  all.push_back({"the same X-UIDL in two messages",
                 swapped("X-UIDL: stored-id-000000003", "X-UIDL: stored-id-000000001"),
                 {duplicate_unique_id},
                 Outcome::mended_alone});
  all.push_back({"a forged X-IMAPbase",
                 swapped("Status: O\n", "X-IMAPbase: 1 1\nStatus: O\n"),
                 {forged_imap_base},
                 Outcome::restored_alone});
  all.push_back({"a forged X-IMAP",
                 swapped("Status: O\n", "X-IMAP: 1 1\nStatus: O\n"),
                 {forged_imap_base},
                 Outcome::restored_alone});
  all.push_back({"a damaged X-IMAPbase",
                 swapped("X-IMAPbase: 1234567890 4 $Junk", "X-IMAPbase: 12345x7890"),
                 {damaged_imap_base},
                 Outcome::left});
  all.push_back({"a lost X-IMAPbase",
                 swapped("X-IMAPbase: 1234567890 4 $Junk\n", ""),
                 {lost_imap_base},
                 Outcome::left});
  std::string mixed = sound_spool();
  mixed.replace(mixed.find("t3 third\n"), 9, "t3 third\r\n");
  all.push_back({"mixed line ends", mixed, {mixed_line_ends}, Outcome::left});
}

void add_doubles(std::vector<Damage>& all) {
  const std::vector<std::string> parts = sound_messages();
  all.push_back({"a message with a stored id twice",
                 sound_spool() + parts[2],
                 {duplicate_message},
                 Outcome::restored_alone});
  all.push_back({"a message without a stored id twice",
                 sound_spool() + parts[3],
                 {duplicate_message},
                 Outcome::restored});
  all.push_back({"a copy-back that crashed: everything twice",
                 sound_spool() + sound_spool(),
                 {forged_imap_base, duplicate_message, duplicate_message, duplicate_message,
                  duplicate_message},
                 Outcome::mended_alone,
                 6});
  all.push_back({"a double with another Status",
                 sound_spool() + replaced(parts[2], "X-Folded", "Status: RO\nX-Folded"),
                 {duplicate_message},
                 Outcome::restored_alone});
}

void add_formats(std::vector<Damage>& all) {
  const std::vector<std::string> parts = sound_messages();
  const std::string wrapped = std::string{control_a} + parts[1] + std::string{control_a};
  all.push_back({"an MMDF message in an mbox",
                 parts[0] + wrapped + parts[2] + parts[3],
                 {mixed_formats, mixed_formats},
                 Outcome::mended});
  const std::string bare = parts[1].substr(parts[1].find('\n') + 1);
  all.push_back(
      {"an MMDF message without From_ line in an mbox",
       parts[0] + std::string{control_a} + bare + std::string{control_a} + parts[2] + parts[3],
       {mixed_formats, mixed_formats},
       Outcome::mended});
  const std::string mmdf = sound_mmdf();
  all.push_back({"an mbox message behind MMDF",
                 mmdf + parts[3],
                 {unopened_message, doubled_from_line, unclosed_message},
                 Outcome::mended_alone,
                 5});
  all.push_back({"MMDF without its last closing line",
                 without_end(mmdf, 5),
                 {unclosed_message},
                 Outcome::restored_alone,
                 4,
                 mmdf});
  all.push_back({"MMDF torn in its last line",
                 without_end(mmdf, 7),
                 {unclosed_message},
                 Outcome::mended_alone});
  const std::size_t third = mmdf.find("t2 second");
  const std::size_t closing = mmdf.find(control_a, third);
  std::string unopened = mmdf;
  all.push_back({"MMDF without an opening line",
                 unopened.erase(closing, 5),
                 {unopened_message},
                 Outcome::restored_alone,
                 4,
                 mmdf});
  all.push_back({"no mail at all",
                 "\x7F"
                 "ELF something else\n\1\2\3\n",
                 {not_a_spool},
                 Outcome::left,
                 0});
}

}  // namespace

std::vector<Damage> damaged_spools() {
  std::vector<Damage> all;
  add_from_lines(all);
  add_glued(all);
  add_torn(all);
  add_nuls(all);
  add_headers(all);
  add_doubles(all);
  add_formats(all);
  return all;
}

}  // namespace pop::test
