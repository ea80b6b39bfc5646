#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "conf/configuration.h"
#include "conf/settings.h"
#include "daemon/program_log.h"

namespace pop {

/// What every role must know, parsed once from the files by the master.
struct Handover {
  Settings settings;
  std::string host;  // as greetings and stamps name this machine
  LogTarget log = LogTarget::syslog;
  std::vector<ListenAddress> for_old_devices{};  // those of our listeners
};

/// Those of the listeners that are for old devices.
[[nodiscard]] std::vector<ListenAddress> for_old_devices(
    const std::vector<ListenAddress>& listeners);

/// Overwrites tls-passphrase: who is to have the key gets it decrypted.
void forget_tls_secrets(Settings& settings);

/// Overwrites logudp-secret and loginfo-password: only the notifier needs them.
void forget_notice_secrets(Settings& settings);

/// A sealed memory file that take_handover() reads; children share it.
[[nodiscard]] Result<Fd> seal_handover(const Handover& handover);
[[nodiscard]] Result<Handover> take_handover(const Fd& memory);

}  // namespace pop
