#include "popper/notify/notice_sender.h"

#include <chrono>
#include <utility>

namespace pop {

NoticeSender::NoticeSender(Channel channel, std::string host, Log& log, Clock& clock)
    : channel_{std::move(channel)}, host_{std::move(host)}, log_{log}, clock_{clock} {}

void NoticeSender::on_login(LoginNotice notice) {
  notice.host = host_;
  send(LoginNotice::Kind::login, notice);
  std::string connection = notice.connection;
  sessions_.insert_or_assign(std::move(connection), std::move(notice));
}

void NoticeSender::on_logout(const std::string& connection) {
  const auto session = sessions_.find(connection);
  if (session == sessions_.end()) return;
  send(LoginNotice::Kind::logout, session->second);
  sessions_.erase(session);
}

void NoticeSender::send(LoginNotice::Kind kind, LoginNotice& notice) {
  const auto since_epoch = clock_.wall().time_since_epoch();
  notice.kind = kind;
  notice.time = std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count();
  const Result<void> sent = channel_.send(encode(notice));
  if (sent) return;
  const auto held_back = pace_.next(clock_.steady());
  if (!held_back) return;
  log_.event(Severity::warning, "login-notice-dropped",
             {{"id", notice.connection},
              {"user", notice.user},
              {"why", sent.error().text},
              {"and-before", std::to_string(*held_back)}});
}

}  // namespace pop
