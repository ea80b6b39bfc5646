#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/notify/log_pace.h"
#include "popper/notify/login_notice.h"

namespace pop {

/// A keeper's end of the way to the notifier. Never blocks and never fails a login: a notice that
/// the notifier cannot take now is dropped, and the log told once a minute at most.
class NoticeSender {
 public:
  /// `channel` must not block. `log` and `clock` must outlive this.
  NoticeSender(Channel channel, std::string host, Log& log, Clock& clock);

  /// Kind, time and host are filled in. The notice is kept for the end of the session.
  void on_login(LoginNotice notice);
  /// Does nothing for a connection whose login did not come here.
  void on_logout(const std::string& connection);

 private:
  void send(LoginNotice::Kind kind, LoginNotice& notice);

  Channel channel_;
  std::string host_;
  Log& log_;
  Clock& clock_;
  LogPace pace_;
  std::map<std::string, LoginNotice> sessions_;  // by connection
};

}  // namespace pop
