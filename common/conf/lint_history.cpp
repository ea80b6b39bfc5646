#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/lint_notes.h"

namespace pop {
namespace {

/// What Qpopper did with an option in its own files.
struct OldMeaning {
  std::string_view option;
  std::string_view what;
  std::string_view remedy;
};

constexpr std::array old_meanings{
    OldMeaning{"auth-file",
               "Qpopper lost the last letter of a list that did not end with a line end, and let "
               "nobody in without the file; popper does not start then",
               "look at the last line of the list"},
    OldMeaning{"nonauth-file",
               "Qpopper lost the last letter of a list that did not end with a line end, and "
               "refused nobody without the file; popper does not start then",
               "look at the last line of the list"},
    OldMeaning{"reverse-lookup",
               "Qpopper 4.0.5 took this the other way round: true turned look-ups off",
               "write what you mean: true looks names up"},
    OldMeaning{"spool-options",
               "Qpopper read the file as root, and options that say who may log in or where mail "
               "lies could stand in it; here they are refused",
               "popcheck config SPOOL-DIR/.USER.qpopper-options"},
    OldMeaning{"tls-options",
               "bits that made TLS weaker do nothing with OpenSSL 3; the log says which", ""},
    OldMeaning{"user-options",
               "Qpopper read the file as root, and options that are documented as forbidden could "
               "stand in it; here they are refused",
               "popcheck config ~USER/.qpopper-options"},
};

void look_at_old_file(LintNotes& notes, const Assignment& written) {
  const auto found = std::ranges::find(old_meanings, written.option->name, &OldMeaning::option);
  if (found != old_meanings.end()) {
    notes.say({LintGravity::notice, LintRule::changed_meaning, written.place,
               std::string{found->what}, std::string{found->remedy}});
  }
  if (written.option->name == "tracefile" && !notes.settings().debug) {
    notes.say({LintGravity::notice, LintRule::changed_meaning, written.place,
               "Qpopper turned debug on with it; here the log has no more than before",
               "set debug"});
  }
  const std::string* text = std::get_if<std::string>(&written.value);
  if (written.option->name == "config-file" && text && !text->starts_with('/')) {
    notes.say({LintGravity::notice, LintRule::changed_meaning, written.place,
               "a relative name is taken from the directory of this file; Qpopper took the one it "
               "was started in",
               "write the whole path"});
  }
}

// Who brings it along has only announced it until now, and loses mail that was never meant to go. A
// file in TOML was written for this program.
void look_at_expiry(LintNotes& notes) {
  if (notes.settings().announce_expire <= 0) return;
  constexpr std::string_view what =
      "Qpopper only announced it; here mail is deleted so many days after it was first retrieved, "
      "or "
      "first listed if nobody retrieved it";
  constexpr std::string_view remedy =
      "announce-expire = -1, or popspool expire -n first, and the line in a file in TOML";
  const Place place = notes.place_of("announce-expire");
  const auto written = std::ranges::find_if(
      notes.configuration().written, [&](const Assignment& one) { return one.place == place; });
  const bool is_meant =
      written != notes.configuration().written.end() && written->grammar != Grammar::classic;
  if (is_meant) return;
  notes.say(LintGravity::warning, LintRule::changed_meaning, "announce-expire", std::string{what},
            std::string{remedy});
}

void look_at_versions(LintNotes& notes) {
  switch (notes.settings().tls_version) {
    case TlsVersion::sslv2:
    case TlsVersion::sslv3:
    case TlsVersion::tlsv1:
    case TlsVersion::sslv23:
    case TlsVersion::all:
      return notes.say(LintGravity::warning, LintRule::changed_meaning, "tls-version",
                       "the word named versions that can be broken; it is taken as TLS 1.2 and 1.3",
                       "tls-version = \"default\"");
    default:
      return;
  }
}

}  // namespace

void look_for_changed_meanings(LintNotes& notes) {
  if (notes.is_set("tls-identity-file")) {
    notes.say(LintGravity::warning, LintRule::changed_meaning, "tls-identity-file",
              "it was for SSL Plus, which is no more; the file is read as tls-server-cert-file is, "
              "in PEM form",
              "tls-server-cert-file = \"" + notes.settings().tls_identity_file.native() + "\"");
  }
  for (const Assignment& one : notes.configuration().written) {
    if (one.grammar == Grammar::classic) look_at_old_file(notes, one);
  }
  look_at_expiry(notes);
  look_at_versions(notes);
  const std::int64_t seconds = notes.settings().timeout.count();
  if (notes.is_set("timeout") && seconds < 600) {
    notes.say(LintGravity::notice, LintRule::changed_meaning, "timeout",
              "RFC 1939 wants 600 seconds at least; clients on slow lines are cut off",
              "timeout = 600");
  }
}

}  // namespace pop
