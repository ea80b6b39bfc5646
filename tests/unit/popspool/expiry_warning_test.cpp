#include "popspool/expiry_warning.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "mail/from_line.h"
#include "popspool/expiry.h"
#include "popspool/mime_text.h"
#include "popspool_bed.h"

namespace pop {
namespace {

using test::get_file;
using test::PopspoolBed;
using test::put_file;
using test::ToolOutcome;

namespace fs = std::filesystem;

constexpr std::int64_t day = 86'400;

/// A day is over when the test says so.
class Calendar final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point{std::chrono::seconds{now_}};
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return system_clock().steady();
  }
  void sleep(std::chrono::milliseconds duration) override { system_clock().sleep(duration); }
  void pass(std::int64_t seconds) { now_ += seconds; }
  [[nodiscard]] std::int64_t now() const { return now_; }

 private:
  std::int64_t now_ = 1'700'000'000;
};

std::string mail_of(std::int64_t delivered, const std::string& subject) {
  using std::chrono::seconds, std::chrono::system_clock;
  return make_from_line("a@example.org", system_clock::time_point{seconds{delivered}}) +
         "From: Ann <a@example.org>\nSubject: " + subject + "\n\nhello\n\n";
}

/// A maildrop whose mail goes after 30 days, with a week's notice.
struct WarnedHost {
  WarnedHost() {
    settings.spool_dir = directory.path();
    rule.older_than = std::chrono::days{30};
    notice = {.days = std::chrono::days{7}, .text = {}, .host = "mail.example.org"};
  }
  void deliver(const std::string& subject) const {
    put_file(spool(),
             (fs::exists(spool()) ? get_file(spool()) : "") + mail_of(calendar.now(), subject));
    fs::permissions(spool(), fs::perms{0600});
  }
  [[nodiscard]] fs::path spool() const { return directory / "jo"; }
  [[nodiscard]] fs::path record() const { return directory / ".jo.warned"; }
  ExpiredMail expire(RunMode mode = RunMode::real) {
    const auto headers = HeaderConditions::compile({&rule, 1});
    REQUIRE(headers);
    const MailUser user{.name = "jo",
                        .uid = ::getuid(),
                        .gid = ::getgid(),
                        .home = directory.path(),
                        .maildrop = {},
                        .folder = {}};
    Result<ExpiredMail> done = expire_mail({settings, system_disk(), calendar}, user,
                                           {.mode = mode}, {&rule, 1}, *headers, notice);
    REQUIRE(done);
    REQUIRE_FALSE(done->not_warned);
    return std::move(*done);
  }

  test::TemporaryDirectory directory;
  Settings settings;
  Calendar calendar;
  ExpiryRule rule;
  ExpiryNotice notice;
};

TEST_CASE("Users are told of all mail a week before it goes, and seldom", "[popspool][warning]") {
  WarnedHost host;
  std::map<std::string, std::int64_t> told;  // by unique-id
  std::size_t gone = 0, warnings = 0;
  for (int today = 0; today < 100; ++today) {
    if (today < 60) host.deliver("day " + std::to_string(today));
    const ExpiredMail done = host.expire();
    for (const DoomedMessage& message : done.warned) {
      CHECK(told.emplace(message.unique_id, host.calendar.now()).second);
      CHECK(message.goes >= host.calendar.now() + 7 * day);
    }
    for (const RemovedMessage& message : done.mail.messages) {
      if (is_expiry_warning(message.unique_id)) continue;
      ++gone;
      REQUIRE(told.contains(message.unique_id));
      CHECK(host.calendar.now() - told[message.unique_id] >= 7 * day);
    }
    if (!done.warned.empty()) ++warnings;
    host.calendar.pass(day);
  }
  CHECK(gone == 60);  // each went, none too early, and not much too late
  CHECK(warnings >= 60 / 14);
  CHECK(warnings <= 60 / 7 + 2);
}

TEST_CASE("Nothing goes untold when a policy gets stricter or begins", "[popspool][warning]") {
  WarnedHost host;
  for (int number = 0; number < 5; ++number) host.deliver("old " + std::to_string(number));
  host.calendar.pass(100 * day);
  const ExpiredMail planned = host.expire(RunMode::dry_run);
  CHECK(planned.warned.size() == 5);
  CHECK(planned.held == 5);
  CHECK_FALSE(fs::exists(host.record()));
  const ExpiredMail first = host.expire();
  CHECK(first.warned.size() == 5);
  CHECK(first.held == 5);
  CHECK(first.mail.messages.empty());
  const std::string spool = get_file(host.spool());
  CHECK_THAT(spool, Catch::Contains("Subject: Mail that will be removed from 2024-02-29 on\n") &&
                        Catch::Contains("2024-02-29  old 4  (Ann <a@example.org>)\n") &&
                        Catch::Contains("To: jo@mail.example.org\n"));
  host.calendar.pass(6 * day);
  CHECK(host.expire().held == 5);
  CHECK(get_file(host.spool()) == spool);  // told once
  host.calendar.pass(day);
  CHECK(host.expire().mail.messages.size() == 5);
  CHECK_THAT(get_file(host.spool()),
             Catch::Contains("will be removed") && !Catch::Contains("Subject: old"));
}

