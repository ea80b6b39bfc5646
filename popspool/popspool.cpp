#include "popspool/popspool.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen verb runs.
struct CommandLine {
  TargetSelection selection;
  MessageSelection messages;
  GrepArguments grep;
  TopArguments top;
  ReportArguments report;
  RepairArguments repair;
  CarveArguments carve;
  UidlArguments uidl;
  UndoArguments undo;
  ExpireArguments expire;
  DedupeArguments dedupe;
  DeliverArguments deliver;
  ExportArguments exported;
  ImportArguments imported;
  MergeArguments merge;
  SplitArguments split;
  LockArguments lock;
  LocksArguments locks;
  UndeleteArguments undelete;
  QuotaArguments quota;
  ConvertArguments convert;
  RehashArguments rehash;
};

void declare_messages(Arguments& arguments, MessageSelection& selection) {
  arguments.operands("TARGET", selection.named, Arguments::Count::one,
                     "A user, or the path of a maildrop, with a '/' in it");
  arguments.operands("MESSAGE", selection.messages, Arguments::Count::any,
                     "Numbers, ranges as 2-5 or 7-, or unique-ids; none: all messages");
}

void declare_grep(Arguments& arguments, GrepArguments& grep) {
  arguments.operands("PATTERN", grep.pattern, Arguments::Count::one,
                     "A regular expression in Perl's syntax");
  arguments.flag("-i,--ignore-case", grep.ignore_case, "Take small and capital letters for equal");
  arguments.flag("-F,--fixed", grep.fixed, "Take the pattern for text, not for an expression");
  arguments.flag("-l,--messages", grep.list, "Print numbers and unique-ids of matching messages");
  arguments.flag("-c,--count", grep.count, "Print how many messages match");
  declare_targets(arguments, grep.selection);
}

void declare_state(Arguments& arguments, std::optional<std::string>& file) {
  arguments.option("--state", file, "FILE",
                   "Compare with the sizes in this file, then put those of now into it");
}

void declare_top(Arguments& arguments, TopArguments& top) {
  arguments.option("-c,--count", top.count, "NUMBER", "List so many; 10 without it");
  arguments.flag("--growth", top.by_growth, "List those that have grown most");
  declare_state(arguments, top.state_file);
  declare_targets(arguments, top.selection, CanResume::no);
}

void declare_report(Arguments& arguments, ReportArguments& report) {
  arguments.option("--html", report.html_file, "FILE", "Write the page to this file");
  declare_state(arguments, report.state_file);
  declare_targets(arguments, report.selection, CanResume::no);
}

void declare_no_undo(Arguments& arguments, bool& no_undo) {
  arguments.flag("--no-undo", no_undo, "Keep nothing of what goes for undo");
}

void declare_expire(Arguments& arguments, ExpireArguments& expire) {
  arguments.option("--older-than", expire.older_than, "AGE",
                   "Messages delivered longer ago, as 90d, 12h or 6w");
  arguments.flag("--retrieved", expire.retrieved, "Messages that a session has retrieved");
  arguments.flag("--unretrieved", expire.unretrieved, "Messages that no session has retrieved");
  arguments.option("--retrieved-for", expire.retrieved_for, "AGE",
                   "Messages that an earlier run, longer ago, saw to be retrieved");
  arguments.option("--with", expire.with, "FLAGS",
                   "Messages with all of these: seen, old, answered, flagged, deleted, draft, "
                   "passed");
  arguments.option("--without", expire.without, "FLAGS", "Messages with none of these");
  arguments.option("--larger-than", expire.larger_than, "SIZE",
                   "Messages of more octets, as 500000 or 10M");
  arguments.option("--header", expire.header, "NAME:EXPRESSION",
                   "Messages with such a header field; Perl's syntax");
  arguments.option("--max-messages", expire.max_messages, "NUMBER",
                   "The oldest of them, until no more than so many messages are left");
  arguments.option("--max-size", expire.max_size, "SIZE",
                   "The oldest of them, until no more octets are left");
  arguments.option("--policy", expire.policy, "FILE",
                   "Take rules for users and groups from this file instead");
  arguments.option("--warn-days", expire.warn_days, "DAYS",
                   "Tell users so many days before a message goes by its age");
  arguments.option("--warning", expire.warning, "FILE", "What they are told, in place of English");
  arguments.flag("--trash", expire.trash,
                 "Drop from the trash what has been there for trash-days, and nothing else");
  declare_no_undo(arguments, expire.no_undo);
  declare_targets(arguments, expire.selection);
}

