#pragma once

#include "auth/account.h"
#include "store/maildrop.h"

namespace pop {

/// An account as the maildrop engine knows it.
[[nodiscard]] inline MailUser mail_user(const Account& account) {
  return {account.name, account.uid, account.gid, account.home, account.maildrop, account.folder};
}

}  // namespace pop
