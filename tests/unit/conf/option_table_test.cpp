#include "conf/option_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/text.h"
#include "conf/option_value.h"
#include "support/catch.h"

using namespace pop;

namespace {

/// Stands for a value of any type, to count the fields of an aggregate.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Fields>
consteval std::size_t count_fields() {
  if constexpr (requires { T{Fields{}..., Anything{}}; }) {
    return count_fields<T, Fields..., Anything>();
  } else {
    return sizeof...(Fields);
  }
}

}  // namespace

TEST_CASE("Each field of Settings has exactly one option", "[conf][table]") {
  std::size_t stored = 0;
  for (const Option& option : all_options()) {
    if (!std::holds_alternative<std::monostate>(option.target)) ++stored;
    CAPTURE(option.name);
    CHECK(std::ranges::count(all_options(), option.target, &Option::target) == 1);
  }
  CHECK(stored == count_fields<Settings>());
}

TEST_CASE("Each option's default passes its own check", "[conf][table]") {
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    CAPTURE(option.name);
    const Judged<void> fine = check_value(option, load_value(Settings{}, option));
    CHECK(fine.has_value());
  }
}

TEST_CASE("Names and aliases find their option in any case", "[conf][table]") {
  std::set<std::string> names;
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    std::string shouted{option.name};
    for (char& c : shouted) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    CHECK(find_option(option.name) == &option);
    CHECK(find_option(shouted) == &option);
    CHECK(&all_options()[index_of(option)] == &option);
    CHECK(names.insert(lower(option.name)).second);
    for (const std::string_view alias : aliases_of(option)) {
      CHECK(find_option(alias) == &option);
      CHECK(names.insert(lower(alias)).second);
    }
  }
  CHECK(find_option("") == nullptr);
  CHECK(find_option("no-such-option") == nullptr);
  CHECK(option_named("bulldb-max-retires").name == "bulldb-max-tries");
  CHECK(option_named("bulldb-max-retries").name == "bulldb-max-tries");
  CHECK(option_named("UW-kludge").name == "uw-kluge");
  CHECK(option_named("UW-kluge").name == "uw-kluge");
  CHECK(option_named("check-hash-spool").name == "check-hash-dir");
  CHECK_THROWS(option_named("no-such-option"));
}

TEST_CASE("Names are lowercase words and numbers joined by hyphens", "[conf][table]") {
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    CHECK(option.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
          std::string_view::npos);
    CHECK(!option.value.empty());
  }
}

TEST_CASE("Help is one sentence without a period, details are whole sentences", "[conf][table]") {
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    REQUIRE(!option.help.empty());
    CHECK((option.help[0] >= 'A' && option.help[0] <= 'Z'));
    CHECK(!option.help.ends_with('.'));
    CHECK((option.detail.empty() || option.detail.ends_with('.')));
  }
}

TEST_CASE("The old switches stand for the options the manual gives them", "[conf][table]") {
  const std::map<char, std::string_view> manual{{'b', "bulldir"},
                                                {'B', "bulldb-nonfatal"},
                                                {'c', "downcase-user"},
                                                {'C', "trim-domain"},
                                                {'d', "debug"},
                                                {'D', "drac-host"},
                                                {'f', "config-file"},
                                                {'F', "fast-update"},
                                                {'k', "kerberos"},
                                                {'K', "kerberos-service"},
                                                {'l', "tls-support"},
                                                {'L', "mail-lock-check"},
                                                {'p', "clear-text-password"},
                                                {'R', "reverse-lookup"},
                                                {'s', "statistics"},
                                                {'S', "server-mode"},
                                                {'t', "tracefile"},
                                                {'T', "timeout"},
                                                {'u', "user-options"},
                                                {'U', "spool-options"},
                                                {'y', "log-facility"}};
  std::map<char, std::string_view> table;
  for (const Option& option : all_options()) {
    const SwitchKind kind = option.letter_switch.kind;
    if (kind == SwitchKind::none || kind == SwitchKind::extension) continue;
    CHECK(table.emplace(option.letter_switch.letter, option.name).second);
  }
  CHECK(table == manual);
}

TEST_CASE("The restrictions are those of the manual", "[conf][table]") {
  const std::set<std::string_view> manual_permits_anywhere{"announce-expire",
                                                           "announce-login-delay",
                                                           "bulldb-max-tries",
                                                           "bulldb-nonfatal",
                                                           "bulldir",
                                                           "config-file",
                                                           "debug",
                                                           "fast-update",
                                                           "mail-lock-check",
                                                           "server-mode",
                                                           "statistics",
                                                           "timeout",
                                                           "tracefile"};
  // The manual would let a user choose which host hears of his logins; here only the
  // administrator does.
  CHECK(option_named("drac-host").may_be_set == MayBeSet::start_up);
  const std::set<std::string_view> manual_refuses{
      "clear-text-password",  "downcase-user",  "home-dir-mail",
      "home-dir-misc",        "kerberos",       "kerberos-service",
      "reverse-lookup",       "spool-options",  "tls-cipher-list",
      "tls-identity-file",    "tls-passphrase", "tls-private-key-file",
      "tls-server-cert-file", "tls-support",    "tls-version",
      "trim-domain",          "user-options"};
  for (const std::string_view name : manual_permits_anywhere) {
    CAPTURE(name);
    CHECK(option_named(name).may_be_set == MayBeSet::anywhere);
  }
  for (const std::string_view name : manual_refuses) {
    CAPTURE(name);
    CHECK(option_named(name).may_be_set == MayBeSet::start_up);
  }
}

TEST_CASE("What names a directory, a program or a login rule is for start-up only",
          "[conf][table]") {
  for (const std::string_view name :
       {"spool-dir", "temp-dir", "temp-name", "cache-dir", "cache-name", "mail-command",
        "auth-source", "auth-file", "nonauth-file", "pam-service", "credential-file", "gate-user",
        "gate-root", "pid-file", "hash-spool", "login-timeout", "lock-order", "log-login"}) {
    CAPTURE(name);
    CHECK(option_named(name).may_be_set == MayBeSet::start_up);
  }
}

TEST_CASE("A near miss is recognised, nonsense is not", "[conf][table]") {
  CHECK(suggestion_for_option("spol-dir") == "; did you mean spool-dir");
  CHECK(suggestion_for_option("TIMEOUTS") == "; did you mean timeout");
  CHECK(suggestion_for_option("qqqqqqqqqqqqqq").empty());
  CHECK(suggestion_for_option(std::string(100000, 'a')).empty());
}
