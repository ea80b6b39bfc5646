#include "popauth/popauth.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen subcommand runs.
struct CommandLine {
  std::optional<std::string> credential_file;
  std::vector<std::string> users;
  SetArguments set;
  bool from_stdin = false;
};

std::expected<CredentialSite, ExitStatus> find_site(const CommandLine& line, const ToolRun& run,
                                                    Disk& disk) {
  if (line.credential_file) return CredentialSite{.disk = disk, .file = *line.credential_file};
  std::expected<Configuration, ExitStatus> read = read_configuration(run);
  if (!read) return std::unexpected(read.error());
  return CredentialSite{.disk = disk, .file = std::move(read->settings.credential_file)};
}

void declare_file(Arguments& arguments, CommandLine& line) {
  arguments.option("--credential-file", line.credential_file, "FILE",
                   "Work on this file, whatever the configuration says");
}

void declare_set(Arguments& arguments, CommandLine& line) {
  declare_file(arguments, line);
  arguments.operands("USER", line.users, Arguments::Count::one, "Whom to add or change");
  SetArguments& set = line.set;
  arguments.flag("--stdin", set.from_stdin, "Read the password from standard input, one line");
  arguments.option("--password-file", set.password_file, "FILE",
                   "Read the password from the first line of this file");
  arguments.flag("--apop", set.with_apop, "Store the password as APOP secret too");
  arguments.flag("--no-apop", set.without_apop, "Delete the APOP secret");
  arguments.option("--uid", set.uid, "NUMBER", "User id of a virtual user");
  arguments.option("--gid", set.gid, "NUMBER", "Group id of a virtual user");
  arguments.option("--home", set.home, "DIRECTORY", "Home directory of a virtual user");
  arguments.option("--maildrop", set.maildrop, "PATH",
                   "Maildrop of a virtual user; empty: where the configuration says");
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
          {.name = "verify",
           .help = "Check a password against the stored one",
           .declare =
               [&line, users](Arguments& declared) {
                 users(Arguments::Count::one)(declared);
                 declared.flag("--stdin", line.from_stdin,
                               "Read the password from standard input, one line");
               },
           .run = on_site([&line](const CredentialSite& site, const ToolRun& run) {
             return run_verify(line.users.front(), line.from_stdin, site, run);
           })},
      }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
