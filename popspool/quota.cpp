#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "popspool/expiry.h"
#include "popspool/maildrop_size.h"
#include "popspool/popspool.h"
#include "store/maildrop_location.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// What the file system of the mail says of its owner, in bytes.
struct DiskQuota {
  std::uint64_t used = 0, soft = 0, hard = 0;  // a limit of 0: none
};

/// nullopt: it keeps no quotas, or does not tell.
std::optional<DiskQuota> disk_quota(const MaildropContext& context, const MailUser& user) {
  Settings looking = context.settings;
  looking.check_hash_dir = false;
  const Result<MaildropLocation> location = locate_maildrop(context.disk, looking, user);
  if (!location) return std::nullopt;
  dqblk block{};
  const long done = ::syscall(SYS_quotactl_fd, location->spool.directory(),
                              QCMD(Q_GETQUOTA, USRQUOTA), user.uid, &block);
  if (done != 0 || (block.dqb_valid & QIF_BLIMITS) == 0) return std::nullopt;
  constexpr std::uint64_t unit = 1024;
  return DiskQuota{.used = block.dqb_curspace,
                   .soft = block.dqb_bsoftlimit * unit,
                   .hard = block.dqb_bhardlimit * unit};
}

/// The least size that a rule of the user's part keeps a maildrop to.
Result<std::optional<std::uint64_t>> limit_in(const ExpiryPolicy& policy, const MailUser& user) {
  std::optional<std::uint64_t> limit;
  const Result<const ExpiryPart*> part = part_of(policy, user);
  if (!part) return std::unexpected(part.error());
  if (*part == nullptr) return limit;
  for (const ExpiryRule& rule : (*part)->rules) {
    if (!rule.max_octets || rule.has_condition()) continue;
    limit = std::min(limit.value_or(*rule.max_octets), *rule.max_octets);
  }
  return limit;
}

Json json_of(const std::optional<std::uint64_t>& number) {
  return number ? Json{*number} : Json{};
}

/// One maildrop of the report.
struct Row {
  std::string target;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> limit, disk_used, disk_limit;

  [[nodiscard]] bool is_over() const {
    return (limit && bytes > *limit) || (disk_limit && disk_used && *disk_used > *disk_limit);
  }
};

class QuotaReport {
 public:
  QuotaReport(const QuotaArguments& arguments, const ToolRun& run)
      : arguments_{arguments}, run_{run} {}

  /// Errc::usage.
  Result<void> prepare() {
    if (arguments_.limit && arguments_.policy) {
      return fail(Errc::usage, "--limit and --policy exclude each other");
    }
    if (arguments_.limit) {
      const Judged<std::uint64_t> limit = parse_octets(*arguments_.limit);
      if (!limit) return fail(Errc::usage, "--limit wants " + limit.error());
      limit_ = *limit;
    }
    if (!arguments_.policy) return {};
    Result<ExpiryPolicy> policy = load_expiry_policy(*arguments_.policy);
    if (!policy) return std::unexpected(std::move(policy).error());
    policy_ = std::move(*policy);
    return {};
  }

  Result<ExitStatus> measure(const TargetRun& run) const {
    const Result<std::uint64_t> bytes = maildrop_size(run.context, run.user);
    if (!bytes) return std::unexpected(bytes.error());
    std::optional<std::uint64_t> limit = limit_;
    if (policy_) {
      const Result<std::optional<std::uint64_t>> told = limit_in(*policy_, run.user);
      if (!told) return std::unexpected(told.error());
      limit = *told;
    }
    const std::optional<DiskQuota> disk = disk_quota(run.context, run.user);
    run.output.add("bytes", {*bytes});
    run.output.add("limit", json_of(limit));
    if (!disk) return ExitStatus::ok;
    run.output.add("disk_used", {disk->used});
    // Above the soft limit nothing can be delivered after a while.
    const std::uint64_t least = disk->soft > 0 ? disk->soft : disk->hard;
    if (least > 0) run.output.add("disk_limit", {least});
    return ExitStatus::ok;
  }

  void gather(const std::string& target, const Json::Object& members) {
    const Json object{members};
    const auto number = [&](std::string_view key) -> std::optional<std::uint64_t> {
      const Json* member = find_member(object, key);
      const auto* value = member ? std::get_if<std::uint64_t>(&member->value) : nullptr;
      return value ? std::optional{*value} : std::nullopt;
    };
    const Row row{.target = target,
                  .bytes = number("bytes").value_or(0),
                  .limit = number("limit"),
                  .disk_used = number("disk_used"),
                  .disk_limit = number("disk_limit")};
    if (arguments_.only_over && !row.is_over()) return;
    rows_.push_back(row);
  }

  ExitStatus finish() {
    std::ranges::stable_sort(rows_, std::greater{}, &Row::bytes);
    if (run_.flags.form == OutputForm::json) {
      print_json();
    } else {
      for (const Row& row : rows_) run_.terminal.print(line_of(row));
    }
    return std::ranges::any_of(rows_, &Row::is_over) ? ExitStatus::found : ExitStatus::ok;
  }

 private:
  static std::string column(std::string text) {
    return std::string(16 - std::min<std::size_t>(16, text.size()), ' ') + text;
  }
  static std::string text_of(const std::optional<std::uint64_t>& number) {
    return number ? std::to_string(*number) : "-";
  }
  static std::string line_of(const Row& row) {
    return column(std::to_string(row.bytes)) + column(text_of(row.limit)) +
           column(text_of(row.disk_used)) + column(text_of(row.disk_limit)) +
           (row.is_over() ? "  over  " : "        ") + shown_text(row.target, Layout::one_line) +
           "\n";
  }

  void print_json() const {
    Json::Array array;
    for (const Row& row : rows_) {
      array.push_back({Json::Object{{"target", {row.target}},
                                    {"bytes", {row.bytes}},
                                    {"limit", json_of(row.limit)},
                                    {"disk_used", json_of(row.disk_used)},
                                    {"disk_limit", json_of(row.disk_limit)},
                                    {"over", {row.is_over()}}}});
    }
    run_.terminal.print(to_text({Json::Object{{"quota", {std::move(array)}}}}));
  }

  const QuotaArguments& arguments_;
  const ToolRun& run_;
  std::optional<std::uint64_t> limit_;
  std::optional<ExpiryPolicy> policy_;
  std::vector<Row> rows_;
};

}  // namespace

ExitStatus run_quota(const QuotaArguments& arguments, const Settings& settings,
                     const ToolRun& run) {
  QuotaReport report{arguments, run};
  if (Result<void> ready = report.prepare(); !ready) {
    return give_up(run.terminal, std::move(ready).error().in("quota"));
  }
  TargetSelection selection = arguments.selection;
  selection.all = selection.all || (selection.named.empty() && !selection.from_stdin);
  const ExitStatus status = run_on_targets(
      {.name = "quota",
       .task = "quota",
       .work = [&](const TargetRun& target) { return report.measure(target); },
       .gather = [&](const std::string& target,
                     const Json::Object& members) { report.gather(target, members); }},
      selection, settings, run);
  const ExitStatus found = report.finish();
  return status == ExitStatus::ok ? found : status;
}

}  // namespace pop
