#pragma once

#include <optional>
#include <string>
#include <vector>

#include "popbull/bulletin_site.h"
#include "tool/run_tool.h"

namespace pop {

struct PublishArguments {
  std::vector<std::string> file;  // at most one; none, or "-": standard input
  std::optional<std::string> subject, sender, group, users, pattern, start, end, name;
  std::vector<std::string> attachments;
};
/// popbull publish [FILE]: puts a bulletin into the directory under the next number.
[[nodiscard]] ExitStatus run_publish(const PublishArguments& arguments, const BulletinSite& site,
                                     const ToolRun& run);

struct NoArguments {};
/// popbull list: all bulletins, retracted ones as well.
[[nodiscard]] ExitStatus run_list(const NoArguments& arguments, const BulletinSite& site,
                                  const ToolRun& run);

struct NumberArguments {
  std::vector<std::string> number;  // one
};
/// popbull show NUMBER: the file as it is.
[[nodiscard]] ExitStatus run_show(const NumberArguments& arguments, const BulletinSite& site,
                                  const ToolRun& run);
/// popbull retract NUMBER: nobody gets it from now on.
[[nodiscard]] ExitStatus run_retract(const NumberArguments& arguments, const BulletinSite& site,
                                     const ToolRun& run);

struct ExpireArguments {
  std::optional<std::string> older_than;
  bool removes = false;
};
/// popbull expire: retracts what has had its time.
[[nodiscard]] ExitStatus run_expire(const ExpireArguments& arguments, const BulletinSite& site,
                                    const ToolRun& run);

/// popbull check: every defect of every file; ExitStatus::found if there is one.
[[nodiscard]] ExitStatus run_check(const NoArguments& arguments, const BulletinSite& site,
                                   const ToolRun& run);

struct PreviewArguments {
  std::vector<std::string> number;  // one
  std::optional<std::string> user;
};
/// popbull preview NUMBER --user USER: what the user receives; ExitStatus::found, with the reason,
/// if that is nothing.
[[nodiscard]] ExitStatus run_preview(const PreviewArguments& arguments, const BulletinSite& site,
                                     const ToolRun& run);

/// popbull status NUMBER: who has had it and who has not; ExitStatus::found if that cannot be told
/// of somebody.
[[nodiscard]] ExitStatus run_status(const NumberArguments& arguments, const BulletinSite& site,
                                    const ToolRun& run);
/// popbull stats: how many bulletins there are, and how far users have got.
[[nodiscard]] ExitStatus run_stats(const NoArguments& arguments, const BulletinSite& site,
                                   const ToolRun& run);

struct UsersArguments {
  std::vector<std::string> users;  // none: all
};
/// popbull seen [--user USER]: what is on record of users.
[[nodiscard]] ExitStatus run_seen(const UsersArguments& arguments, const BulletinSite& site,
                                  const ToolRun& run);

struct ResetArguments {
  std::vector<std::string> users;
  std::optional<std::string> number;
};
/// popbull reset --user USER --to NUMBER: the next login brings what comes behind this number.
[[nodiscard]] ExitStatus run_reset(const ResetArguments& arguments, const BulletinSite& site,
                                   const ToolRun& run);

struct MigrateArguments {
  std::optional<std::string> to;  // "database" or "files"
};
/// popbull migrate --to PLACE: moves the records of all users.
[[nodiscard]] ExitStatus run_migrate(const MigrateArguments& arguments, const BulletinSite& site,
                                     const ToolRun& run);

/// Complains and gives the status to exit with: Errc::not_found means that there is no such user.
[[nodiscard]] ExitStatus give_up_on_user(Terminal& terminal, const Error& error);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popbull(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
