#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "base/text.h"
#include "popcheck/convert/conversion.h"

namespace pop {
namespace {

std::optional<std::uint16_t> port_of(std::string_view service) {
  if (service == "pop3" || service == "pop-3" || service == "pop") return 110;
  if (service == "pop3s") return 995;
  if (service == "kpop") return 1109;
  const auto number = decimal(service);
  if (number && *number > 0 && *number < 65536) return static_cast<std::uint16_t>(*number);
  return std::nullopt;
}

bool runs_popper(std::string_view path) {
  const std::string name = std::filesystem::path{path}.filename().native();
  return name.find("popper") != std::string::npos;
}

bool is_about_pop3(std::string_view service, const std::vector<std::string>& words) {
  const bool is_named = service.starts_with("pop") || service == "kpop";
  return is_named ||
         std::ranges::any_of(words, [](const std::string& word) { return runs_popper(word); });
}

struct Service {
  std::string name, address, server;
  std::vector<std::string> arguments;  // without the program's name
  Place place;
};

/// One file for all services: where they differ, the later one counts.
void take_over(ForeignConfiguration& conversion, const ForeignConfiguration& one,
               const Place& place) {
  Configuration configuration = one.configuration();
  configuration.origins[index_of(option_named("tls-support"))] = {};  // each [[listen]] says it
  for (const Option& option : all_options()) {
    const bool is_in_both =
        conversion.has(option.name) && !configuration.origins[index_of(option)].source.empty();
    if (!is_in_both || load_value(conversion.configuration().settings, option) ==
                           load_value(configuration.settings, option)) {
      continue;
    }
    conversion.note(place, std::string{option.name} +
                               " was another for another service: this one counts for both");
  }
  conversion.take(configuration);
  for (const Complaint& note : one.notes()) conversion.note(note.place, note.what);
}

void convert_service(ForeignConfiguration& conversion, const Service& service) {
  if (!runs_popper(service.server)) {
    return conversion.note(service.place, escaped(service.server, 200) +
                                              " is no popper: its own configuration says more");
  }
  const std::optional<std::uint16_t> port = port_of(service.name);
  if (!port) {
    conversion.note(service.place, "the port of the service " + escaped(service.name, 80) +
                                       " is not known: write it into [[listen]]");
  }
  ForeignConfiguration one;
  convert_flags(one, service.arguments, service.place);
  ListenAddress listener{.port = port.value_or(110)};
  if (!service.address.empty() && service.address != "*") {
    const bool is_ipv6 = service.address.find(':') != std::string::npos;
    const Judged<ListenAddress> parsed =
        parse_listen_address(is_ipv6 ? "[" + service.address + "]" : service.address);
    if (parsed) {
      listener.address = parsed->address;
    } else {
      conversion.note(service.place, parsed.error());
    }
  }
  listener.tls = resolved(ListenTls::by_support, one.configuration().settings.tls_support);
  take_over(conversion, one, service.place);
  conversion.listen(listener, service.place);
}

}  // namespace

void convert_inetd(ForeignConfiguration& conversion, const ForeignText& file) {
  for (const ForeignLine& line : lines_of(file.text)) {
    if (line.text.empty() || line.text.starts_with('#')) continue;
    const std::vector<std::string> words = words_of(line.text);
    const Place place{file.name, line.number, 1};
    const std::size_t colon = words[0].rfind(':');
    Service service{.place = place};
    service.name = colon == std::string::npos ? words[0] : words[0].substr(colon + 1);
    if (colon != std::string::npos) service.address = words[0].substr(0, colon);
    if (service.address.starts_with('[') && service.address.ends_with(']')) {
      service.address = service.address.substr(1, service.address.size() - 2);
    }
    if (!is_about_pop3(service.name, words)) continue;
    if (words.size() < 6) {
      conversion.note(place, "a line of inetd.conf has six fields at least: not understood");
      continue;
    }
    std::size_t program = 5;
    if (std::filesystem::path{words[5]}.filename() == "tcpd" && words.size() > 6) {
      conversion.note(place, "TCP wrappers are not asked: put their rules into the firewall");
      service.server = words[6];
      program = 6;
    } else {
      service.server = words[5];
      program = words.size() > 6 ? 6 : 5;
    }
    if (words[3].find('.') != std::string::npos || words[3].find(':') != std::string::npos) {
      conversion.note(place, "limit of starts " + escaped(words[3], 40) +
                                 ": max-connections and max-connections-per-address limit here");
    }
    if (words[4] != "root" && !words[4].starts_with("root.") && !words[4].starts_with("root:")) {
      conversion.note(place, "it ran as " + escaped(words[4], 40) +
                                 "; popper is started as root and gives its rights up itself");
    }
    service.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(program) + 1, words.end());
    convert_service(conversion, service);
  }
}

