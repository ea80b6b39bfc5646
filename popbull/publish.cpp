#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/text.h"
#include "bull/believable_numbers.h"
#include "bull/bulletin.h"
#include "daemon/host_name.h"
#include "mail/from_line.h"
#include "popbull/bulletin_site.h"
#include "popbull/composition.h"
#include "popbull/highest_seen.h"
#include "popbull/input_file.h"
#include "popbull/mime_composer.h"
#include "popbull/moment.h"
#include "popbull/popbull.h"
#include "popbull/publication.h"
#include "tool/json.h"

namespace pop {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t largest = BulletinDirectory::largest_bulletin.count;

std::string field(std::string_view name) {
  return std::string{bulletin_field_prefix} + std::string{name};
}

/// A moment is stored in UTC: the daemon's time zone may be another.
Result<void> add_moment(Fields& fields, std::string_view name, std::string_view option,
                        const std::optional<std::string>& given, WholeDay day) {
  if (!given) return {};
  const std::optional<std::int64_t> moment = bulletin_time(*given, day);
  if (!moment) {
    return fail(Errc::usage, std::string{option} + " \"" + escaped(*given) +
                                 "\": no date as 2026-12-31 or \"2026-12-31 18:00\"");
  }
  fields.emplace_back(field(name), moment_text(*moment));
  return {};
}

Result<void> check_order(const Fields& fields, std::int64_t now) {
  BulletinTerms terms;
  for (const auto& [name, value] : fields) {
    if (const Judged<void> added = add_term(terms, name, value); !added) {
      return fail(Errc::usage, name + ": " + added.error());
    }
  }
  if (terms.end && *terms.end < now) return fail(Errc::usage, "--until: that time has passed");
  if (terms.start && terms.end && *terms.end < *terms.start) {
    return fail(Errc::usage, "--until is before --from");
  }
  return {};
}

/// What the header says of who gets it and when.
Result<Fields> terms_of(const PublishArguments& arguments, std::int64_t now) {
  Fields fields;
  Result<void> added = add_moment(fields, "Start", "--from", arguments.start, WholeDay::begins);
  if (added) added = add_moment(fields, "End", "--until", arguments.end, WholeDay::ends);
  if (!added) return std::unexpected(std::move(added).error());
  if (arguments.users) fields.emplace_back(field("Users"), *arguments.users);
  if (arguments.pattern) fields.emplace_back(field("Pattern"), *arguments.pattern);
  for (const auto& [name, value] : fields) {
    const bool is_plain = std::ranges::all_of(value, [](char c) { return c >= ' ' && c < '\x7f'; });
    if (!is_plain) return fail(Errc::usage, name + ": has characters that a header cannot have");
  }
  if (Result<void> sound = check_order(fields, now); !sound) {
    return std::unexpected(std::move(sound).error());
  }
  return fields;
}

Result<std::string> group_of(const PublishArguments& arguments, const Settings& settings) {
  if (!arguments.group || *arguments.group == group_of_all) return std::string{group_of_all};
  const std::string& group = *arguments.group;
  if (!settings.group_bulletins) {
    return fail(Errc::usage, "--group: group-bulletins is not set, so everybody would get it");
  }
  if (group.find_first_of("./") != std::string::npos) {
    return fail(Errc::usage, "--group \"" + escaped(group) + "\": cannot stand in a file name");
  }
  if (::getgrnam(group.c_str()) == nullptr) {
    return fail(Errc::usage, "--group \"" + escaped(group) + "\": there is no such group");
  }
  return group;
}

Result<std::string> name_of(const PublishArguments& arguments, const std::string& subject) {
  if (!arguments.name) return title_of(ascii_of(subject));
  std::string title = title_of(*arguments.name);
  if (title == *arguments.name) return title;
  return fail(Errc::usage, "--name \"" + escaped(*arguments.name) +
                               "\": letters, digits, '-' and '_' only, 40 at most");
}

Result<std::vector<Attachment>> attachments_of(const PublishArguments& arguments,
                                               Terminal& terminal) {
  std::vector<Attachment> attachments;
  for (const std::string& file : arguments.attachments) {
    if (file == "-") return fail(Errc::usage, "--attach takes a file");
    Result<std::string> content = read_named(file, largest, terminal);
    if (!content) return std::unexpected(std::move(content).error().in("--attach"));
    attachments.push_back({std::filesystem::path{file}.filename().native(), std::move(*content)});
  }
  return attachments;
}

/// The text of a notice is not waited for on a terminal without a word.
Result<std::string> input_of(const PublishArguments& arguments, const ToolRun& run) {
  const std::string file = arguments.file.empty() ? "-" : arguments.file.front();
  if (file == "-" && ::isatty(run.terminal.input()) == 1 &&
      run.flags.verbosity != Verbosity::quiet) {
    run.terminal.tell(arguments.subject ? "Text of the bulletin, up to Ctrl-D:"
                                        : "Message with its header, up to Ctrl-D:");
  }
  return read_named(file, largest, run.terminal);
}

Result<Composition> composition_of(const PublishArguments& arguments, const std::string& input,
                                   const Supplement& supplement) {
  if (!arguments.subject) {
    if (!arguments.sender) return adapt(input, supplement);
    return fail(Errc::usage, "--sender goes with --subject; a message has its own From: field");
  }
  const std::string sender =
      arguments.sender.value_or("POP Administrator <postmaster@" + supplement.host + ">");
  return compose({.subject = *arguments.subject, .sender = sender, .text = input}, supplement);
}

/// Composes, and looks at the result as the daemon will.
Result<NewBulletin> bulletin_of(const PublishArguments& arguments, const BulletinSite& site,
                                const ToolRun& run) {
  Result<std::string> group = group_of(arguments, site.settings);
  if (!group) return std::unexpected(std::move(group).error());
  Result<Fields> terms = terms_of(arguments, site.now());
  if (!terms) return std::unexpected(std::move(terms).error());
  Result<std::vector<Attachment>> attachments = attachments_of(arguments, run.terminal);
  if (!attachments) return std::unexpected(std::move(attachments).error());
  const Result<std::string> input = input_of(arguments, run);
  if (!input) return std::unexpected(input.error());
  const Result<Composition> made = composition_of(arguments, *input,
                                                  {.host = host_name(site.settings),
                                                   .now = site.now(),
                                                   .fields = std::move(*terms),
                                                   .attachments = std::move(*attachments)});
  if (!made) return std::unexpected(made.error());
  NewBulletin bulletin{.group = std::move(*group),
                       .title = {},
                       .content = make_from_line(made->sender, site.clock.wall()) + made->message};
  if (bulletin.content.size() > largest) {
    return fail(Errc::limit, "it is larger than " + std::to_string(largest) + " octets");
  }
  const BulletinReading reading = read_bulletin(bulletin.content);
  if (!reading.bulletin) return fail(Errc::corrupt, reading.what_breaks());
  Result<std::string> title = name_of(arguments, made->subject);
  if (!title) return std::unexpected(std::move(title).error());
  bulletin.title = std::move(*title);
  return bulletin;
}

Result<BelievableNumbers> believable_on(const BulletinSite& site) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return std::unexpected(files.error());
  return believable_numbers(site.directory, *files);
}