TEST_CASE("After a crash before it was noted, a warning is there once", "[popspool][warning]") {
  WarnedHost host;
  host.deliver("old");
  host.calendar.pass(25 * day);
  REQUIRE(host.expire().warned.size() == 1);
  const std::string spool = get_file(host.spool());
  fs::remove(host.record());
  host.calendar.pass(day);
  REQUIRE(host.expire().warned.size() == 1);
  CHECK(get_file(host.spool()) == spool);
  CHECK(fs::exists(host.record()));
}

TEST_CASE("A limit and mail without an age rule go untold", "[popspool][warning]") {
  WarnedHost host;
  host.deliver("one");
  host.rule = {};
  host.rule.headers = {"Subject: one"};
  CHECK(host.expire().mail.messages.size() == 1);
  host.deliver("one");
  host.deliver("two");
  host.rule = {};
  host.rule.older_than = std::chrono::days{0};
  host.rule.max_messages = 1;
  host.calendar.pass(day);
  const ExpiredMail done = host.expire();
  CHECK(done.mail.messages.size() == 1);
  CHECK(done.warned.empty());
}

OwnMessage written(std::string_view file, const std::string& subject = "one") {
  const Result<WarningText> text = WarningText::parse(file);
  REQUIRE(text);
  return text->message(
      {.user = "jo", .host = "h.example", .days = 7, .now = 1'700'000'000},
      {{"id-2", "later", "", 1'700'900'000}, {"id-1", subject, "", 1'700'800'000}});
}

TEST_CASE("A warning says what its file says, in any characters", "[popspool][warning]") {
  const OwnMessage message = written(
      "From: B\xC3\xBCro <office@h.example>\nSubject: L\xC3\xB6schung: {count}\n\n"
      "Gr\xC3\xBC\xC3\x9F {user}, in {days} Tagen:\n{list}From {host} on {date}\n");
  const DecodedMessage decoded = decode_message(message.content);
  std::map<std::string, std::string> fields;
  for (const DecodedField& field : decoded.fields) fields[field.name] = field.value;
  CHECK(fields["Subject"] == "L\xC3\xB6schung: 2 messages");
  CHECK(fields["From"] == "B\xC3\xBCro <office@h.example>");
  CHECK(fields["X-UIDL"] == message.unique_id);
  REQUIRE(decoded.parts.size() == 1);
  CHECK(decoded.parts[0].text ==
        "Gr\xC3\xBC\xC3\x9F jo, in 7 Tagen:\n2023-11-24  one\n2023-11-25  later\n"
        "From h.example on 2023-11-24\n");
  CHECK(std::ranges::all_of(message.content,
                            [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST_CASE("A hostile subject stays on its line of the warning", "[popspool][warning]") {
  const OwnMessage message = written("{list}", "x\nFrom a@b Thu Jan  1 00:00:00 1970\x1b[2J");
  CHECK(message.content.find("\nFrom a@b") == std::string::npos);
  CHECK(message.content.find('\x1b') == std::string::npos);
}

TEST_CASE("A text for warnings that would mislead is refused", "[popspool][warning]") {
  for (const char* file :
       {"no list of them", "{list} of {customer}", "Subject:\n\n{list}", "\xff {list}", ""}) {
    CAPTURE(file);
    CHECK_FALSE(WarningText::parse(file));
  }
}

TEST_CASE("popspool expire tells users by option and by policy", "[popspool][warning]") {
  const PopspoolBed bed;
  const std::string mail = mail_of(::time(nullptr) - 100 * day, "old");
  const std::string one = bed.add_spool("one", mail), two = bed.add_spool("two", mail);
  const std::string policy = bed.path("policy.toml"), text = bed.path("text");
  put_file(text, "Subject: bye\n\n{list}");
  put_file(policy, "[[policy]]\nusers = \"two\"\nwarn-days = 7\nwarning = \"" + text +
                       "\"\nrules = [{older-than = \"90d\"}]\n[[policy]]\nrules = []\n");
  const ToolOutcome dry =
      bed.call({"expire", "-n", "--older-than", "90d", "--warn-days", "7", one});
  CHECK_THAT(dry.out, Catch::Contains("would tell the user of 1 message that will go\n"));
  CHECK(get_file(one) == mail);
  const ToolOutcome done =
      bed.call({"expire", "--json", "--older-than", "90d", "--warn-days", "7", one});
  CHECK(done.status == ExitStatus::ok);
  CHECK_THAT(done.out, Catch::Contains("\"warned\":[{\"uid\":") && Catch::Contains("\"held\":1"));
  CHECK_THAT(get_file(one), Catch::StartsWith(mail) && Catch::Contains("  old  (Ann"));
  CHECK(bed.call({"expire", "--policy", policy, two}).status == ExitStatus::ok);
  CHECK_THAT(get_file(two), Catch::StartsWith(mail) && Catch::Contains("Subject: bye\n"));
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--warn-days", "7", "--max-messages", "3"},
        {"--warn-days", "-1", "--older-than", "90d"},
        {"--warn-days", "7", "--policy", policy},
        {"--warning", text, "--older-than", "90d"},
        {"--warn-days", "7", "--older-than", "90d", "--warning", bed.path("missing")}}) {
    std::vector<std::string> call{"expire"};
    call.insert(call.end(), wrong.begin(), wrong.end());
    call.push_back(one);
    CHECK(bed.call(call).status != ExitStatus::ok);
  }
}

}  // namespace
}  // namespace pop
