#include "popcheck/log_ranking.h"

namespace pop {
namespace {

constexpr auto all = [](const auto&) { return true; };

}  // namespace

Ranked<UserUse> users_by_logins(const LogSurvey& survey) {
  return ranked(survey.users(), all, [](const UserUse& user) { return user.logins; });
}

Ranked<UserUse> users_who_never_delete(const LogSurvey& survey) {
  return ranked(survey.users(), never_deletes, [](const UserUse& user) {
    return std::pair{user.left_octets.value_or(0), user.left.value_or(0)};
  });
}

Ranked<UserUse> robots(const LogSurvey& survey) {
  return ranked(survey.users(), is_robot, [](const UserUse& user) { return user.logins; });
}

Ranked<UserUse> users_who_download_again(const LogSurvey& survey) {
  return ranked(survey.users(), downloads_again, [](const UserUse& user) {
    return std::pair{user.again_octets, user.again};
  });
}

Ranked<FailureCount> by_failures(const ByName<FailureCount>& counts) {
  return ranked(counts, all, [](const FailureCount& count) { return count.failures; });
}

Ranked<std::uint64_t> by_count(const ByName<std::uint64_t>& counts) {
  return ranked(counts, all, [](std::uint64_t count) { return count; });
}

}  // namespace pop
