#include "popcheck/system/service_start.h"

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const auto line : std::views::split(text, '\n')) {
    lines.push_back(trimmed({line.begin(), line.end()}));
  }
  return lines;
}

bool is_ours(const ServiceStart& start) {
  const bool has_port =
      std::ranges::any_of(start.ports, [](std::uint16_t port) { return port != 0; });
  return has_port || fs::path{start.program}.filename() == "popper";
}

// --- inetd

/// service type protocol wait[.max] user[.group] program arguments
void read_inetd_line(std::string_view line, const std::string& file,
                     std::vector<ServiceStart>& starts) {
  const std::vector<std::string> words = words_of(line);
  if (words.size() < 6 || words[0].starts_with('#')) return;
  const std::string name = words[0].substr(words[0].rfind(':') + 1);  // address:service
  ServiceStart start{.kind = ServiceStart::Kind::inetd, .name = name, .file = file};
  start.ports = {service_port(name)};
  start.waits = words[3].starts_with("wait");
  start.is_limited = words[3] != "nowait";
  start.user = words[4].substr(0, words[4].find_first_of(".:"));
  start.program = words[5];
  if (words.size() > 7) start.arguments = {words.begin() + 7, words.end()};
  if (is_ours(start)) starts.push_back(std::move(start));
}

// --- xinetd

using Values = std::map<std::string, std::string, std::less<>>;

ServiceStart xinetd_start(const std::string& name, const std::string& file, const Values& values) {
  const auto value = [&values](std::string_view key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string{} : found->second;
  };
  ServiceStart start{.kind = ServiceStart::Kind::xinetd, .name = name, .file = file};
  start.ports = {service_port(value("port").empty() ? name : value("port"))};
  start.program = value("server");
  start.arguments = words_of(value("server_args"));
  start.user = value("user").empty() ? "root" : value("user");
  start.waits = value("wait") == "yes";
  start.is_enabled = value("disable") != "yes";
  return start;
}

void read_xinetd_file(const HostView& view, const std::string& file,
                      std::vector<ServiceStart>& starts) {
  std::string name;
  Values values;
  const std::string text = view.text_or_nothing(file);
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with('#')) continue;
    if (line.starts_with("service ")) {
      name = trimmed(line.substr(8));
      if (name.ends_with('{')) name = trimmed(std::string_view{name}.substr(0, name.size() - 1));
      values.clear();
    } else if (line == "}") {
      ServiceStart start = xinetd_start(name, file, values);
      if (!name.empty() && is_ours(start)) starts.push_back(std::move(start));
      name.clear();
    } else if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
      std::string_view key = line.substr(0, equals);
      if (key.ends_with('+') || key.ends_with('-')) key.remove_suffix(1);
      values[std::string{trimmed(key)}] = trimmed(line.substr(equals + 1));
    }
  }
}

// --- systemd

constexpr std::array unit_places{"/etc/systemd/system", "/run/systemd/system",
                                 "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                 "/lib/systemd/system"};

/// A unit with its drop-ins: "Section.Key" and values in the order written.
struct Unit {
  std::string file;
  std::vector<std::pair<std::string, std::string>> values;

  /// Of a key that counts once: the last one.
  [[nodiscard]] std::string value(std::string_view key) const {
    std::string last;
    for (const auto& [name, value] : values) {
      if (name == key) last = value;
    }
    return last;
  }
  /// Of one that may come several times; an empty value forgets those before it.
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const {
    std::vector<std::string> found;
    for (const auto& [name, value] : values) {
      if (name != key) continue;
      if (value.empty())
        found.clear();
      else
        found.push_back(value);
    }
    return found;
  }
};

void read_unit_text(std::string_view text, Unit& unit) {
  std::string section, joined;
  for (std::string_view line : lines_of(text)) {
    if (joined.empty() && (line.empty() || line.front() == '#' || line.front() == ';')) continue;
    if (line.ends_with('\\')) {
      joined += std::string{line.substr(0, line.size() - 1)} + " ";
      continue;
    }
    const std::string whole = joined + std::string{line};
    joined.clear();
    line = trimmed(whole);
    if (line.starts_with('[') && line.ends_with(']')) {
      section = line.substr(1, line.size() - 2);
    } else if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
      unit.values.emplace_back(section + "." + std::string{trimmed(line.substr(0, equals))},
                               std::string{trimmed(line.substr(equals + 1))});
    }
  }
}

std::optional<Unit> read_unit(const HostView& view, const std::string& name) {
  Unit unit;
  for (const char* place : unit_places) {
    const fs::path path = fs::path{place} / name;
    const Result<std::string> text = view.text(path);
    if (!text) continue;
    unit.file = path.native();
    read_unit_text(*text, unit);
    break;
  }
  if (unit.file.empty()) return std::nullopt;
  for (const char* place : unit_places) {
    const fs::path directory = fs::path{place} / (name + ".d");
    for (const std::string& drop_in : view.names(directory)) {
      if (drop_in.ends_with(".conf")) {
        read_unit_text(view.text_or_nothing(directory / drop_in), unit);
      }
    }
  }
  return unit;
}

