#include "popcheck/log_ranking.h"
#include "popcheck/log_report.h"
#include "tool/moment.h"

namespace pop {
namespace {

Json text(std::string_view value) {
  return {std::string{value}};
}

Json moment(std::int64_t time) {
  return time == 0 ? Json{} : Json{moment_text(time)};
}

Json number(std::uint64_t value) {
  return {value};
}

Json number(const std::optional<std::uint64_t>& value) {
  return value ? Json{*value} : Json{};
}

template <class T, class Object>
Json array_of(const Ranked<T>& ranking, const Object& object) {
  Json::Array array;
  for (const auto& [name, entry] : ranking) array.push_back({object(name, *entry)});
  return {std::move(array)};
}

Json user_object(std::string_view name, const UserUse& user) {
  return {Json::Object{{"user", text(name)},
                       {"logins", number(user.logins)},
                       {"first_login", moment(user.first_login)},
                       {"last_login", moment(user.last_login)},
                       {"last_address", text(user.last_address)},
                       {"addresses", number(std::uint64_t{user.clients.size()})},
                       {"tls", text(name_of(user.protection))},
                       {"mechanism", text(user.mechanism)},
                       {"sessions", number(user.sessions)},
                       {"unclean", number(user.unclean)},
                       {"octets_sent", number(user.sent_octets)},
                       {"retrieved", number(user.retrieved)},
                       {"deleted", user.counted_ends > 0 ? number(user.deleted) : Json{}},
                       {"messages_left", number(user.left)},
                       {"octets_left", number(user.left_octets)},
                       {"usual_pause", number(static_cast<std::uint64_t>(usual_pause(user)))},
                       {"robot", {is_robot(user)}},
                       {"never_deletes", {never_deletes(user)}},
                       {"downloads_again", {downloads_again(user)}},
                       {"again_sessions", number(user.again_sessions)},
                       {"again_messages", number(user.again)},
                       {"again_octets", number(user.again_octets)}}};
}

Json failures(const ByName<FailureCount>& counts, const std::string& who,
              const std::string& partners) {
  return array_of(by_failures(counts), [&](std::string_view name, const FailureCount& count) {
    return Json{Json::Object{{who, text(name)},
                             {"failures", number(count.failures)},
                             {partners, number(std::uint64_t{count.others.size()})},
                             {"last", moment(count.last)}}};
  });
}

Json counts(const ByName<std::uint64_t>& names, const std::string& what,
            const std::string& number_name) {
  return array_of(by_count(names), [&](std::string_view name, std::uint64_t count) {
    return Json{Json::Object{{what, text(name)}, {number_name, number(count)}}};
  });
}

Json tls(const LogSurvey::Totals& totals) {
  Json::Array array;
  for (std::size_t i = 0; i < protections; ++i) {
    array.push_back({Json::Object{{"protocol", text(name_of(static_cast<Protection>(i)))},
                                  {"logins", number(totals.logins_by.at(i))},
                                  {"users", number(totals.users_by.at(i))}}});
  }
  return {std::move(array)};
}

Json days(const LogSurvey& survey) {
  Json::Array array;
  for (const auto& [day, use] : survey.days()) {
    array.push_back({Json::Object{{"day", text(moment_text(day * 86400).substr(0, 10))},
                                  {"logins", number(use.logins)},
                                  {"failures", number(use.failures)},
                                  {"octets_sent", number(use.sent_octets)}}});
  }
  return {std::move(array)};
}

Json hours(const LogSurvey::Totals& totals) {
  Json::Array array;
  for (const std::uint64_t count : totals.logins_in_hour) array.push_back(number(count));
  return {std::move(array)};
}

Json sources_object(const LogSources& sources, const LogSurvey::Totals& totals) {
  return {Json::Object{{"files", number(sources.files)},
                       {"octets", number(sources.octets)},
                       {"lines", number(sources.lines)},
                       {"understood", number(sources.understood)},
                       {"too_long", number(sources.too_long)},
                       {"popper", number(totals.events.at(0))},
                       {"dovecot", number(totals.events.at(1))},
                       {"courier", number(totals.events.at(2))}}};
}

}  // namespace

Json json_of(const LogSurvey& survey, const LogSources& sources) {
  const LogSurvey::Totals totals = survey.totals();
  return {Json::Object{
      {"read", sources_object(sources, totals)},
      {"first", moment(totals.first)},
      {"last", moment(totals.last)},
      {"logins", number(totals.logins)},
      {"failures", number(totals.failures)},
      {"sessions", number(totals.sessions)},
      {"unclean", number(totals.unclean)},
      {"octets_sent", number(totals.sent_octets)},
      {"retrieved", number(totals.retrieved)},
      {"deleted", number(totals.deleted)},
      {"users", array_of(users_by_logins(survey), user_object)},
      {"tls", tls(totals)},
      {"mechanisms", counts(survey.mechanisms(), "mechanism", "logins")},
      {"failures_by_address", failures(survey.failing_addresses(), "address", "users")},
      {"failures_by_user", failures(survey.failing_users(), "user", "addresses")},
      {"failed_handshakes", counts(survey.failed_handshakes(), "why", "times")},
      {"days", days(survey)},
      {"logins_by_hour", hours(totals)}}};
}

}  // namespace pop
