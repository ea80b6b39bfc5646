#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "auth/account.h"
#include "auth/sasl_exchange.h"
#include "base/error.h"
#include "base/fd.h"
#include "ipc/frame.h"

namespace pop {

class Activity;
class Languages;

/// What a login leaves to the session.
struct SessionStart {
  Account account;
  Fd client;
  Fd socket;                // the client's own, where `client` leads to a relay; never in a record
  Fd submissions;           // where mail goes; not open: nowhere; never in a record
  Fd client_output;         // open only where the client is not one socket; never in a record
  std::string pipelined;    // what the client sent after its last login command
  std::string address;      // the client's, numeric
  std::string client_name;  // as the DNS says, for the log; empty: unknown
  std::string connection;   // ties the log lines of one connection
  bool over_tls = false;    // the client's password could not be read on the way
  std::chrono::milliseconds authentication{0};  // that the check took, for the log
  std::string mechanism{};                      // of SASL, that led in; empty: none did
  std::uint32_t layer_bits = 0;                 // of its encryption
  std::uint32_t mechanisms = 0;  // that CAPA told of before the login, as pop3/sasl_mechanisms.h
  Speech speech{};               // that was agreed on before the login
  std::string_view proved_by{};  // the mechanism, of SASL or not; never in a record
  std::uint64_t serial = 0;      // on the scoreboard
  /// Of the process, which it outlives; null: none. Never in a record.
  Activity* activity = nullptr;
  /// The same: of replies. Null: LANG is no command. Never in a record.
  const Languages* languages = nullptr;
  /// That carries the octets of both directions from our first reply on; null: none. Never in a
  /// record: such a session is forked from the keeper that agreed on it.
  std::unique_ptr<SaslLayer> layer{};
};

/// What others may know of a session.
struct SessionFacts {
  std::string connection;
  std::string user, login;  // as in spool file names; as the client typed it
  std::string address;
  std::string client_name;
  uid_t uid = 0;
};

/// Before a session start: here is the client's own socket, for a session that talks to a relay.
inline constexpr std::string_view socket_record = "socket";

/// One record for a session process that serves one client after another. The client's descriptor
/// is not in it: it rides along.
[[nodiscard]] std::string encode(const SessionStart& start);
/// Without the client. Errc::corrupt unless it is exactly what encode() makes.
[[nodiscard]] Result<SessionStart> decode_session_start(std::string_view record);

}  // namespace pop
