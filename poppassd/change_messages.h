#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"
#include "conf/configuration.h"
#include "ipc/frame.h"

namespace pop {

/// The closed set of messages between the processes that serve one connection. Each is one record
/// of a Channel; every field is length-prefixed, so no octet of a name or password can end one.
/// The order is fixed: the master tells each of the two who the client is; the front asks once; the
/// changer answers once.

/// Master: whom you serve.
struct Client {
  std::string connection;  // for logs
  std::string address;     // numeric
  ListenTls tls = ListenTls::none;
};

/// Front: the client wants this.
struct ChangeRequest {
  std::string user;  // as typed
  Secret old_password, new_password;
  bool over_tls = false;
};

/// Changer: what became of it.
struct ChangeVerdict {
  enum class Outcome : std::uint8_t {
    changed,
    rejected,    // wrong password or no such user: the text is always the same
    refused,     // the new password is no good; the text says why
    unavailable  // later may work
  };
  Outcome outcome = Outcome::unavailable;
  std::string text;  // printable ASCII, for the client; empty for all but `refused`
};

/// Changer to master, who hears by keys alone what was tried.
struct TurnRequest {
  enum class Word : std::uint8_t {
    may_check,  // may I look at the password?
    failed,     // it was wrong; may I say so?
    right       // needs no answer
  };
  Word word = Word::may_check;
  GuessKeys guess{};
};
/// Master: you may; `repeated`, and this was wrong before.
enum class Turn : std::uint8_t { now, repeated };

[[nodiscard]] std::string encode(const Client& client);
/// The caller wipes it.
[[nodiscard]] std::string encode(const ChangeRequest& request);
[[nodiscard]] std::string encode(const ChangeVerdict& verdict);
[[nodiscard]] std::string encode(const TurnRequest& request);
[[nodiscard]] std::string encode(Turn turn);

/// Exactly one whole message; Errc::corrupt otherwise.
[[nodiscard]] Result<Client> decode_client(std::string_view record);
[[nodiscard]] Result<ChangeRequest> decode_change_request(std::string_view record);
[[nodiscard]] Result<ChangeVerdict> decode_change_verdict(std::string_view record);
[[nodiscard]] Result<TurnRequest> decode_turn_request(std::string_view record);
[[nodiscard]] Result<Turn> decode_turn(std::string_view record);

}  // namespace pop
