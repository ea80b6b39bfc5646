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
      complain(place_of(next.source()), "too many errors; the rest was not read");
    }
    return true;
  }

  [[nodiscard]] Place place_of(const toml::source_region& region) const {
    return {name_, region.begin.line, region.begin.column};
  }
  void complain(Place place, std::string what) {
    parsed_.complaints.push_back({std::move(place), std::move(what)});
  }

  void read_entry(const toml::key& key, const toml::node& node) {
    if (key.str() == "listen") return read_listeners(node);
    const Place place = place_of(key.source());
    const Option* option = find_option(key.str());
    if (!option && node.is_table()) return read_unknown_table(key, *node.as_table());
    if (!option) {
      return complain(place,
                      "unknown option " + shown(key.str()) + suggestion_for_option(key.str()));
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
                               : "; options stand at the top level, without a table"));
    for (const auto& [key, node] : entries_of(table)) {
      if (is_enough(*key)) return;
      if (node->is_table()) {
        complain(place_of(key->source()), "unknown table " + shown(key->str()));
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
        complain(place_of(key.source()), "unknown key " + shown(key.str()) + " in [[listen]]" +
                                             (near ? "; did you mean " + std::string{*near} : ""));
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

}  // namespace

ParsedText parse_toml(std::string_view text, const std::string& name) {
  ParsedText parsed;
  const std::optional<Complaint> refusal = read_toml_document(
      text, name, [&](const toml::table& document) { parsed = TomlReader{name}.read(document); });
  if (!refusal) return parsed;
  ParsedText refused;
  refused.complaints.push_back(*refusal);
  return refused;
}

}  // namespace pop
