#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "conf/configuration.h"
#include "conf/lint_finding.h"

namespace pop {

/// What the rules look at, and where they put what they find.
class LintNotes {
 public:
  explicit LintNotes(const Configuration& configuration) : configuration_{configuration} {}

  [[nodiscard]] const Configuration& configuration() const { return configuration_; }
  [[nodiscard]] const Settings& settings() const { return configuration_.settings; }
  [[nodiscard]] const std::vector<ListenAddress>& listeners() const {
    return configuration_.listeners;
  }

  /// Whether somebody has set it.
  [[nodiscard]] bool is_set(std::string_view option) const {
    return !configuration_.origins[index_of(option_named(option))].source.empty();
  }
  /// Whether somebody has set it to what it would not be anyway.
  [[nodiscard]] bool is_changed(std::string_view option) const;
  [[nodiscard]] Place place_of(std::string_view option) const;
  [[nodiscard]] Place place_of_listener(std::size_t index) const;

  /// Whether any client may speak TLS. Where inetd or systemd gives the sockets, their port may say
  /// so.
  [[nodiscard]] bool speaks_tls() const;

  void say(LintFinding finding) { findings_.push_back(std::move(finding)); }
  /// About an option.
  void say(LintGravity gravity, LintRule rule, std::string_view option, std::string what,
           std::string remedy) {
    say({gravity, rule, place_of(option), std::move(what), std::move(remedy)});
  }
  [[nodiscard]] LintFindings take() { return std::move(findings_); }

 private:
  const Configuration& configuration_;
  LintFindings findings_;
};

/// Settings that exclude each other, and settings without effect.
void look_for_contradictions(LintNotes& notes);
void look_for_dead_settings(LintNotes& notes);
/// Settings that let somebody in.
void look_for_insecure_settings(LintNotes& notes, std::chrono::system_clock::time_point now);
/// What Qpopper took otherwise.
void look_for_changed_meanings(LintNotes& notes);

}  // namespace pop
