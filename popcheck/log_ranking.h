#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "popcheck/log_survey.h"

namespace pop {

template <class T>
using Ranked = std::vector<std::pair<std::string_view, const T*>>;

/// The entries that `fits` takes, those with the largest `weight` first, else by name. They point
/// into `names`.
template <class T, class Fits, class Weight>
Ranked<T> ranked(const ByName<T>& names, const Fits& fits, const Weight& weight) {
  Ranked<T> result;
  for (const auto& [name, entry] : names) {
    if (fits(entry)) result.emplace_back(name, &entry);
  }
  std::ranges::sort(result, [&weight](const auto& a, const auto& b) {
    const auto first = weight(*a.second), second = weight(*b.second);
    return first != second ? first > second : a.first < b.first;
  });
  return result;
}

// The orders that all forms of the report share.

/// Users, who logs in most first.
[[nodiscard]] Ranked<UserUse> users_by_logins(const LogSurvey& survey);
[[nodiscard]] Ranked<UserUse> users_who_never_delete(const LogSurvey& survey);
[[nodiscard]] Ranked<UserUse> robots(const LogSurvey& survey);
[[nodiscard]] Ranked<UserUse> users_who_download_again(const LogSurvey& survey);
[[nodiscard]] Ranked<FailureCount> by_failures(const ByName<FailureCount>& counts);
[[nodiscard]] Ranked<std::uint64_t> by_count(const ByName<std::uint64_t>& counts);

}  // namespace pop
