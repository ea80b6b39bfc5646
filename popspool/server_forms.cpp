#include "popspool/server_forms.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/text.h"
#include "mail/server_ids.h"
#include "store/maildir_name.h"

namespace pop {
namespace {

constexpr std::string_view dovecot_default = "%08Xu%08Xv";

/// Up to the next `end`, which is taken away.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::optional<std::uint32_t> number_of(std::string_view digits) {
  const std::optional<std::uint64_t> number = decimal(digits);
  if (!number || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::unexpected<Error> wrong_line(std::size_t number) {
  return fail(Errc::corrupt, "line " + std::to_string(number) + " is not understood");
}

/// Of the messages, by `key`.
template <class Key>
std::vector<std::size_t> sorted_messages(const MaildropIdFacts& facts, const Key& key) {
  std::vector<std::size_t> order(facts.messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {},
                           [&](std::size_t index) { return key(facts.messages[index]); });
  return order;
}

using IdOf = std::string (*)(const IdFacts& message);

std::vector<GivenId> in_order(const MaildropIdFacts& facts, IdOf id_of) {
  std::vector<GivenId> given;
  for (std::size_t i = 0; i < facts.messages.size(); ++i) {
    given.push_back({i, id_of(facts.messages[i])});
  }
  return given;
}

Result<void> want_mbox(const FormInput& input) {
  if (input.facts.format != MailFormat::maildir) return {};
  return fail(Errc::usage, "this form is for an mbox");
}
Result<void> want_maildir(const FormInput& input) {
  if (input.facts.format == MailFormat::maildir) return {};
  return fail(Errc::usage, "this form is for a Maildir");
}

// Forms by what a message holds

std::string stored_id(const IdFacts& message) {
  return message.stored_id;
}
std::string popa3d_id_of(const IdFacts& message) {
  return message.popa3d_id;
}
std::string qpopper_id(const IdFacts& message) {
  return message.stored_id.empty() ? message.qpopper_id : message.stored_id;
}
std::string qpopper_old_id(const IdFacts& message) {
  return message.stored_id.empty() ? message.qpopper_old_id : message.stored_id;
}

template <IdOf id_of>
Result<std::vector<GivenId>> by_message(const FormInput& input) {
  return in_order(input.facts, id_of);
}

template <IdOf id_of>
Result<std::vector<GivenId>> by_spool_message(const FormInput& input) {
  if (Result<void> right = want_mbox(input); !right) {
    return std::unexpected(std::move(right).error());
  }
  return in_order(input.facts, id_of);
}

/// By the time at which the file was changed last, as qmail-pop3d lists.
std::vector<GivenId> in_order_of_time(const MaildropIdFacts& facts, IdOf id_of) {
  std::vector<GivenId> given;
  const auto key = [](const IdFacts& message) {
    return std::pair{message.modified_seconds, std::string_view{message.base}};
  };
  for (const std::size_t index : sorted_messages(facts, key)) {
    given.push_back({index, id_of(facts.messages[index])});
  }
  return given;
}

Result<std::vector<GivenId>> qmail_ids(const FormInput& input) {
  if (Result<void> right = want_maildir(input); !right) {
    return std::unexpected(std::move(right).error());
  }
  return in_order_of_time(input.facts, [](const IdFacts& message) { return message.base; });
}

Result<std::vector<GivenId>> tpop3d_ids(const FormInput& input) {
  if (input.facts.format != MailFormat::maildir) {
    return in_order(input.facts, [](const IdFacts& message) { return message.tpop3d_md5; });
  }
  return in_order_of_time(input.facts,
                          [](const IdFacts& message) { return md5_in_hex(message.base); });
}

// Forms by UIDs

Result<std::vector<GivenId>> by_template(const FormInput& input, std::string_view format,
                                         bool takes_stored) {
  const Result<UidlTemplate> shape = UidlTemplate::parse(format);
  if (!shape) return std::unexpected(Error{shape.error()}.in(format));
  const bool in_files = input.facts.format == MailFormat::maildir;
  std::vector<std::tuple<std::uint64_t, std::uint32_t, GivenId>> sortable;
  for (std::size_t i = 0; i < input.facts.messages.size(); ++i) {
    const IdFacts& message = input.facts.messages[i];
    UidlVariables variables{.uid = message.uid,
                            .uidvalidity = input.facts.uidvalidity,
                            .md5 = message.dovecot_md5,
                            .filename = std::nullopt,
                            .guid = std::nullopt};
    std::uint64_t order = std::numeric_limits<std::uint64_t>::max();
    std::string stored;
    if (in_files) {
      const auto found = input.list->entries.find(message.base);
      if (found == input.list->entries.end()) continue;
      const FileEntry& entry = found->second;
      variables = {.uid = entry.uid,
                   .uidvalidity = input.list->uidvalidity,
                   .md5 = std::nullopt,
                   .filename = message.base,
                   .guid = entry.guid.empty() ? message.base : entry.guid};
      if (entry.order) order = *entry.order;
      if (takes_stored) stored = entry.id;
    }
    std::string id = stored.empty() ? shape->apply(variables).value_or("") : stored;
    const std::uint32_t uid = in_files ? variables.uid.value_or(0) : 0;
    sortable.emplace_back(order, uid, GivenId{i, std::move(id)});
  }
  std::ranges::stable_sort(sortable, {}, [](const auto& each) {
    return std::pair{std::get<0>(each), std::get<1>(each)};
  });
  std::vector<GivenId> given;
  for (auto& [order, uid, id] : sortable) given.push_back(std::move(id));
  return given;
}

Result<std::vector<GivenId>> dovecot_ids(const FormInput& input) {
  std::string_view format = input.uidl_format;
  if (format.empty() && input.list != nullptr) format = input.list->uidl_format;
  if (format.empty()) format = dovecot_default;
  return by_template(input, format, true);
}

Result<std::vector<GivenId>> uw_ids(const FormInput& input) {
  if (Result<void> right = want_mbox(input); !right) {
    return std::unexpected(std::move(right).error());
  }
  return by_template(input, "%08Xv%08Xu", false);
}

Result<std::vector<GivenId>> cyrus_ids(const FormInput& input) {
  return by_template(input, "%v.%u", false);
}

Result<std::vector<GivenId>> cyrus_old_ids(const FormInput& input) {
  return by_template(input, "%u", false);
}

Result<std::vector<GivenId>> courier_ids(const FormInput& input) {
  if (Result<void> right = want_maildir(input); !right) {
    return std::unexpected(std::move(right).error());
  }
  std::vector<GivenId> given;  // Courier lists by time and name, as popper does
  for (std::size_t i = 0; i < input.facts.messages.size(); ++i) {
    const auto found = input.list->entries.find(input.facts.messages[i].base);
    if (found != input.list->entries.end()) given.push_back({i, found->second.id});
  }
  const auto key = [&](const GivenId& id) {
    const std::string& base = input.facts.messages[id.message].base;
    return std::pair{parse_maildir_name(base).delivered, std::string_view{base}};
  };
  std::ranges::stable_sort(given, {}, key);
  return given;
}

// Lists

/// "3 V1275660208 N25022 G3085f01b...": version, then fields of any order.
bool parse_uidlist_header(std::string_view line, FileList& list, int& version) {
  const std::string_view first = take_until(line, ' ');
  version = first == "3" ? 3 : 1;
  if (first == "1") {
    list.uidvalidity = number_of(take_until(line, ' '));
    return list.uidvalidity.has_value();
  }
  if (first != "3") return false;
  while (!line.empty()) {
    const std::string_view field = take_until(line, ' ');
    if (field.starts_with('V')) list.uidvalidity = number_of(field.substr(1));
    if (field.starts_with('P')) list.uidl_format = field.substr(1);
  }
  return list.uidvalidity.has_value();
}

/// "UID [Kvalue ...] :name", and in the first version "UID name".
bool parse_uidlist_line(std::string_view line, int version, FileList& list) {
  FileEntry entry;
  entry.uid = number_of(take_until(line, ' '));
  if (!entry.uid || *entry.uid == 0) return false;
  std::optional<std::string_view> stored;
  while (version == 3 && !line.starts_with(':')) {
    if (line.empty()) return false;
    const std::string_view field = take_until(line, ' ');
    if (field.starts_with('P')) stored = field.substr(1);
    if (field.starts_with('O')) entry.order = decimal(field.substr(1));
    if (field.starts_with('G')) entry.guid = field.substr(1);
  }
  if (version == 3) line.remove_prefix(1);
  const std::string base{parse_maildir_name(line).base};
  if (base.empty()) return false;
  if (stored) entry.id = stored->empty() ? base : std::string{*stored};
  list.entries.insert_or_assign(base, std::move(entry));
  return true;
}

/// "NAME SIZE", "NAME SIZE N", "NAME SIZE N:V" or "NAME SIZE N:V:UTF8"; NAME may hold blanks.
bool parse_sizelist_line(std::string_view line, int version, FileList& list) {
  const auto take_last = [&line] {
    const std::size_t blank = line.rfind(' ');
    const std::string_view last = line.substr(blank == line.npos ? 0 : blank + 1);
    line = line.substr(0, blank == line.npos ? 0 : blank);
    return last;
  };
  std::optional<std::uint64_t> number, validity;
  if (version > 0) {
    std::string_view numbers = take_last();
    number = decimal(take_until(numbers, ':'));
    validity = version > 1 ? decimal(take_until(numbers, ':')) : std::uint64_t{0};
    if (!number || !validity) return false;
  }
  if (!decimal(take_last()) || line.empty()) return false;
  const std::string base{parse_maildir_name(line).base};
  std::string id = courier_escaped(base);
  if (number && *number != 0) {
    id = "UID" + std::to_string(*number);
    if (*validity != 0) id += "-" + std::to_string(*validity);
  }
  list.entries.insert_or_assign(base,
                                FileEntry{.id = std::move(id), .uid = {}, .order = {}, .guid = {}});
  return true;
}

/// A list without a first line of its own is of one of the two oldest versions: the last word of
/// each line is a small number that rises, or the size.
int sizelist_version(std::string_view content) {
  while (!content.empty()) {
    std::string_view line = take_until(content, '\n');
    const std::size_t last = line.rfind(' ');
    if (last == line.npos) return 0;
    const std::size_t before = line.rfind(' ', last - 1);
    const bool two_numbers = before != line.npos && before > 0 && decimal(line.substr(last + 1)) &&
                             decimal(line.substr(before + 1, last - before - 1));
    if (!two_numbers) return 0;
  }
  return 1;
}

}  // namespace

Result<FileList> parse_dovecot_uidlist(std::string_view content) {
  FileList list;
  int version = 0;
  for (std::size_t number = 1; !content.empty(); ++number) {
    const std::string_view line = take_until(content, '\n');
    const bool understood = number == 1 ? parse_uidlist_header(line, list, version)
                                        : parse_uidlist_line(line, version, list);
    if (!understood) return wrong_line(number);
  }
  if (version == 0) return fail(Errc::corrupt, "the file is empty");
  return list;
}

Result<FileList> parse_courier_sizelist(std::string_view content) {
  FileList list;
  std::size_t number = 1;
  int version = sizelist_version(content);
  if (content.starts_with('/')) {
    const std::string_view first = take_until(content, '\n');
    if (!first.starts_with("/2 ") && !first.starts_with("/3 ")) return wrong_line(1);
    version = first[1] - '0';
    ++number;
  }
  for (; !content.empty(); ++number) {
    if (!parse_sizelist_line(take_until(content, '\n'), version, list)) return wrong_line(number);
  }
  return list;
}

const std::vector<std::string>& usual_dovecot_formats() {
  static const std::vector<std::string> formats{std::string{dovecot_default},
                                                "%v.%u",
                                                "%u.%v",
                                                "%08Xv%08Xu",
                                                "%v-%u",
                                                "%u",
                                                "%f",
                                                "%Mf",
                                                "%g",
                                                "%m"};
  return formats;
}

const std::vector<ServerForm>& server_forms() {
  static const std::vector<ServerForm> forms{
      {.name = "courier",
       .explained = "Courier: courierpop3dsizelist",
       .list_file = "courierpop3dsizelist",
       .parse_list = parse_courier_sizelist,
       .ids = courier_ids},
      {.name = "cyrus",
       .explained = "Cyrus since 2.1.4: UIDVALIDITY.UID",
       .list_file = "dovecot-uidlist",
       .parse_list = parse_dovecot_uidlist,
       .ids = cyrus_ids},
      {.name = "cyrus-old",
       .explained = "Cyrus up to 2.1.3, hMailServer, James: UID",
       .list_file = "dovecot-uidlist",
       .parse_list = parse_dovecot_uidlist,
       .ids = cyrus_old_ids},
      {.name = "dovecot",
       .explained = "Dovecot: pop3_uidl_format",
       .list_file = "dovecot-uidlist",
       .parse_list = parse_dovecot_uidlist,
       .ids = dovecot_ids},
      {.name = "mailutils",
       .explained = "GNU Mailutils: X-UIDL:",
       .list_file = {},
       .ids = by_message<stored_id>},
      {.name = "popa3d",
       .explained = "popa3d: MD5 of header lines",
       .list_file = {},
       .ids = by_spool_message<popa3d_id_of>},
      {.name = "qmail",
       .explained = "qmail-pop3d, notqmail: file names",
       .list_file = {},
       .ids = qmail_ids},
      {.name = "qpopper",
       .explained = "Qpopper 3 and 4: X-UIDL:, else 20 characters of an MD5",
       .list_file = {},
       .ids = by_spool_message<qpopper_id>},
      {.name = "qpopper-old",
       .explained = "Qpopper 2, old-style-uid: X-UIDL:, else 32 hex digits of an MD5",
       .list_file = {},
       .ids = by_spool_message<qpopper_old_id>},
      {.name = "tpop3d",
       .explained = "tpop3d: MD5 of the first 512 octets, or of the file name",
       .list_file = {},
       .ids = tpop3d_ids},
      {.name = "uw",
       .explained = "UW ipop3d: UIDVALIDITY and UID as 16 hex digits",
       .list_file = {},
       .ids = uw_ids},
  };
  return forms;
}

const ServerForm* find_form(std::string_view name) {
  const auto found = std::ranges::find(server_forms(), name, &ServerForm::name);
  return found == server_forms().end() ? nullptr : &*found;
}

}  // namespace pop
