#include "conf/lint.h"

#include <algorithm>
#include <map>

#include "conf/lint_notes.h"

namespace pop {
namespace {

/// Where an option is set more than once, the last one counts.
void look_for_overridden_settings(LintNotes& notes) {
  std::map<const Option*, const Assignment*> last;
  for (const Assignment& one : notes.configuration().written) {
    const bool adds_up = one.option->name == "tls-options" || one.option->name == "config-file";
    const Assignment*& earlier = last[one.option];
    if (earlier && !adds_up) {
      // A file that others share may be corrected by the one that names it.
      const bool same_file = earlier->place.source == one.place.source;
      notes.say({same_file ? LintGravity::warning : LintGravity::notice, LintRule::overridden,
                 earlier->place,
                 std::string{one.option->name} + " is set again at " + to_string(one.place) +
                     ", and that counts",
                 "remove one of the two"});
    }
    earlier = &one;
  }
}

}  // namespace

bool LintNotes::is_changed(std::string_view name) const {
  const Option& option = option_named(name);
  return is_set(name) && load_value(settings(), option) != load_value(Settings{}, option);
}

Place LintNotes::place_of(std::string_view option) const {
  const Place& origin = configuration_.origins[index_of(option_named(option))];
  return origin.source.empty() ? Place{"default"} : origin;
}

Place LintNotes::place_of_listener(std::size_t index) const {
  const std::vector<Place>& places = configuration_.listener_places;
  return places.size() == listeners().size() ? places[index] : Place{"command line"};
}

bool LintNotes::speaks_tls() const {
  if (listeners().empty()) {
    return settings().tls_support != TlsSupport::none || has_certificate(settings());
  }
  return std::ranges::any_of(listeners(), [&](const ListenAddress& listener) {
    return resolved(listener.tls, settings().tls_support) != ListenTls::none;
  });
}

LintFindings lint_settings(const Configuration& configuration,
                           std::chrono::system_clock::time_point now) {
  LintNotes notes{configuration};
  look_for_overridden_settings(notes);
  look_for_contradictions(notes);
  look_for_dead_settings(notes);
  look_for_insecure_settings(notes, now);
  look_for_changed_meanings(notes);
  LintFindings findings = notes.take();
  sort_by_place(findings);
  return findings;
}

}  // namespace pop
