#include "popauth/popauth.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen subcommand runs.
struct CommandLine {
  std::optional<std::string> credential_file;
  std::vector<std::string> users;
  SetArguments set;
  DeviceArguments device;
  std::vector<std::string> files;
  ImportArguments import;
  std::vector<std::string> device_names;
};

std::expected<CredentialSite, ExitStatus> find_site(const CommandLine& line, const ToolRun& run,
                                                    Disk& disk) {
  if (line.credential_file) return CredentialSite{.disk = disk, .file = *line.credential_file};
  std::expected<Configuration, ExitStatus> read = read_configuration(run);
  if (!read) return std::unexpected(read.error());
  return CredentialSite{.disk = disk,
                        .file = std::move(read->settings.credential_file),
                        .owner = std::move(read->settings.credential_owner)};
}

void declare_file(Arguments& arguments, CommandLine& line) {
  arguments.option("--credential-file", line.credential_file, "FILE",
                   "Work on this file, whatever the configuration says");
}

void declare_password(Arguments& arguments, PasswordSource& source) {
  arguments.flag("--stdin", source.from_stdin, "Read the password from standard input, one line");
  arguments.option("--password-file", source.file, "FILE",
                   "Read the password from the first line of this file");
}

void declare_set(Arguments& arguments, CommandLine& line) {
  declare_file(arguments, line);
  arguments.operands("USER", line.users, Arguments::Count::one, "Whom to add or change");
  SetArguments& set = line.set;
  declare_password(arguments, set.password);
  arguments.flag("--lock", set.lock, "Let the user in no more, whatever the mechanism");
  arguments.flag("--unlock", set.unlock, "Let the user in again");
  arguments.flag("--apop", set.with_apop, "Store the password as APOP secret too");
  arguments.flag("--no-apop", set.without_apop, "Delete the APOP secret");
  arguments.option("--uid", set.uid, "NUMBER", "User id of a virtual user");
  arguments.option("--gid", set.gid, "NUMBER", "Group id of a virtual user");
  arguments.option("--home", set.home, "DIRECTORY", "Home directory of a virtual user");
  arguments.option("--maildrop", set.maildrop, "PATH",
                   "Maildrop of a virtual user; empty: where the configuration says");
}

void declare_device_add(Arguments& arguments, CommandLine& line) {
  declare_file(arguments, line);
  arguments.operands("USER", line.users, Arguments::Count::one, "Whose device it is");
  arguments.operands("NAME", line.device_names, Arguments::Count::one,
                     "What to call the device: letters, digits, '-', '_' and '.'");
  arguments.flag("--read-only", line.device.read_only, "Let its sessions delete nothing");
  arguments.option("--network", line.device.networks, "NETWORK,...",
                   "Let it in from these addresses only, as 192.0.2.0/24 or 2001:db8::/32");
  arguments.option("--expires", line.device.expires, "WHEN",
                   "Until the end of this day (2026-12-31), or for so many days (90d)");
}

void declare_import(Arguments& arguments, CommandLine& line) {
  declare_file(arguments, line);
  arguments.operands("FILE", line.files, Arguments::Count::one, "What to take users from");
  arguments.option("--format", line.import.format, "FORMAT",
                   "popauth, qpopper, text or passwd-file; else it is guessed");
  arguments.flag("--replace", line.import.replace, "Change users who are there already");
}

}  // namespace

ExitStatus run_popauth(std::vector<std::string> arguments, Terminal& terminal, Disk& disk) {
  CommandLine line;
  const auto on_site = [&line, &disk](auto work) {
    return [&line, &disk, work](const ToolRun& run) {
      const std::expected<CredentialSite, ExitStatus> site = find_site(line, run, disk);
      return site ? work(*site, run) : site.error();
    };
  };
  const auto users = [&line](Arguments::Count count) {
    return [&line, count](Arguments& declared) {
      declare_file(declared, line);
      declared.operands("USER", line.users, count, "Users, as they log in");
    };
  };
  const Tool tool{
      .name = "popauth",
      .help = "Keeps the credential file of popper: virtual users, passwords and APOP secrets",
      .subcommands = {
          {.name = "init",
           .help = "Make an empty credential file",
           .declare = [&line](Arguments& declared) { declare_file(declared, line); },
           .run = on_site(run_init)},
          {.name = "set",
           .help = "Add a user or change one",
           .declare = [&line](Arguments& declared) { declare_set(declared, line); },
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             line.set.user = line.users.front();
             return run_set(line.set, site, run);
           })},
          {.name = "delete",
           .help = "Delete users",
           .declare = users(Arguments::Count::one_or_more),
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_delete(line.users, site, run);
           })},
          {.name = "list",
           .help = "List users, without their secrets",
           .declare = users(Arguments::Count::any),
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_list(line.users, site, run);
           })},
          {.name = "show",
           .help = "Show all about users, but no secrets",
           .declare = users(Arguments::Count::any),
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_show(line.users, site, run);
           })},
          {.name = "verify",
           .help = "Check a password against the stored one",
           .declare =
               [&line, users](Arguments& declared) {
                 users(Arguments::Count::one)(declared);
                 declare_password(declared, line.set.password);
               },
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_verify(line.users.front(), line.set.password, site, run);
           })},
          {.name = "device",
           .help = "Keep device passwords: one for each program that fetches a user's mail",
           .subcommands =
               {{.name = "add",
                 .help = "Make a device password and show it, once",
                 .declare = [&line](Arguments& declared) { declare_device_add(declared, line); },
                 .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
                   line.device.user = line.users.front();
                   line.device.name = line.device_names.front();
                   return run_device_add(line.device, site, run);
                 })},
                {.name = "list",
                 .help = "List device passwords and their last uses",
                 .declare = users(Arguments::Count::any),
                 .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
                   return run_device_list(line.users, site, run);
                 })},
                {.name = "revoke",
                 .help = "Delete device passwords",
                 .declare =
                     [&line](Arguments& declared) {
                       declare_file(declared, line);
                       declared.operands("USER", line.users, Arguments::Count::one, "Whose");
                       declared.operands("NAME", line.device_names, Arguments::Count::one_or_more,
                                         "The devices");
                     },
                 .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
                   return run_device_revoke(line.users.front(), line.device_names, site, run);
                 })}}},
          {.name = "export",
           .help = "Print records, secrets and all, as text for import",
           .declare = users(Arguments::Count::any),
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_export(line.users, site, run);
           })},
          {.name = "import",
           .help = "Take users over from another file",
           .declare = [&line](Arguments& declared) { declare_import(declared, line); },
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             line.import.file = line.files.front();
             return run_import(line.import, site, run);
           })},
          {.name = "check",
           .help = "Read every record and say what is wrong",
           .declare = [&line](Arguments& declared) { declare_file(declared, line); },
           .run = on_site(run_check)},
          {.name = "recover",
           .help = "Write a damaged file anew with all records that can be read",
           .declare = [&line](Arguments& declared) { declare_file(declared, line); },
           .run = on_site(run_recover)},
      }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
