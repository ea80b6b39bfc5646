#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/settings.h"
#include "popspool/old_ids.h"
#include "popspool/target_runner.h"
#include "tool/run_tool.h"

namespace pop {

/// popspool list TARGET...: the scan listing of each maildrop.
[[nodiscard]] ExitStatus run_list(const TargetSelection& selection, const Settings& settings,
                                  const ToolRun& run);

/// One target and some of its messages.
struct MessageSelection {
  std::vector<std::string> named;     // the target
  std::vector<std::string> messages;  // numbers, ranges and unique-ids; none: all of them

  [[nodiscard]] TargetSelection target() const { return {.named = named}; }
};
/// popspool show TARGET [MESSAGE...]: messages as a person reads them, MIME decoded.
[[nodiscard]] ExitStatus run_show(const MessageSelection& selection, const Settings& settings,
                                  const ToolRun& run);
/// popspool headers TARGET [MESSAGE...]: their headers, decoded.
[[nodiscard]] ExitStatus run_headers(const MessageSelection& selection, const Settings& settings,
                                     const ToolRun& run);
/// popspool cat TARGET [MESSAGE...]: messages as they are stored.
[[nodiscard]] ExitStatus run_cat(const MessageSelection& selection, const Settings& settings,
                                 const ToolRun& run);

struct GrepArguments {
  std::vector<std::string> pattern;  // one
  bool ignore_case = false, fixed = false, list = false, count = false;
  TargetSelection selection;
};
/// popspool grep PATTERN TARGET...: lines of decoded headers and texts that match.
[[nodiscard]] ExitStatus run_grep(const GrepArguments& arguments, const Settings& settings,
                                  const ToolRun& run);

/// popspool stat TARGET...: what there is to know of each maildrop at a glance.
[[nodiscard]] ExitStatus run_stat(const TargetSelection& selection, const Settings& settings,
                                  const ToolRun& run);

struct TopArguments {
  std::optional<std::string> count, state_file;
  bool by_growth = false;
  TargetSelection selection;  // none named: all
};
/// popspool top: the largest maildrops, and how they have grown since the last run.
[[nodiscard]] ExitStatus run_top(const TopArguments& arguments, const Settings& settings,
                                 const ToolRun& run);

struct ReportArguments {
  std::optional<std::string> html_file, state_file;
  TargetSelection selection;  // none named: all
};
/// popspool report --html FILE: a page about the maildrops.
[[nodiscard]] ExitStatus run_report(const ReportArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

/// popspool check TARGET...: every defect of each maildrop; nothing is changed.
[[nodiscard]] ExitStatus run_check(const TargetSelection& selection, const Settings& settings,
                                   const ToolRun& run);

struct RepairArguments {
  std::optional<std::string> decide;  // kinds of defects, or "all", with commas between
};
/// popspool repair TARGET...: mends what is sure and what was decided.
[[nodiscard]] ExitStatus run_repair(const TargetSelection& selection,
                                    const RepairArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

struct UndoArguments {
  bool removed = false;
  TargetSelection selection;
};
/// popspool undo TARGET...: takes the last repair, expire or dedupe back.
[[nodiscard]] ExitStatus run_undo(const UndoArguments& arguments, const Settings& settings,
                                  const ToolRun& run);

/// popspool recover TARGET...: merges temporary drops and journals that a crash left.
[[nodiscard]] ExitStatus run_recover(const TargetSelection& selection, const Settings& settings,
                                     const ToolRun& run);

struct ExpireArguments {
  std::optional<std::string> older_than, retrieved_for, larger_than, with, without, max_messages,
      max_size, header, policy, warn_days, warning;  // policy and warning: files
  bool retrieved = false, unretrieved = false, trash = false, no_undo = false;
  TargetSelection selection;
};
/// popspool expire TARGET...: removes messages that have had their time.
[[nodiscard]] ExitStatus run_expire(const ExpireArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

struct UndeleteArguments {
  std::optional<std::string> since, match;
  TargetSelection selection;
};
/// popspool undelete TARGET...: brings messages back out of the trash.
[[nodiscard]] ExitStatus run_undelete(const UndeleteArguments& arguments, const Settings& settings,
                                      const ToolRun& run);

struct ExportArguments {
  std::optional<std::string> to, format;
  TargetSelection selection;
};
/// popspool export TARGET... --to PATH: a copy of each maildrop with a manifest.
[[nodiscard]] ExitStatus run_export(const ExportArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

struct ImportArguments {
  std::vector<std::string> source, target;  // one each
};
/// popspool import SOURCE TARGET: puts the mail of an export, or any mbox or Maildir, into a
/// maildrop.
[[nodiscard]] ExitStatus run_import(const ImportArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

struct MergeArguments {
  std::optional<std::string> into;  // a target
  bool moves = false;
  TargetSelection selection;  // the sources
};
/// popspool merge --into TARGET SOURCE...: puts the mail of maildrops into another one.
[[nodiscard]] ExitStatus run_merge(const MergeArguments& arguments, const Settings& settings,
                                   const ToolRun& run);

struct SplitArguments {
  std::optional<std::string> by, to, format, older_than;
  bool moves = false;
  TargetSelection selection;
};
/// popspool split --by WHAT --to DIRECTORY TARGET...: copies mail to several exports.
[[nodiscard]] ExitStatus run_split(const SplitArguments& arguments, const Settings& settings,
                                   const ToolRun& run);

struct LockArguments {
  std::optional<std::string> wait;  // seconds
  std::vector<std::string> target;  // one
  std::vector<std::string> command;
};
/// popspool lock TARGET -- COMMAND: runs it while all locks on the maildrop are held, and exits as
/// it does.
[[nodiscard]] ExitStatus run_lock(const LockArguments& arguments, const Settings& settings,
                                  const ToolRun& run);

struct LocksArguments {
  bool breaks = false;
  TargetSelection selection;
};
/// popspool locks TARGET...: who holds which lock.
[[nodiscard]] ExitStatus run_locks(const LocksArguments& arguments, const Settings& settings,
                                   const ToolRun& run);

struct DedupeArguments {
  bool no_undo = false;
  TargetSelection selection;
};
/// popspool dedupe TARGET...: removes messages that are there twice.
[[nodiscard]] ExitStatus run_dedupe(const DedupeArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

/// popspool reindex TARGET...: throws the index away and makes a new one.
[[nodiscard]] ExitStatus run_reindex(const TargetSelection& selection, const Settings& settings,
                                     const ToolRun& run);

/// popspool own TARGET...: puts owner and mode of a spool and the files beside it right.
[[nodiscard]] ExitStatus run_own(const TargetSelection& selection, const Settings& settings,
                                 const ToolRun& run);

struct QuotaArguments {
  std::optional<std::string> limit, policy;
  bool only_over = false;
  TargetSelection selection;  // none named: all
};
/// popspool quota: maildrops by size, against a limit and the file system's quotas.
[[nodiscard]] ExitStatus run_quota(const QuotaArguments& arguments, const Settings& settings,
                                   const ToolRun& run);

struct CarveArguments {
  std::vector<std::string> files;     // exactly one
  std::optional<std::string> output;  // nothing: standard output
};
/// popspool carve FILE: the mail in any file or disk, as an mbox.
[[nodiscard]] ExitStatus run_carve(const CarveArguments& arguments, const ToolRun& run);

struct DeliverArguments {
  std::vector<std::string> users;  // exactly one
  std::optional<std::string> sender, size_limit;
};
/// popspool deliver USER: puts the message on standard input into the maildrop.
[[nodiscard]] ExitStatus run_deliver(const DeliverArguments& arguments, const ToolRun& run);

struct UidlArguments {
  OldIdsArguments old;
  TargetSelection selection;
};
/// Declares what the verbs of popspool uidl take.
void declare_uidl(Arguments& arguments, UidlArguments& uidl);
/// popspool uidl export TARGET...: unique-ids of each maildrop, or of another server, as a file.
[[nodiscard]] ExitStatus run_uidl_export(const UidlArguments& arguments, const Settings& settings,
                                         const ToolRun& run);
/// popspool uidl import TARGET...: messages get the unique-ids that another server gave them.
[[nodiscard]] ExitStatus run_uidl_import(const UidlArguments& arguments, const Settings& settings,
                                         const ToolRun& run);
/// popspool uidl verify TARGET...: whether ids and order are what they were.
[[nodiscard]] ExitStatus run_uidl_verify(const UidlArguments& arguments, const Settings& settings,
                                         const ToolRun& run);
/// popspool uidl guess TARGET...: which form explains how many ids.
[[nodiscard]] ExitStatus run_uidl_guess(const UidlArguments& arguments, const Settings& settings,
                                        const ToolRun& run);
struct ConvertArguments {
  std::optional<std::string> to;  // "maildir" or "mbox"
  TargetSelection selection;
};
/// popspool convert --to FORM TARGET...: a Maildir in a spool's place, or a spool in a Maildir's.
[[nodiscard]] ExitStatus run_convert(const ConvertArguments& arguments, const Settings& settings,
                                     const ToolRun& run);

struct RehashArguments {
  std::optional<std::string> from, to;
  TargetSelection selection;
};
/// popspool rehash --from LAYOUT --to LAYOUT TARGET...: spools to where another hash-spool or
/// home-dir-mail has them.
[[nodiscard]] ExitStatus run_rehash(const RehashArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popspool(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
