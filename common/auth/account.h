#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pop {

class PamSession;

/// Who a session becomes. System users come from NSS, virtual ones from the credential file.
struct Account {
  std::string name;    // as in spool file names
  std::string login;   // as the client typed it
  std::string folder;  // Maildir++ folder without the leading dot; empty: the inbox
  uid_t uid = 0;
  gid_t gid = 0;
  std::filesystem::path home;
  std::filesystem::path maildrop;  // virtual users only; empty: as the settings say
  std::string shell;
  bool is_virtual = false;
  bool is_read_only = false;  // this login may delete nothing
  bool as_text = false;       // this login wants each message as one part of plain text
  std::string device;         // whose password it was; empty: the user's own
  // To be held for the session's life; null: there is none to hold.
  std::shared_ptr<PamSession> pam_session{};
};

/// What to do about a password that must be changed: a POP3 client cannot change it.
enum class ExpiredPassword : std::uint8_t { deny, accept };

/// A name that may become part of a file name: 1 to 64 octets, no '/', no controls, not beginning
/// with '.' or '-'. Everything else is refused before any look-up.
[[nodiscard]] bool is_safe_user_name(std::string_view name);

/// getpwnam_r. Errc::not_found for an unknown user; Errc::io when NSS failed, which must not be
/// taken for "unknown". May block on a directory service.
[[nodiscard]] Result<Account> find_system_account(std::string_view name);
/// Same by number: the first account that has it.
[[nodiscard]] Result<Account> find_system_account(uid_t uid);

/// Every account that NSS lists, in its order; a directory service may not list its own. Blocks.
[[nodiscard]] std::vector<Account> system_accounts();

}  // namespace pop
