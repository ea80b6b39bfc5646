#include "popbull/popbull.h"

#include "base/read_only_disk.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen verb runs.
struct CommandLine {
  PublishArguments publish;
  NoArguments none;
  NumberArguments number;
  ExpireArguments expire;
  PreviewArguments preview;
  UsersArguments users;
  ResetArguments reset;
  MigrateArguments migrate;
};

void declare_nothing(Arguments&) {}

void declare_number(Arguments& arguments, NumberArguments& number) {
  arguments.operands("NUMBER", number.number, Arguments::Count::one, "Which bulletin");
}

void declare_expire(Arguments& arguments, ExpireArguments& expire) {
  arguments.option("--older-than", expire.older_than, "AGE",
                   "Those published longer ago, too, as 90d, 12h or 6w");
  arguments.flag("--remove", expire.removes, "Remove their files, which are kept without it");
}

void declare_publish(Arguments& arguments, PublishArguments& publish) {
  arguments.operands("FILE", publish.file, Arguments::Count::any,
                     "The message, or with --subject its text; none, or -: standard input");
  arguments.option("-s,--subject", publish.subject, "TEXT", "Make a message with this subject");
  arguments.option("--sender", publish.sender, "ADDRESS", "Its From:; postmaster without it");
  arguments.repeated("-a,--attach", publish.attachments, "FILE", "Attach this file");
  arguments.option("-g,--group", publish.group, "GROUP", "Only for the members of this group");
  arguments.option("-u,--users", publish.users, "NAMES",
                   "Only for these users; * and ? stand for any characters");
  arguments.option("--pattern", publish.pattern, "EXPRESSION", "Only for users whose names match");
  arguments.option("--from", publish.start, "DATE", "Not before this time");
  arguments.option("--until", publish.end, "DATE", "Not after this time");
  arguments.option("--name", publish.name, "NAME", "How to call the file, behind its number");
}

void declare_preview(Arguments& arguments, PreviewArguments& preview) {
  arguments.operands("NUMBER", preview.number, Arguments::Count::one, "Which bulletin");
  arguments.option("-u,--user", preview.user, "USER", "For whom");
}

void declare_users(Arguments& arguments, std::vector<std::string>& users) {
  arguments.repeated("-u,--user", users, "USER", "Whose; may be given several times");
}

void declare_reset(Arguments& arguments, ResetArguments& reset) {
  declare_users(arguments, reset.users);
  arguments.option("--to", reset.number, "NUMBER", "The last bulletin that the user has had");
}

void declare_migrate(Arguments& arguments, MigrateArguments& migrate) {
  arguments.option("--to", migrate.to, "PLACE", "database or files");
}

ExitStatus complain_of(const ToolRun& run, const Error& error) {
  run.terminal.complain(error);
  return error.code == Errc::not_found ? ExitStatus::config : consequence_of(error.code).exit;
}

/// Opens what the configuration names, for a verb that changes nothing with -n.
template <class Verb>
ExitStatus with_site(const Verb& verb, const ToolRun& run) {
  const std::expected<Configuration, ExitStatus> read = read_configuration(run);
  if (!read) return read.error();
  const Settings& settings = read->settings;
  if (settings.bulldir.empty()) {
    run.terminal.complain("bulldir is not set: see popper.conf(5)");
    return ExitStatus::config;
  }
  ReadOnlyDisk looking{system_disk()};
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  Disk& disk = is_dry ? static_cast<Disk&>(looking) : system_disk();
  Result<BulletinDirectory> directory = BulletinDirectory::open(disk, settings.bulldir);
  if (!directory) return complain_of(run, std::move(directory).error().in("bulldir"));
  const BulletinSite site{.settings = settings,
                          .disk = disk,
                          .clock = system_clock(),
                          .directory = std::move(*directory)};
  return verb(site, run);
}

}  // namespace

ExitStatus give_up_on_user(Terminal& terminal, const Error& error) {
  const ExitStatus status = give_up(terminal, error);
  return error.code == Errc::not_found ? ExitStatus::no_user : status;
}

ExitStatus run_popbull(std::vector<std::string> arguments, Terminal& terminal) {
  CommandLine line;
  const auto verb = [](auto& of, auto run_verb) {
    return [&of, run_verb](const ToolRun& run) {
      return with_site(
          [&](const BulletinSite& site, const ToolRun& with) { return run_verb(of, site, with); },
          run);
    };
  };
  const Tool tool{
      .name = "popbull",
      .help = "Publishes bulletins and tells who has had which",
      .subcommands = {
          {.name = "publish",
           .help = "Publish a message, or a text with a subject",
           .declare = [&line](Arguments& declared) { declare_publish(declared, line.publish); },
           .run = verb(line.publish, run_publish)},
          {.name = "list",
           .help = "List all bulletins",
           .declare = declare_nothing,
           .run = verb(line.none, run_list)},
          {.name = "show",
           .help = "Print a bulletin as it is stored",
           .declare = [&line](Arguments& declared) { declare_number(declared, line.number); },
           .run = verb(line.number, run_show)},
          {.name = "retract",
           .help = "Let nobody get a bulletin from now on",
           .declare = [&line](Arguments& declared) { declare_number(declared, line.number); },
           .run = verb(line.number, run_retract)},
          {.name = "expire",
           .help = "Retract bulletins that have had their time; -n tells which",
           .declare = [&line](Arguments& declared) { declare_expire(declared, line.expire); },
           .run = verb(line.expire, run_expire)},
          {.name = "check",
           .help = "Tell every defect of every bulletin; exit with 1 if there is one",
           .declare = declare_nothing,
           .run = verb(line.none, run_check)},
          {.name = "preview",
           .help = "Print what a user receives; exit with 1 if that is nothing",
           .declare = [&line](Arguments& declared) { declare_preview(declared, line.preview); },
           .run = verb(line.preview, run_preview)},
          {.name = "status",
           .help = "Tell who has had a bulletin and who has not",
           .declare = [&line](Arguments& declared) { declare_number(declared, line.number); },
           .run = verb(line.number, run_status)},
          {.name = "stats",
           .help = "Count bulletins, and users by how far they have got",
           .declare = declare_nothing,
           .run = verb(line.none, run_stats)},
          {.name = "seen",
           .help = "Print the number of the last bulletin that users have had",
           .declare = [&line](Arguments& declared) { declare_users(declared, line.users.users); },
           .run = verb(line.users, run_seen)},
          {.name = "reset",
           .help = "Change the number of the last bulletin that users have had",
           .declare = [&line](Arguments& declared) { declare_reset(declared, line.reset); },
           .run = verb(line.reset, run_reset)},
          {.name = "migrate",
           .help = "Move users' numbers from .popbull files to the database, or back",
           .declare = [&line](Arguments& declared) { declare_migrate(declared, line.migrate); },
           .run = verb(line.migrate, run_migrate)},
      }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
