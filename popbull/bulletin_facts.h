#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bull/bulletin.h"
#include "popbull/bulletin_site.h"
#include "tool/json.h"

namespace pop {

/// Whether a bulletin goes out, whoever asks for it.
enum class BulletinState : std::uint8_t { current, not_yet, over, broken, retracted };
/// "current", "not-yet", ...
[[nodiscard]] std::string_view to_text(BulletinState state);

/// One bulletin, retracted or not, as its file and its name tell.
struct BulletinFacts {
  BulletinName name;
  BulletinState state = BulletinState::broken;
  std::string octets;                     // the file; empty if it cannot be read
  BulletinReading reading;                // of them
  std::string why;                        // broken: what is wrong
  std::optional<std::int64_t> published;  // of the From_ line
  std::string subject;                    // decoded; empty: none

  [[nodiscard]] std::string file() const;
};

[[nodiscard]] BulletinFacts facts_of(const BulletinSite& site, const BulletinName& name);
[[nodiscard]] BulletinFacts facts_of_retracted(const BulletinSite& site, const BulletinName& name);
/// By its number, as a person writes it. Errc::not_found if there is none, retracted or not; others
/// as of find_bulletin().
[[nodiscard]] Result<BulletinFacts> find_facts(const BulletinSite& site, const BulletinFiles& files,
                                               const std::string& number);
/// All of them, by number.
[[nodiscard]] std::vector<BulletinFacts> all_facts(const BulletinSite& site,
                                                   const BulletinFiles& files);

/// "everybody", "group staff", "users jo,al*": for a person.
[[nodiscard]] std::string audience_text(const BulletinFacts& facts, const Settings& settings);
/// The members that every object of a bulletin has.
[[nodiscard]] Json::Object json_of(const BulletinFacts& facts);

}  // namespace pop
