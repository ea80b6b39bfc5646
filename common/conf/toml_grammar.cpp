#include "conf/toml_grammar.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "conf/network_list.h"
#include "conf/toml_document.h"

namespace pop {
namespace {

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

constexpr const char* not_all_read = "too many errors; the rest was not read";

/// Turns one parsed document into assignments.
class TomlReader {
 public:
  explicit TomlReader(const std::string& name) : name_{name} {}

  ParsedText read(const toml::table& document) {
    for (const auto& [key, node] : entries_of(document)) {
      if (is_enough(*key)) break;
      read_entry(*key, *node);
    }
    return std::move(parsed_);
  }

 private:
  bool is_enough(const toml::key& next) {
    if (parsed_.complaints.size() < most_complaints) return false;
    if (parsed_.complaints.size() == most_complaints) {
      complain(place_of(next.source()), not_all_read);
    }
    return true;
  }

  [[nodiscard]] Place place_of(const toml::source_region& region) const {
    return {name_, region.begin.line, region.begin.column};
  }
  void complain(Place place, std::string what, ComplaintKind kind = ComplaintKind::value) {
    parsed_.complaints.push_back({std::move(place), std::move(what), kind});
  }

  void read_entry(const toml::key& key, const toml::node& node) {
    if (key.str() == "listen") return read_listeners(node);
    const Place place = place_of(key.source());
    const Option* option = find_option(key.str());
    if (!option && node.is_table()) return read_unknown_table(key, *node.as_table());
    if (!option) {
      return complain(place,
                      "unknown option " + shown(key.str()) + suggestion_for_option(key.str()),
                      ComplaintKind::unknown_name);
    }
    if (!seen_.insert(option).second) {
      return complain(place, std::string{option->name} + " is set twice");
    }
    Value value = value_of(*option, node);
    if (Judged<void> fine = check_value(*option, value); !fine) {
      return complain(place_of(node.source()), std::move(fine).error());
    }
    parsed_.assignments.push_back({option, std::move(value), place});
  }

  /// What stands in it will stand at the top level when this slip is mended: its errors are told
  /// now.
  void read_unknown_table(const toml::key& name, const toml::table& table) {
    const bool means_listen = equal_ignoring_case(name.str(), "listener");
    complain(place_of(name.source()),
             "unknown table " + shown(name.str()) +
                 (means_listen ? "; did you mean [[listen]]"
                               : "; options stand at the top level, without a table"),
             ComplaintKind::unknown_name);
    for (const auto& [key, node] : entries_of(table)) {
      if (is_enough(*key)) return;
      if (node->is_table()) {
        complain(place_of(key->source()), "unknown table " + shown(key->str()),
                 ComplaintKind::unknown_name);
      } else {
        read_entry(*key, *node);
      }
    }
  }

  /// A value of another kind than the option takes stays one, so that check_value() refuses it.
  static Value value_of(const Option& option, const toml::node& node) {
    if (const auto* truth = node.as_boolean()) return truth->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* text = node.as_string()) return text->get();
    if (option.type() == ValueType::boolean) return std::string{};
    return false;
  }

  void read_listeners(const toml::node& node) {
    const toml::array* tables = node.as_array();
    if (!tables || !tables->is_array_of_tables()) {
      return complain(place_of(node.source()), "listen must be written as [[listen]] tables");
    }
    for (const toml::node& table : *tables) read_listener(*table.as_table());
  }

