#include <algorithm>

#include "base/text.h"
#include "conf/configuration.h"
#include "daemon/host_name.h"
#include "popspool/expiry.h"
#include "popspool/popspool.h"
#include "popspool/trash_place.h"
#include "store/session_lock.h"
#include "store/trash.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// Puts what an option says into a rule.
class RuleOptions {
 public:
  template <class T, class Parse>
  void take(std::string_view name, const std::optional<std::string>& text, const Parse& parse,
            std::optional<T>& target) {
    if (!text || wrong_) return;
    const Judged<T> value = parse(*text);
    if (value) {
      target = *value;
    } else {
      complain(name, *text, value.error());
    }
  }
  void complain(std::string_view name, const std::string& text, const std::string& wanted) {
    if (wrong_) return;
    wrong_ = "--" + std::string{name} + " \"" + escaped(text) + "\": wants " + wanted;
  }
  [[nodiscard]] const std::optional<std::string>& wrong() const { return wrong_; }

 private:
  std::optional<std::string> wrong_;
};

Judged<std::uint64_t> parse_count(std::string_view text) {
  if (const std::optional<std::uint64_t> count = decimal(text)) return *count;
  return std::unexpected(std::string{"a number of messages"});
}

Result<ExpiryRule> rule_of(const ExpireArguments& arguments) {
  ExpiryRule rule;
  RuleOptions options;
  options.take("older-than", arguments.older_than, parse_age, rule.older_than);
  options.take("retrieved-for", arguments.retrieved_for, parse_age, rule.retrieved_for);
  options.take("larger-than", arguments.larger_than, parse_octets, rule.larger_than);
  options.take("max-messages", arguments.max_messages, parse_count, rule.max_messages);
  options.take("max-size", arguments.max_size, parse_octets, rule.max_octets);
  options.take("with", arguments.with, parse_mail_flags, rule.with);
  options.take("without", arguments.without, parse_mail_flags, rule.without);
  std::optional<std::string> header;
  options.take("header", arguments.header, parse_header_condition, header);
  if (options.wrong()) return fail(Errc::usage, *options.wrong());
  if (header) rule.headers.push_back(*header);
  if (arguments.retrieved && arguments.unretrieved) {
    return fail(Errc::usage, "--retrieved and --unretrieved exclude each other");
  }
  if (arguments.retrieved || arguments.unretrieved) rule.retrieved = arguments.retrieved;
  return rule;
}

/// The command line is a policy of one part with one rule.
Result<ExpiryPolicy> policy_of(const ExpireArguments& arguments) {
  const Result<ExpiryRule> rule = rule_of(arguments);
  if (!rule) return std::unexpected(rule.error());
  const bool has_rule = rule->has_condition() || rule->has_limit();
  if (arguments.policy && has_rule) {
    return fail(Errc::usage, "--policy and conditions or limits exclude each other");
  }
  if (arguments.policy && (arguments.warn_days || arguments.warning)) {
    return fail(Errc::usage, "with --policy, warn-days and warning stand in the policy");
  }
  if (arguments.policy) return load_expiry_policy(*arguments.policy);
  if (!has_rule) {
    return fail(Errc::usage, "say what may go: a condition, a limit, or a --policy");
  }
  ExpiryPart part{.users = {}, .groups = {}, .rules = {*rule}};
  if (arguments.warn_days) {
    const Judged<std::chrono::days> notice = parse_notice(*arguments.warn_days);
    if (!notice) return fail(Errc::usage, "--warn-days wants " + notice.error());
    part.warn = *notice;
  }
  if (part.warn.count() > 0 && !rule->can_warn()) {
    return fail(Errc::usage, "--warn-days wants --older-than or --retrieved-for, and no limit");
  }
  if (arguments.warning && !arguments.warn_days) {
    return fail(Errc::usage, "--warning wants --warn-days");
  }
  part.warning = arguments.warning.value_or("");
  return ExpiryPolicy{{part}};
}

Result<ExpiryNotice> notice_of(const ExpiryPart& part, const std::string& host) {
  ExpiryNotice notice{.days = part.warn, .host = host};
  if (part.warning.empty()) return notice;
  const Result<std::string> file = start_up_file_reader()(part.warning);
  Result<WarningText> text = file ? WarningText::parse(*file) : std::unexpected(file.error());
  if (!text) return std::unexpected(std::move(text).error().in(escaped(part.warning)));
  notice.text = std::move(*text);
  return notice;
}

class ExpireVerb {
 public:
  [[nodiscard]] static Result<ExpireVerb> make(ExpiryPolicy policy, ForUndo for_undo,
                                               const std::string& host) {
    ExpireVerb verb;
    verb.for_undo_ = for_undo;
    for (const ExpiryPart& part : policy.parts) {
      Result<HeaderConditions> headers = HeaderConditions::compile(part.rules);
      if (!headers) return std::unexpected(std::move(headers).error());
      verb.headers_.push_back(std::move(*headers));
      Result<ExpiryNotice> notice = notice_of(part, host);
      if (!notice) return std::unexpected(std::move(notice).error());
      verb.notices_.push_back(std::move(*notice));
    }
    verb.policy_ = std::move(policy);
    return verb;
  }

