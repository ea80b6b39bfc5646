#include "conf/expiry_policy.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/toml_document.h"

namespace pop {
namespace {

constexpr std::array<std::string_view, 9> rule_keys{"header",        "larger-than", "max-messages",
                                                    "max-size",      "older-than",  "retrieved",
                                                    "retrieved-for", "with",        "without"};
constexpr std::array<std::string_view, 5> part_keys{"groups", "rules", "users", "warn-days",
                                                    "warning"};

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

struct Unit {
  char letter;
  std::uint64_t factor;
};
constexpr std::array<Unit, 5> age_units{
    {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}}};
constexpr std::array<Unit, 4> size_units{{{'k', std::uint64_t{1} << 10},
                                          {'m', std::uint64_t{1} << 20},
                                          {'g', std::uint64_t{1} << 30},
                                          {'t', std::uint64_t{1} << 40}}};

/// The number times its unit; nullopt when there is none of either, or beyond `most`.
std::optional<std::uint64_t> product(std::string_view text, std::span<const Unit> units,
                                     std::uint64_t most) {
  if (text.empty()) return std::nullopt;
  const auto unit = std::ranges::find(units, lower(text.back()), &Unit::letter);
  if (unit == units.end()) return std::nullopt;
  const std::optional<std::uint64_t> number = decimal(text.substr(0, text.size() - 1));
  if (!number || *number > most / unit->factor) return std::nullopt;
  return *number * unit->factor;
}

struct NamedFlag {
  std::string_view name;
  MailFlags::Flag flag;
};
constexpr std::array<NamedFlag, 7> named_flags{{{"seen", MailFlags::seen},
                                                {"old", MailFlags::old},
                                                {"answered", MailFlags::answered},
                                                {"flagged", MailFlags::flagged},
                                                {"deleted", MailFlags::deleted},
                                                {"draft", MailFlags::draft},
                                                {"passed", MailFlags::passed}}};

/// Reads one parsed document.
class PolicyReader {
 public:
  explicit PolicyReader(const std::string& name) : name_{name} {}

  void read(const toml::table& document) {
    for (const auto& [key, node] : entries_of(document)) {
      if (key->str() != "policy") {
        complain(key->source(),
                 "unknown key " + shown(key->str()) + "; a policy file holds [[policy]] tables");
        continue;
      }
      for_each_table(*node, "policy must be written as [[policy]] tables",
                     [&](const toml::table& table) { policy_.parts.push_back(part_of(table)); });
    }
  }

  Checked<ExpiryPolicy> result() && {
    if (!complaints_.empty()) return std::unexpected(std::move(complaints_));
    return std::move(policy_);
  }

 private:
  void complain(const toml::source_region& where, std::string what) {
    if (complaints_.size() >= most_complaints) return;
    complaints_.push_back({{name_, where.begin.line, where.begin.column}, std::move(what)});
  }

  template <class Visit>
  void for_each_table(const toml::node& node, std::string_view otherwise, const Visit& visit) {
    const toml::array* tables = node.as_array();
    if (!tables || (!tables->empty() && !tables->is_array_of_tables())) {
      return complain(node.source(), std::string{otherwise});
    }
    for (const toml::node& table : *tables) visit(*table.as_table());
  }

  template <class Keys>
  void complain_of_key(const toml::key& key, std::string_view where, const Keys& keys) {
    const auto near = nearest(key.str().substr(0, 64), keys);
    complain(key.source(), "unknown key " + shown(key.str()) + " in " + std::string{where} +
                               (near ? "; did you mean " + std::string{*near} : ""));
  }

  ExpiryPart part_of(const toml::table& table) {
    ExpiryPart part;
    bool has_rules = false;
    for (const auto& [key, node] : entries_of(table)) {
      if (key->str() == "users") {
        part.users = texts_of(*key, *node);
      } else if (key->str() == "groups") {
        part.groups = texts_of(*key, *node);
      } else if (key->str() == "rules") {
        has_rules = true;
        for_each_table(*node, "rules must be a list of tables, as in [{older-than = \"90d\"}]",
                       [&](const toml::table& rule) { part.rules.push_back(rule_of(rule)); });
      } else if (key->str() == "warn-days") {
        std::optional<std::chrono::days> notice;
        take(*key, *node, parse_notice(text_of(*node)), notice);
        part.warn = notice.value_or(std::chrono::days{0});
      } else if (key->str() == "warning") {
        part.warning = text_of(*node);
        if (!part.warning.starts_with('/')) {
          complain(node->source(), "warning wants the path of a file, from / on");
        }
      } else {
        complain_of_key(*key, "[[policy]]", part_keys);
      }
    }
    const bool can_warn = std::ranges::any_of(part.rules, &ExpiryRule::can_warn);
    if (part.warn.count() > 0 && !part.rules.empty() && !can_warn) {
      complain(table.source(),
               "warn-days wants a rule with older-than or retrieved-for and no limit");
    }
    if (!part.warning.empty() && !table.contains("warn-days")) {
      complain(table.source(), "warning wants warn-days");
    }
    if (!has_rules) {
      complain(table.source(), "a [[policy]] wants rules; an empty list lets nothing go");
    }
    return part;
  }

  /// Not empty, for that would fit everybody.
  std::vector<std::string> texts_of(const toml::key& key, const toml::node& node) {
    std::vector<std::string> texts;
    const toml::array* array = node.as_array();
    if (const auto* single = node.as_string()) texts.push_back(single->get());
    for (std::size_t i = 0; array && i < array->size(); ++i) {
      const auto* text = array->get(i)->as_string();
      if (!text) break;
      texts.push_back(text->get());
    }
    const bool is_whole = !array || texts.size() == array->size();
    if (!texts.empty() && is_whole && std::ranges::find(texts, "") == texts.end()) return texts;
    complain(node.source(), std::string{key.str()} + " wants names, as in [\"jo\", \"ann\"]");
    return {};
  }

