#pragma once

#include <memory>
#include <optional>
#include <string>

#include "popper/notify/login_notifier.h"

namespace pop {

/// The md5 line of a packet.
struct PacketSignature {
  std::string digest, challenge;
};

/// popserv's packet: one "KEY VALUE" a line, a line with a dot at the end. Controls and octets from
/// 0x80 on become \xHH, so that no value makes a line.
[[nodiscard]] std::string logudp_packet(const LoginNotice& notice,
                                        const std::optional<PacketSignature>& signature);

/// `challenge` must never have been used before. Errc::denied where MD5 is forbidden.
[[nodiscard]] Result<PacketSignature> sign_packet(std::string challenge, std::string_view secret);

/// Sends a packet to logudp-destination for each login; nobody answers.
[[nodiscard]] Result<std::unique_ptr<LoginNotifier>> make_logudp_notifier(const Settings& settings);

}  // namespace pop
