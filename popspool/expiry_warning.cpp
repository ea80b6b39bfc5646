#include "popspool/expiry_warning.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <limits>

#include "base/base64.h"
#include "base/file_replacement.h"
#include "base/text.h"
#include "base/utf8.h"
#include "mail/from_line.h"
#include "mail/sha256.h"
#include "mail/unique_id.h"
#include "popspool/mime_text.h"
#include "store/spool_file.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-warned 1";
constexpr FileBytes largest_file{std::uint64_t{256} << 20};
constexpr std::string_view id_prefix = "expiry-warning-";
constexpr std::size_t most_listed = 500;
constexpr std::size_t longest_line = 998;  // RFC 5322 section 2.1.1
constexpr std::array<std::string_view, 6> placeholders{"user",  "host", "days",
                                                       "count", "date", "list"};

constexpr std::string_view default_text =
    "This mail server keeps mail for a limited time only. The messages below will be\n"
    "removed from your maildrop on the server, the first of them on {date}. To keep\n"
    "them, have your mail program fetch them before that day.\n"
    "\n"
    "What goes, and when ({count}):\n"
    "\n"
    "{list}";

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string day_of(std::int64_t seconds) {
  return moment_text(seconds).substr(0, 10);
}

/// As RFC 5322 wants it, whatever the locale.
std::string date_field(std::int64_t seconds) {
  constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr || parts.tm_year > 8099) return {};
  const std::string moment = moment_text(seconds);
  return std::string{days[static_cast<std::size_t>(parts.tm_wday)]} + ", " +
         std::to_string(parts.tm_mday) + " " + months[static_cast<std::size_t>(parts.tm_mon)] +
         " " + moment.substr(0, 4) + " " + moment.substr(11, 8) + " +0000";
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// RFC 2047 words of at most 75 characters, none of which cuts a character of UTF-8.
std::string encoded_words(std::string_view text) {
  constexpr std::size_t most_octets = 42;
  std::string words;
  while (!text.empty()) {
    std::size_t size = std::min(most_octets, text.size());
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80) --size;
    words +=
        (words.empty() ? "=?UTF-8?B?" : "\n =?UTF-8?B?") + to_base64(text.substr(0, size)) + "?=";
    text.remove_prefix(size);
  }
  return words;
}

/// Of one line.
std::string field_text(std::string_view text) {
  constexpr std::size_t longest = 200;
  return is_ascii(text) && text.size() <= longest ? std::string{text} : encoded_words(text);
}

/// A display name may need encoding; the address behind it stays.
std::string mailbox_field(std::string_view mailbox) {
  const std::size_t angle = mailbox.rfind('<');
  if (is_ascii(mailbox) || angle == mailbox.npos) return std::string{mailbox};
  return encoded_words(trimmed(mailbox.substr(0, angle))) + " " +
         std::string{mailbox.substr(angle)};
}

bool has_long_line(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > longest_line) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

/// No line of it begins as a From_ line does.
std::string body_of(const std::string& text, std::string& header) {
  header += "MIME-Version: 1.0\nContent-Type: text/plain; charset=";
  const bool has_from = text.starts_with("From ") || text.find("\nFrom ") != text.npos;
  if (is_ascii(text) && !has_long_line(text) && !has_from) {
    header += "us-ascii\nContent-Transfer-Encoding: 7bit\n";
    return text;
  }
  header += "utf-8\nContent-Transfer-Encoding: base64\n";
  constexpr std::size_t octets_in_line = 57;
  std::string lines;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view piece = rest.substr(0, octets_in_line);
    lines += to_base64(piece) + "\n";
    rest.remove_prefix(piece.size());
  }
  return lines;
}

std::string list_of(const std::vector<DoomedMessage>& doomed) {
  std::string list;
  std::size_t number = 0;
  for (const DoomedMessage& message : doomed) {
    if (++number > most_listed) break;
    list += day_of(message.goes) + "  " + shown_text(message.subject, Layout::one_line);
    if (!message.sender.empty()) list += "  (" + shown_text(message.sender, Layout::one_line) + ")";
    list += "\n";
  }
  if (doomed.size() > most_listed) {
    list += "... and " + std::to_string(doomed.size() - most_listed) + " more\n";
  }
  return list;
}

/// What would be filled in for `{name}`; nullopt: it is no placeholder.
std::optional<std::string_view> placeholder_at(std::string_view text) {
  if (!text.starts_with('{')) return std::nullopt;
  const std::size_t end = text.find('}');
  if (end == text.npos) return std::nullopt;
  return text.substr(1, end - 1);
}

std::optional<std::string> wrong_placeholder(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('{', at)) != text.npos; ++at) {
    const std::optional<std::string_view> name = placeholder_at(text.substr(at));
    if (!name || std::ranges::find(placeholders, *name) != placeholders.end()) continue;
    return std::string{*name};
  }
  return std::nullopt;
}

using Values = std::map<std::string, std::string, std::less<>>;