  ExpiryRule rule_of(const toml::table& table) {
    ExpiryRule rule;
    const std::size_t before = complaints_.size();
    for (const auto& [key, node] : entries_of(table)) read_condition(*key, *node, rule);
    if (!rule.has_condition() && !rule.has_limit() && complaints_.size() == before) {
      complain(table.source(), "a rule without a condition or a limit would let all mail go");
    }
    return rule;
  }

  void read_condition(const toml::key& key, const toml::node& node, ExpiryRule& rule) {
    const std::string_view name = key.str();
    if (name == "older-than") {
      take(key, node, parse_age(text_of(node)), rule.older_than);
    } else if (name == "retrieved-for") {
      take(key, node, parse_age(text_of(node)), rule.retrieved_for);
    } else if (name == "larger-than") {
      take(key, node, parse_octets(text_of(node)), rule.larger_than);
    } else if (name == "max-size") {
      take(key, node, parse_octets(text_of(node)), rule.max_octets);
    } else if (name == "max-messages") {
      take(key, node, count_of(node), rule.max_messages);
    } else if (name == "retrieved") {
      take(key, node, truth_of(node), rule.retrieved);
    } else if (name == "with") {
      take(key, node, parse_mail_flags(text_of(node)), rule.with);
    } else if (name == "without") {
      take(key, node, parse_mail_flags(text_of(node)), rule.without);
    } else if (name == "header") {
      read_headers(key, node, rule);
    } else {
      complain_of_key(key, "a rule", rule_keys);
    }
  }

  /// A number without a unit may stand without quotes.
  static std::string text_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    return {};
  }
  static Judged<std::uint64_t> count_of(const toml::node& node) {
    const auto* number = node.as_integer();
    if (number && number->get() >= 0) return static_cast<std::uint64_t>(number->get());
    return std::unexpected(std::string{"a number of messages"});
  }
  static Judged<bool> truth_of(const toml::node& node) {
    if (const auto* truth = node.as_boolean()) return truth->get();
    return std::unexpected(std::string{"true or false"});
  }

  template <class T>
  void take(const toml::key& key, const toml::node& node, Judged<T> value,
            std::optional<T>& target) {
    if (value) {
      target = *value;
    } else {
      complain(node.source(), std::string{key.str()} + " wants " + value.error());
    }
  }

  void read_headers(const toml::key& key, const toml::node& node, ExpiryRule& rule) {
    for (const std::string& text : texts_of(key, node)) {
      const Judged<std::string> condition = parse_header_condition(text);
      if (condition) {
        rule.headers.push_back(*condition);
      } else {
        complain(node.source(), "header wants " + condition.error());
      }
    }
  }

  const std::string& name_;
  ExpiryPolicy policy_;
  Complaints complaints_;
};

}  // namespace

bool ExpiryRule::has_condition() const {
  return older_than || retrieved_for || retrieved || with || without || larger_than ||
         !headers.empty();
}

Judged<std::chrono::seconds> parse_age(std::string_view text) {
  constexpr std::uint64_t century = std::uint64_t{36'525} * 86'400;
  const auto seconds = product(text, age_units, century);
  if (seconds) return std::chrono::seconds{*seconds};
  return std::unexpected(
      std::string{"an age with its unit, as in \"90d\": s, m, h, d or w, up to a hundred years"});
}

Judged<std::chrono::days> parse_notice(std::string_view text) {
  constexpr std::uint64_t year = 366;
  const std::optional<std::uint64_t> days = decimal(text);
  if (days && *days <= year) return std::chrono::days{static_cast<int>(*days)};
  return std::unexpected(std::string{"a number of days, up to 366"});
}

Judged<std::uint64_t> parse_octets(std::string_view text) {
  constexpr std::uint64_t most = std::uint64_t{1} << 60;
  const std::optional<std::uint64_t> plain = decimal(text);
  if (plain && *plain <= most) return *plain;
  if (const auto octets = product(text, size_units, most)) return *octets;
  return std::unexpected(std::string{"octets, as in 5000 or \"10M\": with k, M, G or T"});
}

Judged<MailFlags> parse_mail_flags(std::string_view text) {
  MailFlags flags;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != text.npos;
    const auto named = std::ranges::find(named_flags, text.substr(0, comma), &NamedFlag::name);
    if (named == named_flags.end()) {
      return std::unexpected(std::string{
          "seen, old, answered, flagged, deleted, draft or passed, with commas between"});
    }
    flags.bits |= named->flag;
    if (more) text.remove_prefix(comma + 1);
  }
  return flags;
}

Judged<std::string> parse_header_condition(std::string_view text) {
  const std::size_t colon = text.find(':');
  const bool has_name =
      colon != text.npos && colon > 0 &&
      std::ranges::all_of(text.substr(0, colon), [](char c) { return c > ' ' && c < 0x7f; });
  const bool has_expression = has_name && !trimmed(text.substr(colon + 1)).empty();
  if (has_expression) return std::string{text};
  return std::unexpected(
      std::string{"the name of a field and an expression, as in \"Subject: sale\""});
}

Checked<ExpiryPolicy> parse_expiry_policy(std::string_view text, const std::string& name) {
  PolicyReader reader{name};
  const std::optional<Complaint> refusal =
      read_toml_document(text, name, [&](const toml::table& document) { reader.read(document); });
  if (refusal) return std::unexpected(Complaints{*refusal});
  return std::move(reader).result();
}

}  // namespace pop