void declare_deliver(Arguments& arguments, DeliverArguments& deliver) {
  arguments.operands("USER", deliver.users, Arguments::Count::one,
                     "Whose mail it is, or the path of a maildrop, with a '/' in it");
  arguments.option("-r,--sender", deliver.sender, "ADDRESS",
                   "Whom the envelope names, for the From_ line");
  arguments.option("-s,--size-limit", deliver.size_limit, "OCTETS", "Refuse a larger message");
}

void declare_export(Arguments& arguments, ExportArguments& exported) {
  arguments.option("--to", exported.to, "PATH",
                   "Write to this new file, or for each target into this directory");
  arguments.option("--format", exported.format, "FORMAT", "mbox, maildir or tar; without it mbox");
  declare_targets(arguments, exported.selection);
}

void declare_import(Arguments& arguments, ImportArguments& imported) {
  arguments.operands("SOURCE", imported.source, Arguments::Count::one,
                     "An export, or any mbox, Maildir or tar of a Maildir");
  arguments.operands("TARGET", imported.target, Arguments::Count::one,
                     "A user, or the path of a maildrop, with a '/' in it");
}

void declare_merge(Arguments& arguments, MergeArguments& merge) {
  arguments.option("--into", merge.into, "MAILDROP", "A user or a path: whose mail it shall be");
  arguments.flag("--move", merge.moves, "Take out of the targets what has arrived there");
  declare_targets(arguments, merge.selection);
}

void declare_split(Arguments& arguments, SplitArguments& split) {
  arguments.option("--by", split.by, "WHAT", "year, month, count:NUMBER or size:SIZE");
  arguments.option("--to", split.to, "DIRECTORY", "Write the parts to this directory");
  arguments.option("--format", split.format, "FORMAT", "mbox, maildir or tar; without it mbox");
  arguments.option("--older-than", split.older_than, "AGE",
                   "Only messages delivered longer ago, as 90d, 12h or 6w");
  arguments.flag("--move", split.moves, "Take out of the maildrop what is in the parts");
  declare_targets(arguments, split.selection);
}

void declare_lock(Arguments& arguments, LockArguments& lock) {
  arguments.option("-w,--wait", lock.wait, "SECONDS",
                   "Wait so long for a session that has the maildrop; not at all without it");
  arguments.operands("TARGET", lock.target, Arguments::Count::one,
                     "A user, or the path of a maildrop, with a '/' in it");
  arguments.operands("COMMAND", lock.command, Arguments::Count::one_or_more,
                     "What to run, behind --, with its arguments");
}

void declare_quota(Arguments& arguments, QuotaArguments& quota) {
  arguments.option("--limit", quota.limit, "SIZE", "What each may have, as 500M");
  arguments.option("--policy", quota.policy, "FILE",
                   "Take limits from the max-size of this policy of expire");
  arguments.flag("--over", quota.only_over, "List only those over a limit");
  declare_targets(arguments, quota.selection, CanResume::no);
}

void declare_undelete(Arguments& arguments, UndeleteArguments& undelete) {
  arguments.option("--since", undelete.since, "AGE", "Deleted no longer ago, as 2d or 12h");
  arguments.option("--match", undelete.match, "NAME:EXPRESSION",
                   "With such a header field; Perl's syntax");
  declare_targets(arguments, undelete.selection);
}

void declare_locks(Arguments& arguments, LocksArguments& locks) {
  arguments.flag("--break", locks.breaks, "Remove dotlocks that are provably abandoned");
  declare_targets(arguments, locks.selection);
}

}  // namespace