  void read_listener(const toml::table& table) {
    const Place place = place_of(table.source());
    ListenAddress listener;
    bool has_address = false;
    ListenTls tls = ListenTls::by_support;
    ListenKerberos kerberos = ListenKerberos::by_option;
    OldDevices old;
    std::size_t old_keys = 0;
    for (const auto& [key, node] : table) {
      if (key.str() == "address") {
        has_address = true;
        read_address(node, listener);
      } else if (key.str() == "tls") {
        tls = read_tls(node);
      } else if (key.str() == "kerberos") {
        kerberos = read_kerberos(node);
      } else if (read_old_devices(key.str(), node, old)) {
        ++old_keys;
      } else {
        const auto near = nearest(key.str().substr(0, 64), listener_keys);
        complain(place_of(key.source()),
                 "unknown key " + shown(key.str()) + " in [[listen]]" +
                     (near ? "; did you mean " + std::string{*near} : ""),
                 ComplaintKind::unknown_name);
      }
    }
    listener.tls = tls;
    listener.kerberos = kerberos;
    if (tls == ListenTls::stls && kerberos == ListenKerberos::yes) {
      complain(place,
               "STLS is not offered where a Kerberos ticket comes first: leave tls = "
               "\"stls\" out, or write \"implicit\"");
    }
    if (old_keys > 0) {
      check_old_devices(place, old_keys, tls);
      listener.old_devices = std::move(old);
    }
    if (!has_address) complain(place, "[[listen]] wants address = \"[address][:port]\"");
    parsed_.listeners.push_back(std::move(listener));
    parsed_.listener_places.push_back(place);
  }

  static constexpr std::string_view until_key = "old-devices-until",
                                    networks_key = "old-devices-networks",
                                    users_key = "old-devices-users";
  static constexpr std::array<std::string_view, 6> listener_keys{
      "address", "kerberos", "tls", until_key, networks_key, users_key};

  /// False for another key.
  bool read_old_devices(std::string_view key, const toml::node& node, OldDevices& old) {
    if (key == until_key) {
      read_until(node, old);
    } else if (key == networks_key) {
      read_networks(node, old);
    } else if (key == users_key) {
      read_users(node, old);
    } else {
      return false;
    }
    return true;
  }

  void read_until(const toml::node& node, OldDevices& old) {
    std::optional<std::chrono::sys_days> day;
    if (const auto* text = node.as_string()) day = parse_day(text->get());
    if (const auto* date = node.as_date()) {
      day = std::chrono::sys_days{std::chrono::year{date->get().year} /
                                  std::chrono::month{date->get().month} /
                                  std::chrono::day{date->get().day}};
    }
    if (!day) {
      return complain(place_of(node.source()),
                      "old-devices-until wants the last day, as in 2027-12-31");
    }
    old.until = *day;
  }

  void read_networks(const toml::node& node, OldDevices& old) {
    const auto* text = node.as_string();
    const Judged<NetworkList> networks =
        text ? NetworkList::parse(text->get()) : std::unexpected(std::string{"a text in quotes"});
    if (networks && !networks->empty()) {
      old.networks = text->get();
      return;
    }
    complain(place_of(node.source()),
             "old-devices-networks wants networks with blanks between, as in \"192.0.2.0/24\"" +
                 (text && !networks ? ": " + networks.error() : ""));
  }

  void read_users(const toml::node& node, OldDevices& old) {
    const auto* text = node.as_string();
    std::string_view rest = text ? std::string_view{text->get()} : std::string_view{};
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
      if (end > 0) old.users.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
    const bool is_fine = std::ranges::none_of(
        old.users, [&](const std::string& user) { return std::ranges::any_of(user, is_control); });
    if (!old.users.empty() && is_fine) return;
    complain(place_of(node.source()), "old-devices-users wants users with blanks between");
  }

  void check_old_devices(const Place& place, std::size_t keys, ListenTls tls) {
    if (keys < 3) {
      complain(place,
               "a listener for old devices wants old-devices-until, old-devices-networks and "
               "old-devices-users");
    }
    if (tls != ListenTls::stls && tls != ListenTls::implicit) {
      complain(place, "a listener for old devices wants tls = \"stls\" or \"implicit\"");
    }
  }

  void read_address(const toml::node& node, ListenAddress& listener) {
    const auto* text = node.as_string();
    if (!text) return complain(place_of(node.source()), "address wants a text in quotes");
    Judged<ListenAddress> parsed = parse_listen_address(text->get());
    if (!parsed) return complain(place_of(node.source()), std::move(parsed).error());
    listener.address = std::move(parsed->address);
    listener.port = parsed->port;
  }

