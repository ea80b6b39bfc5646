#pragma once

namespace pop {

/// First argument of a re-executed program; nothing a user would type.
inline constexpr const char* front_role = "role:front";
inline constexpr const char* changer_role = "role:changer";

/// Where such a program finds what the master gave it.
namespace inherited {
inline constexpr int settings = 3;
inline constexpr int peer = 4;          // the front's channel to the changer, and its to the front
inline constexpr int client = 5;        // front: the connection
inline constexpr int certificates = 6;  // front: sealed, where TLS may be spoken
inline constexpr int turns = 5;         // changer: from the master
}  // namespace inherited

/// Talks to the client, shut in as popper's gate is: knows the protocol and no password.
[[nodiscard]] int run_front();
/// Root: checks and changes one password, and knows no protocol.
[[nodiscard]] int run_changer();

}  // namespace pop