/// Above every number that was used, and `seen`.
Result<std::uint64_t> next_number(const BulletinSite& site, std::uint64_t seen) {
  const Result<BelievableNumbers> used = believable_on(site);
  if (!used) return std::unexpected(used.error());
  const std::uint64_t highest = std::max(used->highest_used, seen);
  if (highest < highest_bulletin_number) return highest + 1;
  return fail(Errc::limit, "all numbers are used");
}

/// Users' records are read before the lock, for that takes time: what rises in them meanwhile is
/// the number of a bulletin, which counts as used.
Result<BulletinName> publish(const NewBulletin& bulletin, const BulletinSite& site,
                             const ToolRun& run) {
  const Result<BelievableNumbers> believable = believable_on(site);
  if (!believable) return std::unexpected(believable.error());
  const Result<std::uint64_t> seen = highest_seen(site, *believable, run.terminal);
  if (!seen) return std::unexpected(seen.error());
  if (run.flags.mode == RunMode::dry_run) {
    const Result<std::uint64_t> number = next_number(site, *seen);
    if (!number) return std::unexpected(number.error());
    return new_name(*number, bulletin);
  }
  const Result<BulletinLock> lock = site.lock();
  if (!lock) return std::unexpected(lock.error());
  const Result<std::uint64_t> number = next_number(site, *seen);
  if (!number) return std::unexpected(number.error());
  return put_bulletin(site.disk, site.directory, *lock, *number, bulletin);
}

void tell(const BulletinName& name, const NewBulletin& bulletin, const BulletinSite& site,
          const ToolRun& run) {
  const std::string path = (site.directory.path() / name.file).native();
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text({Json::Object{{"number", {name.number}},
                                             {"file", {path}},
                                             {"group", {name.group}},
                                             {"octets", {bulletin.content.size()}}}}));
    return;
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  const std::string would = run.flags.mode == RunMode::dry_run ? "would publish " : "";
  run.terminal.print(would + std::to_string(name.number) + " " + path + "\n");
  if (run.flags.verbosity == Verbosity::verbose) run.terminal.print(bulletin.content);
}

}  // namespace

ExitStatus run_publish(const PublishArguments& arguments, const BulletinSite& site,
                       const ToolRun& run) {
  if (arguments.file.size() > 1) {
    return give_up(run.terminal, {Errc::usage, "publish: one FILE, or none"});
  }
  const Result<NewBulletin> bulletin = bulletin_of(arguments, site, run);
  if (!bulletin) return give_up(run.terminal, Error{bulletin.error()}.in("publish"));
  const Result<BulletinName> name = publish(*bulletin, site, run);
  if (!name) return give_up(run.terminal, Error{name.error()}.in("publish"));
  tell(*name, *bulletin, site, run);
  return ExitStatus::ok;
}

}  // namespace pop
