#include "popcheck/system/delivery_agent.h"

#include <algorithm>
#include <map>
#include <ranges>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

using Locks = std::vector<LockMethod>;
using Values = std::map<std::string, std::string, std::less<>>;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const auto line : std::views::split(text, '\n'))
    lines.emplace_back(line.begin(), line.end());
  return lines;
}

/// In quotes or not, without a comment behind it.
std::string unquoted(std::string_view value) {
  value = trimmed(value);
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'')) {
    const std::size_t end = value.find(value.front(), 1);
    if (end != std::string_view::npos) return std::string{value.substr(1, end - 1)};
  }
  return std::string{value};
}

struct Assigned {
  std::string_view name, value;
};
/// "name = value"; nullopt for anything else.
std::optional<Assigned> assignment_in(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view name = trimmed(line.substr(0, equals));
  if (name.empty() || name.find_first_of(" \t#") != std::string_view::npos) return std::nullopt;
  return Assigned{name, trimmed(line.substr(equals + 1))};
}

std::string value_of(const Values& values, std::string_view name, std::string_view otherwise = "") {
  const auto found = values.find(name);
  return found == values.end() ? std::string{otherwise} : found->second;
}

Locks named_locks(std::string_view words) {
  Locks locks;
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find_first_of(", \t", at), words.size());
    const std::string_view word = words.substr(at, end - at);
    if (word == "dotlock") locks.push_back(LockMethod::dotlock);
    if (word == "fcntl" || word == "lockf") locks.push_back(LockMethod::fcntl);
    if (word == "flock") locks.push_back(LockMethod::flock);
    at = end + 1;
  }
  return locks;
}

/// "500s", "5m", "1h", "300"; the unit of a bare number is a second.
std::optional<std::chrono::seconds> duration_in(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t unit = 1;
  switch (text.back()) {
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86400;
      break;
    default:
      break;
  }
  if (text.back() < '0' || text.back() > '9') text.remove_suffix(1);
  const auto number = decimal(text);
  if (!number || *number > 1'000'000) return std::nullopt;
  return std::chrono::seconds{static_cast<std::int64_t>(*number) * unit};
}

// --- Postfix

/// main.cf: a line that begins with a blank goes on with the one before it.
Values read_main_cf(std::string_view text) {
  Values values;
  std::string* last = nullptr;
  for (const std::string_view line : lines_of(text)) {
    if (trimmed(line).empty() || trimmed(line).front() == '#') continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (last != nullptr) *last += " " + std::string{trimmed(line)};
      continue;
    }
    const auto assigned = assignment_in(line);
    last = assigned ? &(values[std::string{assigned->name}] = assigned->value) : nullptr;
  }
  return values;
}

/// $name, ${name} and $(name), a few levels deep.
std::string expanded(const Values& values, std::string text) {
  for (int level = 0; level < 8; ++level) {
    const std::size_t dollar = text.find('$');
    if (dollar == std::string::npos) return text;
    const bool has_brace = text.find_first_of("{(", dollar) == dollar + 1;
    const std::size_t begin = dollar + (has_brace ? 2 : 1);
    std::size_t end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
      ++end;
    }
    const std::string name = text.substr(begin, end - begin);
    text.replace(dollar, end - dollar + (has_brace && end < text.size() ? 1 : 0),
                 value_of(values, name));
  }
  return text;
}

/// Whatever the order in which they are named, it takes them in this one.
Locks in_order_of_postfix(const Locks& named) {
  Locks locks;
  for (const LockMethod method : {LockMethod::dotlock, LockMethod::flock, LockMethod::fcntl}) {
    if (std::ranges::find(named, method) != named.end()) locks.push_back(method);
  }
  return locks;
}

DeliveryAgent postfix_agent(const Values& values, const std::string& file,
                            const std::string& setting) {
  DeliveryAgent agent{.name = "Postfix", .file = file, .lock_setting = setting, .locks = {}};
  const std::string locks = expanded(values, value_of(values, setting, "fcntl, dotlock"));
  agent.locks = in_order_of_postfix(named_locks(locks));
  agent.breaks_after = duration_in(value_of(values, "stale_lock_time", "500s"));
  agent.good_setting = "postconf -e '" + setting + " = fcntl, dotlock' && postfix reload";
  return agent;
}

