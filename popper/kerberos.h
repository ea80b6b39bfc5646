#pragma once

#include "base/fd.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// AUTH GSSAPI is wanted: sasl-mechanisms names it, or leaves all open and there is a
/// kerberos-keytab.
[[nodiscard]] bool wants_gssapi(const Settings& settings);

/// Program of a Kerberos acceptor, with its inherited descriptors in place: tells its gate whose
/// tickets clients have shown. It reads the keytab as root, and has the gate's user and nothing
/// else before the first octet of a client reaches it. Ends with its gate.
[[nodiscard]] int run_kerberos_acceptor();

/// For one connection only. `vouchers` is what VoucherKey::create() made.
[[nodiscard]] int run_single_kerberos_acceptor(const Handover& handover, Log& log, Channel gate,
                                               const Fd& vouchers);

}  // namespace pop