std::string filled(std::string_view text, const Values& values) {
  std::string out;
  while (!text.empty()) {
    const std::optional<std::string_view> name = placeholder_at(text);
    const auto value = name ? values.find(*name) : values.end();
    if (value == values.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += value->second;
      text.remove_prefix(name->size() + 2);
    }
  }
  return out;
}

}  // namespace

WarningRecord WarningRecord::parse(std::string_view content) {
  WarningRecord record;
  if (take_line(content) != magic) return record;
  while (!content.empty()) {
    const std::string_view line = take_line(content);
    const std::size_t blank = line.find(' ');
    if (blank == line.npos || !is_valid_unique_id(line.substr(blank + 1))) continue;
    const std::optional<std::uint64_t> told = decimal(line.substr(0, blank));
    if (!told || *told > std::uint64_t{std::numeric_limits<Seconds>::max()}) continue;
    record.set(line.substr(blank + 1), static_cast<Seconds>(*told));
  }
  return record;
}

std::string WarningRecord::serialised() const {
  std::string content{magic};
  content += '\n';
  for (const auto& [id, told] : told_) content += std::to_string(told) + " " + id + "\n";
  return content;
}

WarningRecord WarningRecord::load(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return {};
  const Result<FileStatus> status = disk.status(*file);
  if (!status || status->size > largest_file) return {};
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  return got ? parse(std::string_view{content}.substr(0, *got)) : WarningRecord{};
}

Result<void> WarningRecord::save(Disk& disk, const FilePlace& place) const {
  if (!told_.empty()) {
    return replace_file(disk, {.directory = place.directory(), .name = place.name}, serialised());
  }
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed && removed.error().code == Errc::not_found) return {};
  return removed;
}

WarningRecord::Seconds WarningRecord::told_at(std::string_view unique_id) const {
  const auto found = told_.find(unique_id);
  return found == told_.end() ? 0 : found->second;
}

WarningText::WarningText()
    : from_{"Mail server <postmaster@{host}>"},
      subject_{"Mail that will be removed from {date} on"},
      text_{default_text} {}

Result<WarningText> WarningText::parse(std::string_view file) {
  if (!is_valid_utf8(file) || file.find('\0') != file.npos)
    return fail(Errc::usage, "it is no UTF-8");
  WarningText warning;
  std::string_view rest = file;
  for (bool is_header = true; is_header && !rest.empty();) {
    std::string_view after = rest;
    const std::string_view line = take_line(after);
    is_header = false;
    for (const auto& [name, target] :
         {std::pair<std::string_view, std::string*>{"From:", &warning.from_},
          {"Subject:", &warning.subject_}}) {
      if (!starts_with_ignoring_case(line, name)) continue;
      *target = trimmed(line.substr(name.size()));
      is_header = true;
      if (target->empty()) return fail(Errc::usage, std::string{name} + " says nothing");
    }
    if (is_header || line.empty()) rest = after;
  }
  warning.text_.clear();
  while (!rest.empty()) warning.text_ += std::string{take_line(rest)} + "\n";
  if (warning.text_.find("{list}") == std::string::npos) {
    return fail(Errc::usage, "it has no {list}, so that nobody would know what goes");
  }
  for (const std::string* text : {&warning.from_, &warning.subject_, &warning.text_}) {
    if (const std::optional<std::string> wrong = wrong_placeholder(*text)) {
      return fail(Errc::usage, "{" + escaped(*wrong, 40) +
                                   "} is none of {user}, {host}, {days}, {count}, {date}, {list}");
    }
  }
  return warning;
}

OwnMessage WarningText::message(const WarningFacts& facts,
                                std::vector<DoomedMessage> doomed) const {
  std::string ids;
  for (const DoomedMessage& message : doomed) ids += message.unique_id + "\n";
  const std::string id = std::string{id_prefix} + sha256_of(ids).substr(0, 32);
  std::ranges::stable_sort(doomed, {}, &DoomedMessage::goes);
  Values values{{"user", facts.user},
                {"host", facts.host},
                {"days", std::to_string(facts.days)},
                {"count", counted(doomed.size(), "message")},
                {"date", day_of(doomed.front().goes)}};
  const std::string to = facts.user.contains('@') ? facts.user : facts.user + "@" + facts.host;
  std::string header = "X-UIDL: " + id + "\nDate: " + date_field(facts.now) +
                       "\nFrom: " + mailbox_field(filled(from_, values)) + "\nTo: " + to +
                       "\nSubject: " + field_text(filled(subject_, values)) + "\nMessage-ID: <" +
                       id + "." + std::to_string(facts.now) + "@" + facts.host +
                       ">\nAuto-Submitted: auto-generated\nPrecedence: bulk\n";
  values.emplace("list", list_of(doomed));
  const std::string body = body_of(filled(text_, values), header);
  using std::chrono::seconds, std::chrono::system_clock;
  std::string from_line =
      make_from_line("postmaster@" + facts.host, system_clock::time_point{seconds{facts.now}});
  from_line.pop_back();
  return {.from_line = std::move(from_line), .content = header + "\n" + body, .unique_id = id};
}

bool is_expiry_warning(std::string_view unique_id) {
  return unique_id.starts_with(id_prefix);
}

}  // namespace pop
