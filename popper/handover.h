#pragma once

#include "daemon/handover.h"

namespace pop {

/// Where a re-executed role finds what the master gave it.
namespace inherited {
inline constexpr int settings = 3;
inline constexpr int control = 4;       // gate: from the master
inline constexpr int gate_channel = 4;  // every process that serves one gate
inline constexpr int pulse = 5;         // all of them
inline constexpr int stamps = 6;        // keeper
inline constexpr int notices = 7;       // keeper, where notices are wanted; notifier
inline constexpr int census = 8;        // gate and keeper
inline constexpr int orders = 9;        // keeper: from the master
inline constexpr int vouchers = 10;     // keeper and Kerberos acceptor
inline constexpr int scoreboard = 11;   // gate and keeper, where there is one
inline constexpr int client = 4;        // what serves a single one
inline constexpr int certificates = 5;  // same, where it cannot read them itself
}  // namespace inherited

/// First argument of a re-executed program; nothing a user would type.
inline constexpr const char* gate_role = "role:gate";
inline constexpr const char* keeper_role = "role:keeper";
inline constexpr const char* resolver_role = "role:resolver";
inline constexpr const char* kerberos_role = "role:kerberos";
inline constexpr const char* notifier_role = "role:notifier";
inline constexpr const char* single_role = "role:single";

}  // namespace pop