void find_postfix(const HostView& view, std::vector<DeliveryAgent>& agents) {
  const std::string file = "/etc/postfix/main.cf";
  const Result<std::string> text = view.text(file);
  if (!text) return;
  const Values values = read_main_cf(*text);
  const bool hands_on = !value_of(values, "mailbox_command").empty() ||
                        !value_of(values, "mailbox_transport").empty();
  if (!hands_on) {
    DeliveryAgent local = postfix_agent(values, file, "mailbox_delivery_lock");
    local.in_home = expanded(values, value_of(values, "home_mailbox"));
    local.spool_dir = expanded(values, value_of(values, "mail_spool_directory", "/var/mail"));
    agents.push_back(std::move(local));
  }
  const std::string base = expanded(values, value_of(values, "virtual_mailbox_base"));
  const bool is_virtual = !value_of(values, "virtual_mailbox_domains").empty() &&
                          value_of(values, "virtual_transport", "virtual") == "virtual";
  if (!is_virtual || base.empty()) return;
  DeliveryAgent agent = postfix_agent(values, file, "virtual_mailbox_lock");
  agent.name = "Postfix's virtual";
  agent.spool_dir = base;
  agents.push_back(std::move(agent));
}

// --- Exim

/// A transport's options: "name = value", and bare "name", "no_name" and "not_name".
struct EximTransport {
  std::string name;
  Values options;

  [[nodiscard]] bool is_on(std::string_view option, bool otherwise) const {
    const auto found = options.find(option);
    if (found == options.end()) return otherwise;
    return found->second != "false" && found->second != "no";
  }
};

void add_exim_option(EximTransport& transport, std::string_view line) {
  if (const auto assigned = assignment_in(line)) {
    transport.options[std::string{assigned->name}] = unquoted(assigned->value);
    return;
  }
  for (const std::string_view no : {"no_", "not_"}) {
    if (line.starts_with(no)) {
      transport.options[std::string{line.substr(no.size())}] = "false";
      return;
    }
  }
  transport.options[std::string{line}] = "true";
}

std::vector<EximTransport> exim_transports(std::string_view text) {
  std::vector<EximTransport> transports;
  bool is_inside = false;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.front() == '#' || line.front() == '.') continue;
    if (line.starts_with("begin ")) {
      is_inside = trimmed(line.substr(6)) == "transports";
    } else if (is_inside && line.ends_with(':') && line.find(' ') == std::string_view::npos) {
      transports.push_back({.name = std::string{line.substr(0, line.size() - 1)}, .options = {}});
    } else if (is_inside && !transports.empty()) {
      add_exim_option(transports.back(), line);
    }
  }
  return transports;
}

Locks locks_of(const EximTransport& transport) {
  Locks locks;
  const bool flocks = transport.is_on("use_flock_lock", false);
  if (transport.is_on("use_lockfile", true)) locks.push_back(LockMethod::dotlock);
  if (transport.is_on("use_fcntl_lock", !flocks)) locks.push_back(LockMethod::fcntl);
  if (flocks) locks.push_back(LockMethod::flock);
  return locks;
}

/// The directory of "/var/mail/$local_part"; "" where a file is not named by the user alone.
std::string directory_of_spools(const std::string& file) {
  const std::size_t slash = file.rfind('/', file.find('$'));
  const bool is_by_user = file.starts_with('/') && slash != std::string::npos && slash != 0 &&
                          file.find("$local_part", slash) == slash + 1;
  return is_by_user ? file.substr(0, slash) : "";
}

void find_exim(const HostView& view, std::vector<DeliveryAgent>& agents) {
  for (const std::string file : {"/etc/exim4/exim4.conf", "/var/lib/exim4/config.autogenerated",
                                 "/etc/exim/exim.conf", "/etc/exim.conf"}) {
    const Result<std::string> text = view.text(file);
    if (!text) continue;
    for (const EximTransport& transport : exim_transports(*text)) {
      const std::string spools = directory_of_spools(value_of(transport.options, "file"));
      if (value_of(transport.options, "driver") != "appendfile" || spools.empty()) continue;
      agents.push_back(
          {.name = "Exim",
           .file = file,
           .lock_setting = "transport " + transport.name,
           .locks = locks_of(transport),
           .breaks_after = duration_in(value_of(transport.options, "lockfile_timeout", "30m")),
           .spool_dir = spools,
           .good_setting = "in " + file + ", transport " + transport.name +
                           ": use_lockfile = true and use_fcntl_lock = true"});
    }
    return;  // Exim reads the first one only
  }
}