ExitStatus run_popspool(std::vector<std::string> arguments, Terminal& terminal) {
  CommandLine line;
  const auto with_settings = [](auto work) {
    return [work](const ToolRun& run) {
      const std::expected<Configuration, ExitStatus> read = read_configuration(run);
      return read ? work(read->settings, run) : read.error();
    };
  };
  const auto targets = [&line](Arguments& declared) { declare_targets(declared, line.selection); };
  const auto uidl_verb = [&line, &with_settings](std::string name, std::string help,
                                                 auto run_verb) {
    return Subcommand{
        .name = std::move(name),
        .help = std::move(help),
        .declare = [&line](Arguments& declared) { declare_uidl(declared, line.uidl); },
        .run = with_settings([&line, run_verb](const Settings& settings, const ToolRun& run) {
          return run_verb(line.uidl, settings, run);
        })};
  };
  const Tool tool{
      .name = "popspool",
      .help = "Inspects spools and Maildirs, as popper serves them",
      .subcommands = {
          {.name = "list",
           .help = "List messages with their sizes and unique-ids",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_list(line.selection, settings, run);
           })},
          {.name = "show",
           .help = "Show messages as a person reads them",
           .declare = [&line](Arguments& declared) { declare_messages(declared, line.messages); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_show(line.messages, settings, run);
           })},
          {.name = "headers",
           .help = "Show the headers of messages",
           .declare = [&line](Arguments& declared) { declare_messages(declared, line.messages); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_headers(line.messages, settings, run);
           })},
          {.name = "cat",
           .help = "Print messages as they are stored",
           .declare = [&line](Arguments& declared) { declare_messages(declared, line.messages); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_cat(line.messages, settings, run);
           })},
          {.name = "grep",
           .help = "Search headers and texts of messages",
           .declare = [&line](Arguments& declared) { declare_grep(declared, line.grep); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_grep(line.grep, settings, run);
           })},
          {.name = "stat",
           .help = "Tell how much mail there is, how old, and who holds locks",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_stat(line.selection, settings, run);
           })},
          {.name = "top",
           .help = "List the largest maildrops and how they grow",
           .declare = [&line](Arguments& declared) { declare_top(declared, line.top); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_top(line.top, settings, run);
           })},
          {.name = "report",
           .help = "Write a page about all maildrops, with plots",
           .declare = [&line](Arguments& declared) { declare_report(declared, line.report); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_report(line.report, settings, run);
           })},
          {.name = "check",
           .help = "Tell every defect; exit with 1 if there is one",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_check(line.selection, settings, run);
           })},
          {.name = "repair",
           .help = "Mend defects, with a backup; -n prints the plan",
           .declare =
               [&line](Arguments& declared) {
                 declare_targets(declared, line.selection);
                 declared.option("--decide", line.repair.decide, "KINDS",
                                 "Repair these doubtful defects, too: names with "
                                 "commas between, or all");
               },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_repair(line.selection, line.repair, settings, run);
           })},
          {.name = "undo",
           .help = "Take the last repair, expire or dedupe back, and keep mail delivered since",
           .declare =
               [&line](Arguments& declared) {
                 declared.flag("--removed", line.undo.removed,
                               "Bring back what expire or dedupe removed, even if a repair came "
                               "after it");
                 declare_targets(declared, line.undo.selection);
               },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_undo(line.undo, settings, run);
           })},
          {.name = "recover",
           .help = "Merge the mail of temporary drops and journals that a crash left",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_recover(line.selection, settings, run);
           })},
          {.name = "expire",
           .help = "Remove messages that have had their time; -n tells which",
           .declare = [&line](Arguments& declared) { declare_expire(declared, line.expire); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_expire(line.expire, settings, run);
           })},
          {.name = "dedupe",
           .help = "Remove messages that are there twice; -n tells which",
           .declare =
               [&line](Arguments& declared) {
                 declare_no_undo(declared, line.dedupe.no_undo);
                 declare_targets(declared, line.dedupe.selection);
               },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_dedupe(line.dedupe, settings, run);
           })},
          {.name = "own",
           .help = "Put owner and mode of spools right; -n tells what is wrong",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_own(line.selection, settings, run);
           })},
          {.name = "quota",
           .help = "List maildrops by size, with limits and disk quotas",
           .declare = [&line](Arguments& declared) { declare_quota(declared, line.quota); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_quota(line.quota, settings, run);
           })},
          {.name = "export",
           .help = "Copy maildrops to files, with unique-ids and checksums",
           .declare = [&line](Arguments& declared) { declare_export(declared, line.exported); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_export(line.exported, settings, run);
           })},
          {.name = "import",
           .help = "Put the mail of an export into a maildrop, once",
           .declare = [&line](Arguments& declared) { declare_import(declared, line.imported); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_import(line.imported, settings, run);
           })},
          {.name = "merge",
           .help = "Put the mail of maildrops into another one, with its unique-ids",
           .declare = [&line](Arguments& declared) { declare_merge(declared, line.merge); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_merge(line.merge, settings, run);
           })},
          {.name = "split",
           .help = "Copy or move mail to several files, by time, count or size",
           .declare = [&line](Arguments& declared) { declare_split(declared, line.split); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_split(line.split, settings, run);
           })},
          {.name = "reindex",
           .help = "Throw the index away and make a new one",
           .declare = targets,
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_reindex(line.selection, settings, run);
           })},
          {.name = "undelete",
           .help = "Bring deleted messages back out of the trash; -n lists them",
           .declare = [&line](Arguments& declared) { declare_undelete(declared, line.undelete); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_undelete(line.undelete, settings, run);
           })},
          {.name = "lock",
           .help = "Run a command while all locks on a maildrop are held",
           .declare = [&line](Arguments& declared) { declare_lock(declared, line.lock); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_lock(line.lock, settings, run);
           })},
          {.name = "locks",
           .help = "Tell who holds which locks; exit with 1 if one is abandoned",
           .declare = [&line](Arguments& declared) { declare_locks(declared, line.locks); },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_locks(line.locks, settings, run);
           })},
          {.name = "uidl",
           .help = "Keep, compare and explain unique-ids of another server",
           .subcommands = {uidl_verb("export",
                                     "Print unique-ids with what finds their messages again",
                                     run_uidl_export),
                           uidl_verb("import", "Let messages keep the unique-ids of another server",
                                     run_uidl_import),
                           uidl_verb("verify",
                                     "Tell each difference in ids or order; exit with 1 for one",
                                     run_uidl_verify),
                           uidl_verb("guess", "Tell which server's form explains how many ids",
                                     run_uidl_guess)}},
          {.name = "carve",
           .help = "Find the mail in a damaged file or a disk, and write it as an mbox",
           .declare =
               [&line](Arguments& declared) {
                 declared.operands("FILE", line.carve.files, Arguments::Count::one,
                                   "The file or device to search");
                 declared.option("-o,--output", line.carve.output, "FILE",
                                 "Write to this new file, not to standard output");
               },
           .run = [&line](const ToolRun& run) { return run_carve(line.carve, run); }},
          {.name = "deliver",
           .help = "Put a message from standard input into a maildrop, for a mail transfer agent",
           .declare = [&line](Arguments& declared) { declare_deliver(declared, line.deliver); },
           .run = [&line](const ToolRun& run) { return run_deliver(line.deliver, run); }},
          {.name = "rehash",
           .help = "Move spools to where another hash-spool or home-dir-mail has them",
           .declare =
               [&line](Arguments& declared) {
                 declared.option("--from", line.rehash.from, "LAYOUT",
                                 "Where they are: 0, 1, 2, home or home:FILE");
                 declared.option("--to", line.rehash.to, "LAYOUT", "Where they shall be");
                 declare_targets(declared, line.rehash.selection);
               },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_rehash(line.rehash, settings, run);
           })},
          {.name = "convert",
           .help = "Make a Maildir of a spool, or a spool of a Maildir, in its place",
           .declare =
               [&line](Arguments& declared) {
                 declared.option("--to", line.convert.to, "FORM", "maildir or mbox");
                 declare_targets(declared, line.convert.selection);
               },
           .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
             return run_convert(line.convert, settings, run);
           })},
      }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