  Result<ExitStatus> work(const TargetRun& run) const {
    const Result<const ExpiryPart*> part = part_of(policy_, run.user);
    if (!part) return std::unexpected(part.error());
    if (*part == nullptr || (*part)->rules.empty()) return leave(run);
    const auto number = static_cast<std::size_t>(*part - policy_.parts.data());
    const Result<ExpiredMail> expired =
        expire_mail(run.context, run.user, {run.flags.mode, for_undo_}, (*part)->rules,
                    headers_[number], notices_[number]);
    if (!expired) return std::unexpected(expired.error());
    for (const std::string& remark : expired->mail.remarks) run.output.complain(remark);
    if (expired->undated > 0 && run.flags.verbosity != Verbosity::quiet) {
      const bool is_one = expired->undated == 1;
      run.output.complain(counted(expired->undated, "message") + (is_one ? " tells" : " tell") +
                          " no time of delivery: no age lets " + (is_one ? "it" : "them") + " go");
    }
    tell(run, expired->mail);
    if (notices_[number].days.count() > 0) tell_warning(run, *expired);
    if (expired->not_warned)
      return std::unexpected(Error{*expired->not_warned}.in("tell the user"));
    return ExitStatus::ok;
  }

 private:
  static ExitStatus leave(const TargetRun& run) {
    run.output.add("expired", {Json::Array{}});
    if (run.flags.verbosity == Verbosity::verbose) {
      run.output.print(shown_text(run.target.name, Layout::one_line) +
                       ": the policy lets nothing go\n");
    }
    return ExitStatus::ok;
  }

  static Json json_of(const RemovedMail& mail) {
    Json::Array messages;
    for (const RemovedMessage& message : mail.messages) {
      messages.push_back({Json::Object{
          {"number", {std::uint64_t{message.number.value}}},
          {"octets", {message.size.count}},
          {"uid", {message.unique_id}},
          {"delivered", message.delivered ? Json{moment_text(*message.delivered)} : Json{}},
          {"rule", {decimal(message.reason).value_or(0)}}}});
    }
    return {std::move(messages)};
  }

  static std::string line_of(const RemovedMessage& message) {
    return "message " + std::to_string(message.number.value) + ", " +
           counted(message.size.count, "octet") + ", " +
           (message.delivered ? moment_text(*message.delivered) : "no date") + ", " +
           message.unique_id + ": rule " + message.reason + "\n";
  }

  static void tell(const TargetRun& run, const RemovedMail& mail) {
    run.output.add("expired", json_of(mail));
    run.output.add("messages_left", {mail.left});
    run.output.add("octets_left", {mail.octets_left.count});
    const bool dry = run.flags.mode == RunMode::dry_run;
    const bool lists = dry || run.flags.verbosity == Verbosity::verbose;
    const std::string name = shown_text(run.target.name, Layout::one_line) + ": ";
    std::uint64_t octets = 0;
    for (const RemovedMessage& message : mail.messages) {
      octets += message.size.count;
      if (lists) run.output.print(name + line_of(message));
    }
    if (run.flags.verbosity == Verbosity::quiet || (mail.messages.empty() && !lists)) return;
    run.output.print(name + (dry ? "would expire " : "expired ") +
                     counted(mail.messages.size(), "message") + ", " + counted(octets, "octet") +
                     "; " + std::to_string(mail.left) + (mail.left == 1 ? " stays\n" : " stay\n"));
  }

  static void tell_warning(const TargetRun& run, const ExpiredMail& expired) {
    Json::Array warned;
    const bool dry = run.flags.mode == RunMode::dry_run;
    const bool lists = dry || run.flags.verbosity == Verbosity::verbose;
    const std::string name = shown_text(run.target.name, Layout::one_line) + ": ";
    for (const DoomedMessage& message : expired.warned) {
      warned.push_back(
          {Json::Object{{"uid", {message.unique_id}}, {"goes", {moment_text(message.goes)}}}});
      if (!lists) continue;
      run.output.print(name + message.unique_id + " goes " + moment_text(message.goes) + ": " +
                       shown_text(message.subject, Layout::one_line) + "\n");
    }
    run.output.add("warned", {std::move(warned)});
    run.output.add("held", {expired.held});
    if (run.flags.verbosity == Verbosity::quiet) return;
    if (!expired.warned.empty()) {
      run.output.print(name + (dry ? "would tell" : "told") + " the user of " +
                       counted(expired.warned.size(), "message") + " that will go\n");
    }
    if (expired.held > 0) {
      run.output.print(name + counted(expired.held, "message") +
                       (expired.held == 1 ? " stays" : " stay") +
                       " until the user has been told long enough\n");
    }
  }

  ForUndo for_undo_ = ForUndo::deleted;
  ExpiryPolicy policy_;
  std::vector<HeaderConditions> headers_;  // of its parts
  std::vector<ExpiryNotice> notices_;      // of its parts
};

