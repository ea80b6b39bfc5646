#include <fcntl.h>

#include <atomic>
#include <semaphore>

#include "popper/notify/log_pace.h"
#include "popper/notify/notice_sender.h"
#include "popper/notify/service_queue.h"
#include "support/catch.h"
#include "support/recording_sink.h"

using namespace pop;

namespace {

LoginNotice notice_of(const std::string& user) {
  LoginNotice notice;
  notice.user = user;
  notice.connection = "c-" + user;
  return notice;
}

/// Tells nobody before it is let go.
class StuckNotifier final : public LoginNotifier {
 public:
  StuckNotifier(std::counting_semaphore<>& gate, std::atomic<int>& told)
      : gate_{gate}, told_{told} {}
  [[nodiscard]] std::string_view name() const override { return "stuck"; }
  [[nodiscard]] Result<void> tell(const LoginNotice&) override {
    gate_.acquire();
    ++told_;
    return fail(Errc::io, "nobody there");
  }

 private:
  std::counting_semaphore<>& gate_;
  std::atomic<int>& told_;
};

}  // namespace

TEST_CASE("The pace of a log holds back and counts", "[popper][notify]") {
  LogPace pace;
  const LogPace::Time start{};
  CHECK(pace.next(start) == 0U);
  CHECK(!pace.next(start + std::chrono::seconds{1}));
  CHECK(!pace.next(start + std::chrono::seconds{59}));
  CHECK(pace.next(start + std::chrono::seconds{60}) == 2U);
  CHECK(!pace.next(start + std::chrono::seconds{61}));
}

TEST_CASE("A keeper drops what a full notifier cannot take, and says so once", "[popper][notify]") {
  auto ends = Channel::pair();
  REQUIRE(ends);
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  NoticeSender sender{std::move(ends->first), "pop.test", log, system_clock()};
  for (int i = 0; i < 20'000; ++i) sender.on_login(notice_of("jo"));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].second.find("login-notice-dropped id=c-jo user=jo") != std::string::npos);

  const auto first = ends->second.receive();
  REQUIRE(first);
  const auto notice = decode_login_notice((*first)->record);
  REQUIRE(notice);
  CHECK(notice->host == "pop.test");
  CHECK(notice->time > 1'700'000'000);
}

TEST_CASE("A keeper sends a logout for each login it told of", "[popper][notify]") {
  auto ends = Channel::pair();
  REQUIRE(ends);
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  {
    NoticeSender sender{std::move(ends->first), "pop.test", log, system_clock()};
    sender.on_login(notice_of("jo"));
    sender.on_logout("c-al");
    sender.on_logout("c-jo");
    sender.on_logout("c-jo");
  }
  std::string seen;
  for (auto received = ends->second.receive(); received && *received;
       received = ends->second.receive()) {
    const auto notice = decode_login_notice((*received)->record);
    REQUIRE(notice);
    seen += (notice->kind == LoginNotice::Kind::login ? "+" : "-") + notice->user + " ";
  }
  CHECK(seen == "+jo -jo ");
}

TEST_CASE("A stuck service keeps nobody waiting and fills no memory", "[popper][notify]") {
  std::counting_semaphore<> gate{0};
  std::atomic<int> told{0};
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  NoticeLog shared_log{log};
  {
    ServiceQueue queue{std::make_unique<StuckNotifier>(gate, told), shared_log, system_clock()};
    for (std::size_t i = 0; i < ServiceQueue::most_waiting + 500; ++i) queue.put(notice_of("jo"));
    CHECK(!queue.finish(system_clock().steady() + std::chrono::milliseconds{10}));
    gate.release(static_cast<std::ptrdiff_t>(ServiceQueue::most_waiting) + 500);
    CHECK(queue.finish(system_clock().steady() + std::chrono::seconds{60}));
  }
  CHECK(told >= static_cast<int>(ServiceQueue::most_waiting));
  CHECK(told <= static_cast<int>(ServiceQueue::most_waiting) + 1);
  REQUIRE(lines.size() == 1);  // the full queue; failures of the same minute are held back
  CHECK(lines[0].second.find("stuck: nobody was told that jo") != std::string::npos);
}