bool is_masked(const HostView& view, const std::string& name) {
  return view.link_target(fs::path{"/etc/systemd/system"} / name) == "/dev/null";
}

/// Whether some target wants it: that is what `systemctl enable` makes.
bool is_enabled(const HostView& view, const std::string& name) {
  const fs::path top{"/etc/systemd/system"};
  for (const std::string& directory : view.names(top)) {
    if (!directory.ends_with(".wants") && !directory.ends_with(".requires")) continue;
    if (view.link_status(top / directory / name)) return true;
  }
  return false;
}

void take_service(const Unit& unit, ServiceStart& start) {
  const std::vector<std::string> commands = unit.all("Service.ExecStart");
  if (!commands.empty()) {
    std::vector<std::string> words = words_of(commands.front());
    words.front().erase(0, words.front().find_first_not_of("@-:+!"));
    start.program = words.front();
    start.arguments = {words.begin() + 1, words.end()};
  }
  const std::string user = unit.value("Service.User");
  start.user = user.empty() ? "root" : user;
  start.protect_home = unit.value("Service.ProtectHome");
  start.protect_system = unit.value("Service.ProtectSystem");
  for (const std::string& paths : unit.all("Service.ReadWritePaths")) {
    start.writable_paths += " " + paths;
  }
}

void read_socket_unit(const HostView& view, const std::string& name, const Unit& unit,
                      std::vector<ServiceStart>& starts) {
  ServiceStart start{.kind = ServiceStart::Kind::systemd, .name = name, .file = unit.file};
  for (const std::string& listen : unit.all("Socket.ListenStream")) {
    const std::string port = listen.substr(listen.rfind(':') + 1);
    if (!listen.starts_with('/')) start.ports.push_back(service_port(port));
  }
  start.is_enabled = is_enabled(view, name);
  const std::string stem = name.substr(0, name.rfind('.'));
  const std::string accept = lower(unit.value("Socket.Accept"));
  const bool is_template = accept == "yes" || accept == "true" || accept == "on" || accept == "1";
  const std::string named = unit.value("Socket.Service");
  const std::string service =
      named.empty() ? stem + (is_template ? "@.service" : ".service") : named;
  if (const auto other = read_unit(view, service))
    take_service(*other, start);
  else
    start.missing_unit = service;
  if (is_ours(start)) starts.push_back(std::move(start));
}

void read_units(const HostView& view, std::vector<ServiceStart>& starts) {
  std::vector<std::string> names;
  for (const char* place : unit_places) {
    for (std::string& name : view.names(place)) {
      const bool is_unit = name.ends_with(".socket") || name.ends_with(".service");
      if (is_unit && std::ranges::find(names, name) == names.end())
        names.push_back(std::move(name));
    }
  }
  for (const std::string& name : names) {
    if (is_masked(view, name)) continue;
    const auto unit = read_unit(view, name);
    if (!unit) continue;
    if (name.ends_with(".socket")) {
      read_socket_unit(view, name, *unit, starts);
      continue;
    }
    ServiceStart start{.kind = ServiceStart::Kind::systemd, .name = name, .file = unit->file};
    take_service(*unit, start);
    start.is_enabled = is_enabled(view, name);
    const std::string socket = name.substr(0, name.rfind('.')) + ".socket";
    const bool is_by_socket = name.ends_with("@.service") || is_enabled(view, socket);
    if (!is_by_socket && is_ours(start)) starts.push_back(std::move(start));
  }
}

}  // namespace

std::uint16_t service_port(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::uint16_t>, 5> known{
      {{"pop3", 110}, {"pop-3", 110}, {"pop3s", 995}, {"spop3", 995}, {"kpop", 1109}}};
  for (const auto& [word, port] : known) {
    if (word == name) return port;
  }
  const auto number = decimal(name);
  if (number && (*number == 110 || *number == 995 || *number == 1109)) {
    return static_cast<std::uint16_t>(*number);
  }
  return 0;
}

std::vector<ServiceStart> service_starts(const HostView& view) {
  std::vector<ServiceStart> starts;
  const std::string inetd = view.text_or_nothing("/etc/inetd.conf");
  for (const std::string_view line : lines_of(inetd)) {
    read_inetd_line(line, "/etc/inetd.conf", starts);
  }
  read_xinetd_file(view, "/etc/xinetd.conf", starts);
  for (const std::string& name : view.names("/etc/xinetd.d")) {
    const bool is_read = name.find('.') == std::string::npos && !name.ends_with('~');
    if (is_read) read_xinetd_file(view, "/etc/xinetd.d/" + name, starts);
  }
  read_units(view, starts);
  return starts;
}

}  // namespace pop