// --- procmail and maildrop: shell-like assignments

Values read_assignments(std::string_view text) {
  Values values;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.front() == '#' || line.front() == ':' || line.front() == '*') continue;
    if (const auto assigned = assignment_in(line)) {
      values[std::string{assigned->name}] = unquoted(assigned->value);
    }
  }
  return values;
}

/// DEFAULT as both have it: below the home directory, or a spool.
void set_place(DeliveryAgent& agent, const std::string& place) {
  for (const std::string_view home : {"$HOME/", "${HOME}/", "~/"}) {
    if (place.starts_with(home)) {
      agent.in_home = place.substr(home.size());
      return;
    }
  }
  if (place.starts_with('/')) agent.spool_dir = fs::path{place}.parent_path();
}

void find_procmail(const HostView& view, std::vector<DeliveryAgent>& agents) {
  const std::string file = "/etc/procmailrc";
  const bool is_there = view.has("/usr/bin/procmail");
  const Values postfix = read_main_cf(view.text_or_nothing("/etc/postfix/main.cf"));
  const bool is_called = value_of(postfix, "mailbox_command").find("procmail") != std::string::npos;
  if (!is_there || (!is_called && !view.has(file))) return;
  const Values values = read_assignments(view.text_or_nothing(file));
  DeliveryAgent agent{.name = "procmail",
                      .file = file,
                      .lock_setting = "LOCKEXT",
                      .locks = {LockMethod::dotlock, LockMethod::fcntl}};
  agent.lock_suffix = value_of(values, "LOCKEXT", ".lock");
  agent.good_setting = "in " + file + ": LOCKEXT=.lock";
  const auto timeout = duration_in(value_of(values, "LOCKTIMEOUT", "1024"));
  if (timeout && timeout->count() != 0) agent.breaks_after = timeout;
  set_place(agent, value_of(values, "DEFAULT", value_of(values, "ORGMAIL")));
  agents.push_back(std::move(agent));
}

void find_maildrop(const HostView& view, std::vector<DeliveryAgent>& agents) {
  for (const std::string file : {"/etc/maildroprc", "/etc/courier/maildroprc"}) {
    const Result<std::string> text = view.text(file);
    if (!text) continue;
    const Values values = read_assignments(*text);
    DeliveryAgent agent{.name = "maildrop",
                        .file = file,
                        .lock_setting = "LOCKEXT",
                        .locks = {LockMethod::dotlock, LockMethod::fcntl}};
    agent.lock_suffix = value_of(values, "LOCKEXT", ".lock");
    agent.good_setting = "in " + file + ": LOCKEXT=\".lock\"";
    agent.breaks_after = duration_in(value_of(values, "LOCKTIMEOUT", "60"));
    set_place(agent, value_of(values, "DEFAULT"));
    agents.push_back(std::move(agent));
    return;
  }
}

// --- Dovecot

/// Plain settings outside of blocks, later ones last, included files at their place.
void read_dovecot(const HostView& view, const fs::path& file, int depth, Values& values);

void include_dovecot(const HostView& view, const fs::path& from, std::string_view pattern,
                     int depth, Values& values) {
  fs::path named{std::string{pattern}};
  if (named.is_relative()) named = from.parent_path() / named;
  const std::string last = named.filename().native();
  const std::size_t star = last.find('*');
  if (star == std::string::npos) return read_dovecot(view, named, depth + 1, values);
  for (const std::string& name : view.names(named.parent_path())) {
    if (name.size() + 1 < last.size() || !name.starts_with(last.substr(0, star)) ||
        !name.ends_with(last.substr(star + 1)) || name.starts_with('.')) {
      continue;
    }
    read_dovecot(view, named.parent_path() / name, depth + 1, values);
  }
}

