#pragma once

#include <memory>

#include "popper/notify/login_notifier.h"

namespace pop {

/// Asks the DRAC service on drac-host to let the client's IPv4 address relay; other addresses are
/// passed over. ONC RPC over UDP by libtirpc, which is loaded at the first login. Logs as Qpopper
/// did: "[drac]: login by USER from host CLIENT (ADDRESS)".
[[nodiscard]] Result<std::unique_ptr<LoginNotifier>> make_drac_notifier(const Settings& settings,
                                                                        NoticeLog& log);

}  // namespace pop