  ListenTls read_tls(const toml::node& node) {
    const auto* text = node.as_string();
    for (const ListenTls tls : {ListenTls::none, ListenTls::stls, ListenTls::implicit}) {
      if (text && text->get() == word_of(tls)) return tls;
    }
    complain(place_of(node.source()), "tls wants \"none\", \"stls\" or \"implicit\"");
    return ListenTls::by_support;
  }

  ListenKerberos read_kerberos(const toml::node& node) {
    if (const auto* truth = node.as_boolean()) {
      return truth->get() ? ListenKerberos::yes : ListenKerberos::no;
    }
    complain(place_of(node.source()), "kerberos wants true or false");
    return ListenKerberos::by_option;
  }

  const std::string& name_;
  ParsedText parsed_;
  std::set<const Option*> seen_;
};

/// What is left of a text without the lines that are no TOML on their own, each line in its place.
/// No option's value takes more than its line. A header takes what it heads along: its keys would
/// be taken for those of another table.
struct Salvage {
  std::string text;
  Complaints complaints;
};

/// The parser's words for what it saw in one line, or in lines that are right one by one.
std::string in_plain_words(std::string what) {
  constexpr std::string_view file_end = "end-of-file", redefined = "cannot redefine existing";
  if (const std::size_t at = what.find(file_end); at != std::string::npos) {
    return what.replace(at, file_end.size(), "end of line");
  }
  const std::size_t last = what.rfind('\'');
  if (what.find(redefined) == std::string::npos || last == std::string::npos || last == 0) {
    return what;
  }
  const std::size_t first = what.rfind('\'', last - 1);
  if (first == std::string::npos) return what;
  return what.substr(first + 1, last - first - 1) + " is set twice";
}

Salvage salvage(std::string_view text, const std::string& name) {
  Salvage kept;
  bool is_headless = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::optional<Complaint> refusal = read_toml_document(line, name, [](const toml::table&) {});
    if (trimmed(line).starts_with('[')) is_headless = refusal.has_value();
    if (!refusal && !is_headless) kept.text += line;
    kept.text += '\n';
    if (!refusal) continue;
    refusal->place.line = number;
    refusal->what = in_plain_words(std::move(refusal->what));
    kept.complaints.push_back(std::move(*refusal));
    if (kept.complaints.size() < most_complaints) continue;
    kept.complaints.push_back({{name, number}, not_all_read});
    break;
  }
  return kept;
}

/// False if nothing stood there.
bool erase_line(std::string& text, std::size_t number) {
  std::size_t begin = 0;
  for (std::size_t line = 1; line < number && begin < text.size(); ++line) {
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  if (trimmed(std::string_view{text}.substr(begin, end - begin)).empty()) return false;
  text.erase(begin, end - begin);
  return true;
}

bool is_earlier(const Complaint& one, const Complaint& other) {
  return std::pair{one.place.line, one.place.column} <
         std::pair{other.place.line, other.place.column};
}

}  // namespace

ParsedText parse_toml(std::string_view text, const std::string& name) {
  ParsedText parsed;
  const auto read = [&](std::string_view document) {
    return read_toml_document(
        document, name, [&](const toml::table& table) { parsed = TomlReader{name}.read(table); });
  };
  if (!read(text)) return parsed;
  Salvage kept = salvage(text, name);
  // Lines that are right may contradict each other: a key that is there twice.
  while (kept.complaints.size() < most_complaints) {
    std::optional<Complaint> refusal = read(kept.text);
    if (!refusal) break;
    refusal->what = in_plain_words(std::move(refusal->what));
    kept.complaints.push_back(*refusal);
    if (!erase_line(kept.text, refusal->place.line)) break;
  }
  std::ranges::move(kept.complaints, std::back_inserter(parsed.complaints));
  std::ranges::stable_sort(parsed.complaints, is_earlier);
  return parsed;
}

}  // namespace pop
