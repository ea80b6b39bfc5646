#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "conf/query_template.h"
#include "popper/notify/login_notifier.h"

namespace pop {

/// The statement for one login. `quoted` makes a literal, quotes included, of any octets.
[[nodiscard]] std::string fill(const QueryTemplate& query, const LoginNotice& notice,
                               const std::function<std::string(std::string_view)>& quoted);

/// Executes loginfo-query at loginfo-host for each login, over one connection that is made anew
/// when it broke; a statement that broke with it is executed again. By libmariadb, which is loaded
/// at the first login.
[[nodiscard]] Result<std::unique_ptr<LoginNotifier>> make_sql_notifier(const Settings& settings);

}  // namespace pop
