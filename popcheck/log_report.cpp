#include "popcheck/log_report.h"

#include "popcheck/log_ranking.h"
#include "tool/moment.h"
#include "tool/size_text.h"

namespace pop {
namespace {

using Align = ReportTable::Align;

constexpr std::size_t most_days = 366;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string number(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "";
}

std::string partners(std::size_t count) {
  return count < most_partners ? number(count) : number(count) + " or more";
}

std::string when(std::int64_t time) {
  return time == 0 ? "" : moment_text(time);
}

std::string shown(std::string_view name) {
  return name.empty() ? "(none)" : std::string{name};
}

/// "10 minutes".
std::string pause_text(std::int64_t seconds) {
  const auto in = [seconds](std::int64_t unit, const char* name) {
    const std::int64_t count = seconds / unit;
    return "up to " + std::to_string(count) + " " + name + (count == 1 ? "" : "s");
  };
  if (seconds == 0) return "";
  if (seconds < 60) return in(1, "second");
  return seconds < 3600 ? in(60, "minute") : in(3600, "hour");
}

/// A table of the first entries of a ranking.
template <class T, class Row>
void add_table(Report& report, ReportTable table, const Ranked<T>& ranking, std::size_t most_rows,
               const Row& row) {
  if (ranking.empty()) return;
  const std::size_t rows = most_rows == 0 ? ranking.size() : std::min(ranking.size(), most_rows);
  for (std::size_t i = 0; i < rows; ++i)
    table.rows.push_back(row(ranking[i].first, *ranking[i].second));
  table.left_out = ranking.size() - rows;
  report.sections.emplace_back(std::move(table));
}

void add_users(Report& report, const LogSurvey& survey, std::size_t most_rows) {
  add_table(report,
            {.title = "Who uses POP",
             .columns = {{"user"},
                         {"logins", Align::right},
                         {"last login"},
                         {"from"},
                         {"addresses", Align::right},
                         {"TLS"},
                         {"sent", Align::right},
                         {"deleted", Align::right},
                         {"left", Align::right}},
             .rows = {}},
            users_by_logins(survey), most_rows, [](std::string_view name, const UserUse& user) {
              return std::vector<std::string>{shown(name),
                                              number(user.logins),
                                              when(user.last_login),
                                              user.last_address,
                                              partners(user.clients.size()),
                                              std::string{name_of(user.protection)},
                                              size_text(user.sent_octets),
                                              user.counted_ends > 0 ? number(user.deleted) : "",
                                              number(user.left)};
            });
}

void add_protections(Report& report, const LogSurvey::Totals& totals) {
  ReportTable table{.title = "TLS of logins",
                    .columns = {{"protocol"}, {"logins", Align::right}, {"users", Align::right}},
                    .rows = {}};
  for (std::size_t i = 0; i < protections; ++i) {
    if (totals.logins_by.at(i) == 0) continue;
    table.rows.push_back({std::string{name_of(static_cast<Protection>(i))},
                          number(totals.logins_by.at(i)), number(totals.users_by.at(i))});
  }
  if (!table.rows.empty()) report.sections.emplace_back(std::move(table));
}

void add_failures(Report& report, const LogSurvey& survey, std::size_t most_rows) {
  add_table(
      report,
      {.title = "Failed logins by address",
       .columns = {{"address"}, {"failures", Align::right}, {"users", Align::right}, {"last"}},
       .rows = {}},
      by_failures(survey.failing_addresses()), most_rows,
      [](std::string_view name, const FailureCount& count) {
        return std::vector<std::string>{shown(name), number(count.failures),
                                        partners(count.others.size()), when(count.last)};
      });
  add_table(report,
            {.title = "Failed logins by user",
             .columns = {{"user"},
                         {"failures", Align::right},
                         {"addresses", Align::right},
                         {"last"},
                         {"has logged in"}},
             .rows = {}},
            by_failures(survey.failing_users()), most_rows,
            [&survey](std::string_view name, const FailureCount& count) {
              return std::vector<std::string>{shown(name), number(count.failures),
                                              partners(count.others.size()), when(count.last),
                                              survey.users().contains(name) ? "yes" : "no"};
            });
}

void add_habits(Report& report, const LogSurvey& survey, std::size_t most_rows) {
  add_table(report,
            {.title = "Clients that never delete",
             .columns = {{"user"},
                         {"sessions", Align::right},
                         {"messages left", Align::right},
                         {"octets left", Align::right}},
             .rows = {},
             .remark = "Five sessions or more, and none deleted a message."},
            users_who_never_delete(survey), most_rows,
            [](std::string_view name, const UserUse& user) {
              return std::vector<std::string>{shown(name), number(user.sessions), number(user.left),
                                              user.left_octets ? size_text(*user.left_octets) : ""};
            });
  add_table(
      report,
      {.title = "Robots",
       .columns =
           {{"user"}, {"logins", Align::right}, {"usual pause"}, {"addresses", Align::right}},
       .rows = {},
       .remark = "Fifty logins or more, mostly within a quarter of an hour after another, and "
                 "in twenty or more hours of the day."},
      robots(survey), most_rows, [](std::string_view name, const UserUse& user) {
        return std::vector<std::string>{shown(name), number(user.logins),
                                        pause_text(usual_pause(user)),
                                        partners(user.clients.size())};
      });
  add_table(report,
            {.title = "Downloaded again",
             .columns = {{"user"},
                         {"sessions", Align::right},
                         {"messages", Align::right},
                         {"octets", Align::right}},
             .rows = {},
             .remark = "Clients that retrieved what they had: they keep no list of unique-ids, or "
                       "the unique-ids change."},
            users_who_download_again(survey), most_rows,
            [](std::string_view name, const UserUse& user) {
              return std::vector<std::string>{shown(name), number(user.again_sessions),
                                              user.again > 0 ? number(user.again) : "",
                                              size_text(user.again_octets)};
            });
}

void add_counts(Report& report, const LogSurvey& survey, std::size_t most_rows) {
  const auto row = [](std::string_view name, std::uint64_t count) {
    return std::vector<std::string>{shown(name), number(count)};
  };
  add_table(report,
            {.title = "How users proved who they are",
             .columns = {{"mechanism"}, {"logins", Align::right}},
             .rows = {}},
            by_count(survey.mechanisms()), most_rows, row);
  add_table(report,
            {.title = "Failed TLS handshakes",
             .columns = {{"cause"}, {"times", Align::right}},
             .rows = {}},
            by_count(survey.failed_handshakes()), most_rows, row);
}

/// Days without anything between others are drawn, too, unless a stamp is far away.
std::vector<std::pair<std::int64_t, DayUse>> days_of(const LogSurvey& survey) {
  std::vector<std::pair<std::int64_t, DayUse>> days;
  for (const auto& [day, use] : survey.days()) {
    if (!days.empty() && day - days.back().first < static_cast<std::int64_t>(most_days)) {
      for (std::int64_t gap = days.back().first + 1; gap < day; ++gap)
        days.emplace_back(gap, DayUse{});
    }
    days.emplace_back(day, use);
  }
  if (days.size() > most_days) days.erase(days.begin(), days.end() - most_days);
  return days;
}

void add_charts(Report& report, const LogSurvey& survey, const LogSurvey::Totals& totals) {
  ReportChart logins{.title = "Logins by day", .form = ReportChart::Form::columns, .bars = {}};
  ReportChart failures{
      .title = "Failed logins by day", .form = ReportChart::Form::columns, .bars = {}};
  ReportChart sent{.title = "Sent by day", .form = ReportChart::Form::columns, .bars = {}};
  for (const auto& [day, use] : days_of(survey)) {
    const std::string name = moment_text(day * 86400).substr(0, 10);
    logins.bars.push_back({name, use.logins, number(use.logins)});
    failures.bars.push_back({name, use.failures, number(use.failures), true});
    sent.bars.push_back({name, use.sent_octets, size_text(use.sent_octets)});
  }
  ReportChart hours{
      .title = "Logins by hour of the day, UTC", .form = ReportChart::Form::columns, .bars = {}};
  for (std::size_t hour = 0; hour < totals.logins_in_hour.size(); ++hour) {
    const std::uint64_t count = totals.logins_in_hour.at(hour);
    hours.bars.push_back({(hour < 10 ? "0" : "") + number(hour), count, number(count)});
  }
  if (totals.logins > 0) {
    report.sections.emplace_back(std::move(logins));
    report.sections.emplace_back(std::move(hours));
  }
  if (totals.failures > 0) report.sections.emplace_back(std::move(failures));
  if (totals.sent_octets > 0) report.sections.emplace_back(std::move(sent));
}

}  // namespace

Report report_of(const LogSurvey& survey, const LogSources& sources, std::size_t most_rows) {
  const LogSurvey::Totals totals = survey.totals();
  Report report{.title = "POP3 log report", .figures = {}, .sections = {}};
  report.figures = {{"first", when(totals.first)},
                    {"last", when(totals.last)},
                    {"users", number(survey.users().size())},
                    {"logins", number(totals.logins)},
                    {"failed logins", number(totals.failures)},
                    {"sessions", number(totals.sessions)},
                    {"ended without QUIT", number(totals.unclean)},
                    {"sent", size_text(totals.sent_octets)},
                    {"lines", number(sources.lines)},
                    {"of them about POP", number(sources.understood)}};
  if (sources.too_long > 0) report.figures.emplace_back("lines too long", number(sources.too_long));
  add_charts(report, survey, totals);
  add_users(report, survey, most_rows);
  add_protections(report, totals);
  add_failures(report, survey, most_rows);
  add_habits(report, survey, most_rows);
  add_counts(report, survey, most_rows);
  return report;
}

}  // namespace pop