namespace {

using Attributes = std::map<std::string, std::pair<std::string, Place>, std::less<>>;

void convert_attributes(ForeignConfiguration& conversion, const std::string& name,
                        const Attributes& attributes, const Place& place) {
  Service service{.name = name, .place = place};
  for (const auto& [key, entry] : attributes) {
    const auto& [value, here] = entry;
    if (key == "server") {
      service.server = value;
    } else if (key == "server_args") {
      service.arguments = words_of(value);
    } else if (key == "bind" || key == "interface") {
      service.address = value;
    } else if (key == "port") {
      service.name = value;
    } else if (key == "instances" && value != "UNLIMITED") {
      conversion.set("max-connections", value, here);
    } else if (key == "per_source" && value != "UNLIMITED") {
      conversion.set("max-connections-per-address", value, here);
    } else if (key == "disable" && value == "yes") {
      conversion.note(here, "the service is disabled; it is converted as if it were not");
    } else if (key == "only_from" || key == "no_access" || key == "access_times") {
      conversion.note(here, key + " = " + escaped(value, 200) + ": put this into the firewall");
    } else if (key == "user" && value != "root") {
      conversion.note(here, "it ran as " + escaped(value, 40) +
                                "; popper is started as root and gives its rights up itself");
    } else if (key == "cps" || key == "max_load" || key == "nice" || key.starts_with("rlimit")) {
      conversion.note(here, key + " = " + escaped(value, 80) +
                                ": has no counterpart; systemd's unit can say it");
    }
  }
  const bool tcpd = std::filesystem::path{service.server}.filename() == "tcpd";
  if (tcpd && !service.arguments.empty()) {
    conversion.note(place, "TCP wrappers are not asked: put their rules into the firewall");
    service.server = service.arguments.front();
    service.arguments.erase(service.arguments.begin());
  }
  std::vector<std::string> words = service.arguments;
  words.push_back(service.server);
  if (is_about_pop3(name, words)) convert_service(conversion, service);
}

}  // namespace

void convert_xinetd(ForeignConfiguration& conversion, const ForeignText& file) {
  std::string name;
  Place begin;
  Attributes attributes;
  for (const ForeignLine& line : lines_of(file.text)) {
    const Place place{file.name, line.number, 1};
    if (line.text.empty() || line.text.starts_with('#') || line.text == "{") continue;
    if (line.text == "}") {
      if (!name.empty()) convert_attributes(conversion, name, attributes, begin);
      name.clear();
      attributes.clear();
    } else if (line.text.starts_with("service")) {
      const std::vector<std::string> words = words_of(line.text);
      name = words.size() > 1 ? words[1] : "";
      begin = place;
    } else if (const std::size_t equals = line.text.find('='); equals != std::string::npos) {
      std::string key{trimmed(std::string_view{line.text}.substr(0, equals))};
      while (key.ends_with('+') || key.ends_with('-') || key.ends_with(' ')) key.pop_back();
      attributes[key] = {std::string{trimmed(std::string_view{line.text}.substr(equals + 1))},
                         place};
    } else if (line.text.starts_with("include")) {
      conversion.note(place, escaped(line.text, 200) + ": convert that file as well");
    }
  }
}

}  // namespace pop