void read_dovecot(const HostView& view, const fs::path& file, int depth, Values& values) {
  constexpr int deepest = 10;
  const Result<std::string> text = view.text(file);
  if (!text || depth > deepest) return;
  int blocks = 0;
  for (const std::string_view raw : lines_of(*text)) {
    std::string_view line = trimmed(raw);
    if (const std::size_t comment = line.find(" #"); comment != std::string_view::npos) {
      line = trimmed(line.substr(0, comment));
    }
    if (line.empty() || line.front() == '#') continue;
    if (line.ends_with('{')) ++blocks;
    if (line == "}") --blocks;
    if (blocks > 0) continue;
    for (const std::string_view word : {"!include_try ", "!include "}) {
      if (!line.starts_with(word)) continue;
      include_dovecot(view, file, trimmed(line.substr(word.size())), depth, values);
      break;
    }
    const auto assigned = assignment_in(line);
    if (assigned) values[std::string{assigned->name}] = unquoted(assigned->value);
  }
}

/// The directory of users' inboxes in "mbox:~/mail:INBOX=/var/mail/%u", or of Dovecot 2.4's form.
std::string inbox_directory(const Values& values) {
  std::string inbox = value_of(values, "mail_inbox_path");
  if (value_of(values, "mail_driver") != "mbox") {
    const std::string location = value_of(values, "mail_location");
    const std::size_t at = location.find("INBOX=");
    if (!location.starts_with("mbox:") || at == std::string::npos) return "";
    inbox = location.substr(at + 6);
    inbox.erase(std::min(inbox.find(':'), inbox.size()));
  }
  const std::size_t variable = inbox.find('%');
  if (!inbox.starts_with('/') || variable == std::string::npos) return "";
  return inbox.substr(0, inbox.rfind('/', variable));
}

void find_dovecot(const HostView& view, std::vector<DeliveryAgent>& agents) {
  const std::string file = "/etc/dovecot/dovecot.conf";
  if (!view.has(file)) return;
  Values values;
  read_dovecot(view, file, 0, values);
  const std::string inboxes = inbox_directory(values);
  if (inboxes.empty()) return;
  const std::string_view usual =
      view.has("/etc/debian_version") ? "fcntl dotlock" : "dotlock fcntl";
  agents.push_back(
      {.name = "Dovecot",
       .file = file,
       .lock_setting = "mbox_write_locks",
       .locks = named_locks(value_of(values, "mbox_write_locks", usual)),
       .breaks_after = duration_in(value_of(values, "mbox_dotlock_change_timeout", "2m")),
       .spool_dir = inboxes,
       .good_setting = "in " + file + ": mbox_write_locks = dotlock fcntl"});
}

// --- sendmail

void find_mail_local(const HostView& view, std::vector<DeliveryAgent>& agents) {
  const std::string file = "/etc/mail/sendmail.cf";
  const std::string text = view.text_or_nothing(file);
  for (const std::string_view line : lines_of(text)) {
    if (!line.starts_with("Mlocal") || line.find("mail.local") == std::string_view::npos) continue;
    agents.push_back({.name = "sendmail's mail.local",
                      .file = file,
                      .lock_setting = "",
                      .locks = {LockMethod::dotlock, LockMethod::flock}});
    return;
  }
}

}  // namespace

std::string_view word_of(LockMethod method) {
  switch (method) {
    case LockMethod::dotlock:
      return "dotlock";
    case LockMethod::fcntl:
      return "fcntl";
    case LockMethod::flock:
      return "flock";
  }
  return "";
}

std::string to_string(const std::vector<LockMethod>& methods) {
  std::string text;
  for (const LockMethod method : methods) {
    text += (text.empty() ? "" : ", ") + std::string{word_of(method)};
  }
  return text.empty() ? "none" : text;
}

std::vector<DeliveryAgent> delivery_agents(const HostView& view) {
  std::vector<DeliveryAgent> agents;
  find_postfix(view, agents);
  find_exim(view, agents);
  find_procmail(view, agents);
  find_maildrop(view, agents);
  find_dovecot(view, agents);
  find_mail_local(view, agents);
  return agents;
}

}  // namespace pop