struct Sweep {
  std::uint64_t past = 0, left = 0;  // messages
};
using IsPast = std::function<bool(const TrashedMessage&)>;

Result<Sweep> sweep_one(const TargetRun& run, const TrashPlace& place, const FilePlace& trash,
                        const IsPast& is_past) {
  Disk& disk = run.context.disk;
  const Result<Trash> before = Trash::open(disk, trash, run.user.uid);
  if (!before && before.error().code == Errc::not_found) return Sweep{};
  if (!before) return std::unexpected(before.error());
  Sweep sweep{.past =
                  static_cast<std::uint64_t>(std::ranges::count_if(before->messages(), is_past))};
  sweep.left = before->messages().size() - sweep.past;
  if (sweep.past == 0 || run.flags.mode == RunMode::dry_run) return sweep;
  const Result<SessionLock> lock = SessionLock::acquire(run.context, place.session, run.user);
  if (!lock) return std::unexpected(lock.error());
  const Result<std::size_t> swept = sweep_trash(
      disk, trash, run.user.uid, [&](const TrashedMessage& message) { return !is_past(message); });
  if (!swept) return std::unexpected(swept.error());
  return sweep;
}

/// What is kept for undo has no days of its own: as long as the trash, but a week at least.
constexpr std::int64_t least_days_for_undo = 7;

Result<ExitStatus> sweep(const TargetRun& run) {
  const MaildropContext& context = run.context;
  const Result<std::optional<TrashPlace>> place = find_trash(context, run.user);
  if (!place) return std::unexpected(place.error());
  if (!*place) return ExitStatus::ok;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(context.clock.wall().time_since_epoch());
  const auto past_after = [&](std::int64_t days) {
    return [=](const TrashedMessage& message) {
      return now.count() - message.deleted > days * 86'400;
    };
  };
  const std::int64_t days = context.settings.trash_days;
  const Result<Sweep> trash = sweep_one(run, **place, (*place)->trash, past_after(days));
  if (!trash) return std::unexpected(trash.error());
  const Result<Sweep> undo =
      sweep_one(run, **place, (*place)->undo, past_after(std::max(days, least_days_for_undo)));
  if (!undo) return std::unexpected(undo.error());
  run.output.add("dropped", {trash->past});
  run.output.add("in_trash", {trash->left});
  run.output.add("dropped_for_undo", {undo->past});
  run.output.add("for_undo", {undo->left});
  const bool dry = run.flags.mode == RunMode::dry_run;
  const auto tell = [&](const Sweep& sweep, std::string_view from) {
    if (run.flags.verbosity == Verbosity::quiet || sweep.past + sweep.left == 0) return;
    if (sweep.past == 0 && !dry) return;
    run.output.print(shown_text(run.target.name, Layout::one_line) + ": " +
                     (dry ? "would drop " : "dropped ") + std::to_string(sweep.past) + " of " +
                     counted(sweep.past + sweep.left, "message") + std::string{from} + "\n");
  };
  tell(*trash, " from the trash");
  tell(*undo, " kept for undo");
  return ExitStatus::ok;
}

std::string task_of(const ExpireArguments& arguments) {
  std::string task = "expire";
  for (const std::optional<std::string>* value :
       {&arguments.older_than, &arguments.retrieved_for, &arguments.larger_than, &arguments.with,
        &arguments.without, &arguments.max_messages, &arguments.max_size, &arguments.header,
        &arguments.policy, &arguments.warn_days, &arguments.warning}) {
    task += " " + value->value_or("-");
  }
  task += arguments.retrieved ? " retrieved" : "";
  return task + (arguments.unretrieved ? " unretrieved" : "");
}

}  // namespace

ExitStatus run_expire(const ExpireArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  const auto access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing;
  if (arguments.trash) {
    const Result<ExpiryRule> rule = rule_of(arguments);
    if (!rule || rule->has_condition() || rule->has_limit() || arguments.policy ||
        arguments.warn_days || arguments.warning) {
      return give_up(run.terminal, {Errc::usage, "expire: --trash goes with no other condition"});
    }
    return run_on_targets({.name = "expire",
                           .task = dry ? "expire --trash -n" : "expire --trash",
                           .work = sweep,
                           .access = access},
                          arguments.selection, settings, run);
  }
  const Result<ExpiryPolicy> policy = policy_of(arguments);
  if (!policy) return give_up(run.terminal, Error{policy.error()}.in("expire"));
  const Result<ExpireVerb> verb = ExpireVerb::make(
      *policy, arguments.no_undo ? ForUndo::nothing : ForUndo::deleted, host_name(settings));
  if (!verb) return give_up(run.terminal, Error{verb.error()}.in("expire"));
  return run_on_targets({.name = "expire",
                         .task = task_of(arguments) + (dry ? " -n" : ""),
                         .work = [&](const TargetRun& target) { return verb->work(target); },
                         .access = access},
                        arguments.selection, settings, run);
}

}  // namespace pop
