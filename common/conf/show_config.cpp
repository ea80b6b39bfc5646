#include "conf/show_config.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pop {
namespace {

bool is_stored(const Option& option) {
  return !std::holds_alternative<std::monostate>(option.target);
}

std::string effective_line(const Settings& settings, const Option& option) {
  const Value value = load_value(settings, option);
  if (is_secret(option) && value != Value{std::string{}}) {
    return "# set " + std::string{option.name} + " = (not shown)";
  }
  return to_classic(option, value);
}

std::string origin_text(const Place& origin) {
  if (origin.source.empty()) return "default";
  Place line = origin;
  line.column = 0;
  return escaped(to_string(line), 512);
}

std::string shown_old_devices(const OldDevices& old) {
  std::string text = "old-devices-until=" + to_string(old.until) + " old-devices-networks=\"" +
                     escaped(old.networks, 512) + "\" old-devices-users=\"";
  for (const std::string& user : old.users) {
    text += (&user == old.users.data() ? "" : " ") + escaped(user, 80);
  }
  return text + "\"";
}

}  // namespace

bool is_secret(const Option& option) {
  constexpr std::array<std::string_view, 3> secrets{"loginfo-password", "logudp-secret",
                                                    "tls-passphrase"};
  return std::ranges::find(secrets, option.name) != secrets.end();
}

std::string render_listener(const ListenAddress& listener) {
  std::string text = to_string(listener);
  if (listener.tls != ListenTls::by_support) text += " tls=" + std::string{word_of(listener.tls)};
  if (listener.kerberos != ListenKerberos::by_option) {
    text += listener.kerberos == ListenKerberos::yes ? " kerberos=true" : " kerberos=false";
  }
  if (listener.old_devices) text += " " + shown_old_devices(*listener.old_devices);
  return text;
}

std::string render_effective(const Configuration& configuration) {
  constexpr std::size_t comment_column = 48;
  std::string text;
  for (const Option& option : all_options()) {
    if (!is_stored(option)) continue;
    std::string line = effective_line(configuration.settings, option);
    line.append(line.size() < comment_column ? comment_column - line.size() : 1, ' ');
    text += line + "# " + origin_text(configuration.origins[index_of(option)]) + "\n";
  }
  for (const ListenAddress& listener : configuration.listeners) {
    text += "# listen " + render_listener(listener) + "\n";
  }
  for (const Complaint& remark : configuration.remarks) {
    text += "# note " + escaped(to_string(remark), 1024) + "\n";
  }
  return text;
}

std::string render_classic(const Settings& settings) {
  std::string text;
  for (const Option& option : all_options()) {
    if (is_stored(option)) text += to_classic(option, load_value(settings, option)) + "\n";
  }
  return text;
}

std::vector<std::string_view> differing_options(const Settings& a, const Settings& b) {
  std::vector<std::string_view> names;
  for (const Option& option : all_options()) {
    if (load_value(a, option) != load_value(b, option)) names.push_back(option.name);
  }
  return names;
}

}  // namespace pop
