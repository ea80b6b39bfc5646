#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <map>

#include "popcheck/flat_json.h"
#include "popcheck/log_event.h"
#include "popcheck/log_head.h"
#include "popcheck/log_source.h"
#include "popcheck/log_survey.h"
#include "unit/popcheck/popcheck_bed.h"

namespace pop {
namespace {

using test::call_popcheck;
using test::CheckOutcome;
using test::PopcheckBed;

constexpr std::int64_t new_year_2026 = 1767225600;
constexpr std::int64_t day = 86400;

/// The time zone of this process, for a while.
class Zone {
 public:
  explicit Zone(const char* name) { set(name); }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() { set("UTC"); }

 private:
  static void set(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

std::optional<LogEvent> event_in(std::string_view program, std::string_view message) {
  static LogLines lines;
  return lines.read({.time = 0, .program = program, .message = message});
}

TEST_CASE("The heads of log lines are understood in all their forms", "[popcheck][log]") {
  const Zone zone{"UTC"};
  LogHeads heads{new_year_2026 + 40 * day};
  constexpr std::int64_t noon = new_year_2026 + 30 * day + 12 * 3600;  // 31 January 2026
  struct Form {
    std::string_view line, program, message;
  };
  for (const Form& form : {
           Form{"Jan 31 12:00:00 host popper[12]: login id=1", "popper", "login id=1"},
           Form{"<22>Jan 31 12:00:00 host popper[12]: login id=1", "popper", "login id=1"},
           Form{"Jan 31 12:00:00 host dovecot: pop3-login: x", "dovecot", "pop3-login: x"},
           Form{"2026-01-31T12:00:00.123456+00:00 host popper[12]: a: b", "popper", "a: b"},
           Form{"2026-01-31T13:30:00+0130 host pop3d: LOGIN", "pop3d", "LOGIN"},
           Form{"2026-01-31T04:30:00.5-07:30 host pop3d: LOGIN", "pop3d", "LOGIN"},
           Form{"<22>1 2026-01-31T12:00:00Z host popper 12 - - login id=1", "popper", "login id=1"},
           Form{"<22>1 2026-01-31T12:00:00Z host popper 12 id [a@1 b=\"]\\\"\"][c] \xEF\xBB\xBFhi",
                "popper", "hi"},
           Form{"2026-01-31T12:00:00.123Z [12] info: login id=1", "popper", "login id=1"},
           Form{"Jan 31 12:00:00.123 2026 [12] login id=1", "popper", "login id=1"},
           Form{"Jan 31 12:00:00 pop3-login: Info: Login", "dovecot", "pop3-login: Info: Login"},
           Form{"2026-01-31 12:00:00 pop3(jo)<1><2>: Info: x", "dovecot",
                "pop3(jo)<1><2>: Info: x"},
           Form{R"({"__REALTIME_TIMESTAMP":"1769860800000000","SYSLOG_IDENTIFIER":"popper",)"
                R"("MESSAGE":"a \"b\" \u00e4 \ud83d\ude00"})",
                "popper", "a \"b\" \xC3\xA4 \xF0\x9F\x98\x80"},
           Form{R"({ "MESSAGE" : [104, 105, 27], "_X" : null, "SYSLOG_IDENTIFIER" : "popper", )"
                R"("__REALTIME_TIMESTAMP" : "1769860800000000" })",
                "popper", "hi\x1b"},
       }) {
    CAPTURE(form.line);
    const std::optional<LogLine> line = heads.read(form.line);
    REQUIRE(line);
    CHECK(line->time == noon);
    CHECK(line->program == form.program);
    CHECK(line->message == form.message);
  }
  constexpr std::string_view own = R"({"time":"2026-01-31T12:00:00.001Z","pid":"1","event":"x"})";
  const std::optional<LogLine> line = heads.read(own);
  REQUIRE(line);
  CHECK((line->time == noon && line->program == "popper" && line->message == own));
}

TEST_CASE("What is no log line is none", "[popcheck][log]") {
  LogHeads heads{new_year_2026};
  for (const std::string_view wrong :
       {"", "x", "Jan 32 12:00:00 host popper: x", "Jan 31 24:00:00 host popper: x",
        "Foo 31 12:00:00 host popper: x", "Jan 31 12:00:00 host popper x", "Jan 31 12:00:00 host ",
        "2026-13-01T12:00:00Z host popper: x", "2026-01-01T12:00:00Z",
        "<22>1 2026-01-01T12:00:00Z host popper 1 - [a b", "{", R"({"MESSAGE":"x"} and more)",
        R"({"event":"login","user":"jo"})", R"({"__REALTIME_TIMESTAMP":"x","MESSAGE":"y"})",
        "Jan 31 12:00:0x host popper: y"}) {
    CAPTURE(wrong);
    CHECK_FALSE(heads.read(wrong));
  }
}

TEST_CASE("A day without a year is of the last such day before the file's end", "[popcheck][log]") {
  const Zone zone{"UTC"};
  const auto time_of = [](std::int64_t latest, std::string_view day_name) {
    return LogHeads{latest}.read(std::string{day_name} + " 00:00:00 host popper: x")->time;
  };
  CHECK(time_of(new_year_2026, "Dec 31") == new_year_2026 - day);
  CHECK(time_of(new_year_2026 + 40 * day, "Jan  1") == new_year_2026);
  CHECK(time_of(new_year_2026 - 3600, "Jan 01") == new_year_2026);  // clocks differ a little
  CHECK(time_of(new_year_2026 - 3 * day, "Jan  1") == new_year_2026 - 365 * day);
  CHECK(time_of(new_year_2026, "Feb 29") == 1709164800);  // of 2024
}

TEST_CASE("Stamps without a zone are local time", "[popcheck][log]") {
  const Zone zone{"CET-1CEST"};
  LogHeads heads{new_year_2026 + 300 * day};
  CHECK(heads.read("Jan  1 01:00:00 host popper: x")->time == new_year_2026);
  CHECK(heads.read("Jan  1 01:59:59 host popper: x")->time == new_year_2026 + 3599);
  CHECK(heads.read("Jul  1 02:00:00 host popper: x")->time == new_year_2026 + 181 * day);
  CHECK(heads.read("2026-07-01T02:00:00 host popper: x")->time == new_year_2026 + 181 * day);
}

TEST_CASE("What a client sent cannot pass for what a server knows", "[popcheck][log]") {
  struct Attempt {
    std::string_view program, message;
  };
  for (const Attempt& attempt : {
           Attempt{"popper", R"(login-failed id=1 user="x from=9.9.9.9 by=y" from=192.0.2.1 by=p)"},
           Attempt{"popper", R"(login-failed id=1 user="x\x22 from=9.9.9.9" from=192.0.2.1 by=p)"},
           Attempt{"dovecot",
                   "pop3-login: Disconnected (auth failed, 1 attempts in 2 secs): "
                   "user=<x>, rip=9.9.9.9, lip=1>, method=PLAIN, rip=192.0.2.1, lip=1"},
           Attempt{"pop3d", "LOGIN FAILED, user=x, ip=[9.9.9.9], port=[1], ip=[::ffff:192.0.2.1]"},
       }) {
    CAPTURE(attempt.message);
    const std::optional<LogEvent> event = event_in(attempt.program, attempt.message);
    REQUIRE(event);
    CHECK(event->kind == LogKind::failure);
    CHECK(event->address == "192.0.2.1");
  }
  // A name that begins as other lines do, in a line that tells of something else.
  CHECK_FALSE(event_in("popper", R"(jo at h (192.0.2.1): -ERR Unknown command: "login user=x")"));
  CHECK_FALSE(event_in("postfix/smtpd", "login id=1 user=jo from=192.0.2.1"));
}

TEST_CASE("A name is told whole, whatever is in it", "[popcheck][log]") {
  CHECK(event_in("dovecot",
                 "pop3-login: Disconnected (auth failed, 1 attempts in 2 secs): "
                 "user=<x>, rip=9.9.9.9, lip=<>, method=PLAIN, rip=192.0.2.1, lip=1")
            ->user == "x>, rip=9.9.9.9, lip=<");
  CHECK(event_in("pop3d", "LOGIN FAILED, user=x, ip=[9.9.9.9], ip=[::ffff:192.0.2.1]")->user ==
        "x, ip=[9.9.9.9]");
  CHECK(
      event_in("popper", R"(login id=1 user="x from=9.9.9.9" from=192.0.2.1 by=password)")->user ==
      "x from=9.9.9.9");
}

TEST_CASE("Lines of popper tell the same as text and as JSON", "[popcheck][log]") {
  const std::optional<LogEvent> text =
      event_in("popper", R"(session-end id=1a user="j o" from=192.0.2.1 how=quit messages=5 )"
                         "deleted=2 octets-sent=700 retrieved=3 again=1");
  REQUIRE(text);
  CHECK(text->user == "j o");
  CHECK((text->messages == 5U && text->deleted == 2U && text->sent_octets == 700U));
  CHECK((text->retrieved == 3U && text->again == 1U && text->is_clean));
  const std::optional<LogEvent> json =
      event_in("popper", R"({"event":"session-end","severity":"info","id":"1a","user":"j o",)"
                         R"("from":"192.0.2.1","how":"quit","messages":"5","deleted":"2",)"
                         R"("octets-sent":"700"})");
  REQUIRE(json);
  CHECK((json->user == "j o" && json->address == "192.0.2.1" && json->messages == 5U));
  const std::optional<LogEvent> sentence = event_in(
      "popper",
      R"({"event":"sentence","severity":"notice","text":"Stats: jo 1 2 3 4 h 192.0.2.1"})");
  REQUIRE(sentence);
  CHECK((sentence->kind == LogKind::session_end && sentence->left_octets == 4U));
}

TEST_CASE("Deletions of a lost connection count as the statistics say", "[popcheck][log]") {
  LogSurvey survey;
  const auto add = [&survey](std::string_view message) {
    const std::optional<LogEvent> event = event_in("popper", message);
    REQUIRE(event);
    survey.add(new_year_2026, *event);
  };
  add("login id=1 user=jo from=192.0.2.1 by=password");
  add("Stats: jo 0 0 5 500 h 192.0.2.1");
  add("session-end id=1 user=jo from=192.0.2.1 how=lost messages=5 deleted=5 octets-sent=0");
  const UserUse& jo = survey.users().find("jo")->second;
  CHECK((jo.deleted == 0 && jo.left == 5U && jo.unclean == 1 && jo.sessions == 1));
}

TEST_CASE("A fact that is told in several ways counts once, in any order", "[popcheck][log]") {
  const std::vector<std::string> told{
      "jo at h (192.0.2.1): -ERR [AUTH] no",
      "[AUTH] Failed attempted login to jo from host (h) 192.0.2.1",
      "login-failed id=1 user=jo from=192.0.2.1 by=password guess=new why=\"\""};
  for (unsigned chosen = 1; chosen < 8; ++chosen) {
    for (const bool backwards : {false, true}) {
      CAPTURE(chosen, backwards);
      LogSurvey survey;
      constexpr std::uint64_t failures = 5;
      for (std::uint64_t n = 0; n < failures; ++n) {
        for (std::size_t i = 0; i < told.size(); ++i) {
          const std::size_t which = backwards ? told.size() - 1 - i : i;
          if ((chosen >> which & 1) == 0) continue;
          survey.add(new_year_2026 + static_cast<std::int64_t>(n),
                     *event_in("popper", told[which]));
        }
      }
      CHECK(survey.totals().failures == failures);
    }
  }
}

TEST_CASE("A session whose login nobody logged is a login", "[popcheck][log]") {
  LogSurvey survey;
  for (int i = 0; i < 3; ++i) {
    survey.add(new_year_2026 + i * 600, *event_in("popper", "Stats: jo 1 10 0 0 h 192.0.2.1"));
  }
  CHECK(survey.totals().logins == 3);
  CHECK(survey.users().find("jo")->second.last_login == new_year_2026 + 1200);
}

void poll(LogSurvey& survey, std::string_view user, std::int64_t pause, int times,
          const std::string& end) {
  for (int i = 0; i < times; ++i) {
    const std::string login = "LOGIN, user=" + std::string{user} + ", ip=[192.0.2.1], port=[1]";
    survey.add(new_year_2026 + i * pause, *event_in("pop3d", login));
    const std::string ended =
        "pop3(" + std::string{user} + ")<1><2>: Disconnected: Logged out " + end;
    survey.add(new_year_2026 + i * pause + 1, *event_in("dovecot", ended));
  }
}

TEST_CASE("Habits are told apart", "[popcheck][log]") {
  LogSurvey survey;
  poll(survey, "robot", 600, 200, "top=0/0, retr=0/0, del=0/0, size=0");
  poll(survey, "person", 7200, 200, "top=0/0, retr=1/100, del=1/1, size=100");
  poll(survey, "keeper", 7200, 5, "top=0/0, retr=0/0, del=0/7, size=700");
  poll(survey, "seldom", 7200, 4, "top=0/0, retr=0/0, del=0/7, size=700");
  poll(survey, "forgetful", 7200, 3, "top=0/0, retr=7/700, del=0/7, size=700");
  poll(survey, "once", 7200, 2, "top=0/0, retr=7/700, del=0/7, size=700");
  const auto of = [&survey](std::string_view name) -> const UserUse& {
    return survey.users().find(name)->second;
  };
  CHECK(is_robot(of("robot")));
  CHECK(usual_pause(of("robot")) == 600);
  CHECK_FALSE(is_robot(of("person")));
  CHECK(never_deletes(of("keeper")));
  CHECK_FALSE(never_deletes(of("robot")));
  CHECK_FALSE(never_deletes(of("person")));
  CHECK_FALSE(never_deletes(of("seldom")));
  CHECK(downloads_again(of("forgetful")));
  CHECK(of("forgetful").again == 14);
  CHECK(of("forgetful").again_octets == 1400);
  CHECK_FALSE(downloads_again(of("once")));
  CHECK_FALSE(downloads_again(of("person")));
}

TEST_CASE("Mail that arrived is not taken for mail retrieved again", "[popcheck][log]") {
  LogSurvey survey;
  for (int i = 1; i < 10; ++i) {
    const std::string n = std::to_string(i);
    const std::string end = "pop3(jo)<1><2>: Disconnected: Logged out top=0/0, retr=1/100, del=0/" +
                            n + ", size=" + n + "00";
    survey.add(new_year_2026 + i * 600, *event_in("dovecot", end));
  }
  CHECK(survey.users().find("jo")->second.again == 0);
}

TEST_CASE("A login gets the TLS version of its handshake", "[popcheck][log]") {
  LogSurvey survey;
  const auto add = [&survey](std::int64_t time, std::string_view message) {
    survey.add(new_year_2026 + time, *event_in("popper", message));
  };
  add(0, "tls id=1 from=192.0.2.1 protocol=TLSv1.3 cipher=x");
  add(0, "tls id=2 from=192.0.2.1 protocol=TLSv1.2 cipher=x");
  add(1, "login id=2 user=two from=192.0.2.1 by=password");
  add(500, "login id=1 user=one from=192.0.2.1 by=password");
  add(501, "login id=3 user=three from=192.0.2.1 by=password");
  add(600, "(v4.1) TLSv1 handshake with client at h (192.0.2.4); new session-id; cipher: x");
  add(601, "(v4.1) POP login by user \"old\" at (h) 192.0.2.4");
  const auto of = [&survey](std::string_view name) {
    return survey.users().find(name)->second.protection;
  };
  CHECK(of("one") == Protection::tls13);
  CHECK(of("two") == Protection::tls12);
  CHECK(of("three") == Protection::none);
  CHECK(of("old") == Protection::tls1);
  CHECK(survey.totals().logins_by.at(static_cast<std::size_t>(Protection::tls1)) == 1);
}

TEST_CASE("A flood of made-up names takes a limited amount of memory", "[popcheck][log]") {
  LogSurvey survey{10};
  for (int i = 0; i < 100; ++i) {
    const std::string line = "LOGIN FAILED, user=u" + std::to_string(i) + ", ip=[::ffff:192.0.2." +
                             std::to_string(i) + "]";
    survey.add(new_year_2026, *event_in("pop3d", line));
  }
  CHECK(survey.totals().failures == 100);
  CHECK(survey.failing_users().size() == 11);
  CHECK(survey.failing_users().find("(others)")->second.failures == 90);
}

// --- Reading

std::string lines_of(const Fd& file, LogReading& reading) {
  std::string all;
  const Result<LogReading> done = read_log(file, [&all](std::string_view lines) { all += lines; });
  REQUIRE(done);
  reading = *done;
  return all;
}

TEST_CASE("Lines are whole wherever a read ends, and giant ones are left out", "[popcheck][log]") {
  const PopcheckBed bed;
  constexpr std::size_t megabyte = std::size_t{1} << 20;
  const std::string giant(3 * megabyte, 'x');
  std::string kept;
  for (std::size_t i = 0; kept.size() < 2 * megabyte; ++i) {
    kept += "line " + std::to_string(i) + std::string(i % 200, '.') + "\n";
  }
  struct Case {
    std::string content, wanted;
    std::uint64_t too_long;
  };
  for (const Case& one : {Case{"", "", 0}, Case{"a", "a", 0}, Case{kept, kept, 0},
                          Case{kept + "end", kept + "end", 0}, Case{giant, "", 1},
                          Case{"a\n" + giant + "\nb\n" + kept, "a\nb\n" + kept, 1},
                          Case{kept + giant + "\n" + giant + "\n", kept, 2}}) {
    CAPTURE(one.content.size());
    const std::string path = bed.add("log", one.content);
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    LogReading reading;
    CHECK(lines_of(file, reading) == one.wanted);
    CHECK(reading.too_long == one.too_long);
    CHECK(reading.octets == one.content.size());
  }
}

TEST_CASE("Compressed logs are read as if they were not", "[popcheck][log]") {
  const PopcheckBed bed;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "a line " + std::to_string(i) + "\n";
  for (const char* const name : {"lines.gz", "lines.bz2", "lines.xz", "lines.zst"}) {
    CAPTURE(name);
    const std::filesystem::path packed = std::filesystem::path{POP_EXAMPLE_LOGS} / name;
    LogReading reading;
    const Fd file{::open(packed.c_str(), O_RDONLY | O_CLOEXEC)};
    CHECK(lines_of(file, reading) == text);
    CHECK(reading.octets == text.size());
    const std::string whole = content_of(packed);
    const std::string torn = bed.add("torn", whole.substr(0, whole.size() / 2));
    const Fd torn_file{::open(torn.c_str(), O_RDONLY | O_CLOEXEC)};
    const Result<LogReading> damaged = read_log(torn_file, [](std::string_view) {});
    CHECK((!damaged && damaged.error().code == Errc::corrupt));
  }
}

// --- Reports

/// The example logs, with the times of change that their rotation would have given them.
class Examples {
 public:
  Examples() {
    const std::filesystem::path folder = std::filesystem::path{POP_EXAMPLE_LOGS};
    for (const auto& [name, changed] :
         {std::pair{"mail.log.old-servers", 1795132800}, std::pair{"mail.log", 1795219200}}) {
      (void)bed_.add(name, content_of(folder / name));
      const timespec when{.tv_sec = changed, .tv_nsec = 0};
      const std::array<timespec, 2> times{when, when};
      REQUIRE(::utimensat(AT_FDCWD, path(name).c_str(), times.data(), 0) == 0);
    }
  }
  [[nodiscard]] std::string path(std::string_view name) const { return bed_.path(name).native(); }
  /// Popcheck log with both, the newer one first.
  [[nodiscard]] CheckOutcome log(std::vector<std::string> arguments) const {
    const Zone zone{"UTC"};
    arguments.insert(arguments.begin(), {"log", path("mail.log"), path("mail.log.old-servers")});
    return call_popcheck(std::move(arguments));
  }
  static std::string wanted(std::string_view name) {
    return content_of(std::filesystem::path{POP_EXAMPLE_LOGS} / name);
  }

 private:
  PopcheckBed bed_;
};

TEST_CASE("The report of the example logs is as it was", "[popcheck][log][golden]") {
  const Examples examples;
  const CheckOutcome text = examples.log({});
  CHECK(text.status == ExitStatus::ok);
  CHECK(text.err.empty());
  CHECK(text.out == Examples::wanted("report.txt"));
  CHECK(examples.log({"--json"}).out == Examples::wanted("report.json"));
  const std::string page = examples.path("page.html");
  const CheckOutcome html = examples.log({"--html", page});
  CHECK((html.status == ExitStatus::ok && html.out.empty()));
  CHECK(content_of(page) == Examples::wanted("report.html"));
}

TEST_CASE("Nobody but root could read a page made for a web server", "[popcheck][log]") {
  const Examples examples;
  const std::string page = examples.path("page.html");
  const auto mode_after_log = [&] {
    REQUIRE(examples.log({"--html", page}).status == ExitStatus::ok);
    return static_cast<unsigned>(std::filesystem::status(page).permissions());
  };
  const mode_t mask = ::umask(0022);
  CHECK(mode_after_log() == 0644);
  std::filesystem::permissions(page, std::filesystem::perms{0640});
  CHECK(mode_after_log() == 0640);
  (void)::umask(mask);
}

TEST_CASE("A report can be of some days only, and of few rows", "[popcheck][log]") {
  const Examples examples;
  const CheckOutcome late = examples.log({"--since", "2026-11-20"});
  CHECK(late.out.find("carl") == std::string::npos);
  CHECK(late.out.find("ann") != std::string::npos);
  const CheckOutcome early = examples.log({"--until", "2026-11-20", "--rows", "1"});
  CHECK(early.out.find("\nann") == std::string::npos);
  CHECK(early.out.find("and 2 more") != std::string::npos);
  CHECK(examples.log({"--since", "yesterday"}).status == ExitStatus::usage);
  CHECK(examples.log({"--rows", "x"}).status == ExitStatus::usage);
}

TEST_CASE("What cannot be read is told, and the rest is counted", "[popcheck][log]") {
  const Examples examples;
  const CheckOutcome some = examples.log({"/nonexistent/log"});
  CHECK(some.status == ExitStatus::no_input);
  CHECK(some.err.find("/nonexistent/log") != std::string::npos);
  CHECK(some.out.find("ann") != std::string::npos);
  CHECK(call_popcheck({"log"}).status == ExitStatus::usage);
  CHECK(call_popcheck({"log", "/"}).status == ExitStatus::usage);
  const CheckOutcome none = call_popcheck({"log", "-"}, "nothing that matters here\n");
  CHECK(none.status == ExitStatus::found);
  CHECK(none.err.find("no line of a POP3 server") != std::string::npos);
}

TEST_CASE("Hostile names break neither table nor page", "[popcheck][log]") {
  const PopcheckBed bed;
  const std::string name =
      "<script>alert(1)</script>\x1b[2J\x80\xff\xe2\x80\xae" + std::string(500, 'y');
  std::string text;
  for (int i = 0; i < 6; ++i) {
    text += "2026-01-01T00:00:00Z h dovecot: pop3-login: Login: user=<" + name +
            ">, method=<b>\x1b, rip=192.0.2.1, lip=1, session=<" + std::to_string(i) + ">\n" +
            "2026-01-01T00:00:00Z h dovecot: pop3(" + name + ")<1><" + std::to_string(i) +
            ">: Disconnected: Logged out top=0/0, retr=7/7, del=0/7, size=7\n" +
            "2026-01-01T00:00:00Z h pop3d: LOGIN FAILED, user=" + name + ", ip=[192.0.2.1]\n" +
            "9999-12-31T23:59:59Z h popper[1]: tls-failed id=1 from=192.0.2.1 why=" + name + "\n" +
            "0000-01-01T00:00:00Z h popper[1]: login id=x user=\"\" from= by=\n";
  }
  const std::string page = bed.path("page.html").native();
  const CheckOutcome shown = call_popcheck({"log", "-"}, text);
  CHECK(shown.out.find_first_of("\x1b\x80\xff") == std::string::npos);
  CHECK(shown.out.find("\xe2\x80\xae") == std::string::npos);
  std::size_t longest = 0;
  for (std::size_t at = 0; at < shown.out.size();) {
    const std::size_t end = shown.out.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  CHECK(longest < 200);
  REQUIRE(call_popcheck({"log", "--html", page, "-"}, text).status == ExitStatus::ok);
  const std::string html = content_of(page);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("<b>\x1b") == std::string::npos);
  CHECK(html.find_first_of("\x1b\x80\xff") == std::string::npos);
  CHECK(html.find("&lt;script&gt;") != std::string::npos);
  CHECK(html.size() < 100000);
  CHECK(call_popcheck({"--json", "log", "-"}, text).out.find('\x1b') == std::string::npos);
}

TEST_CASE("Broken JSON ends, whatever it is", "[popcheck][log]") {
  const std::string good =
      R"({"a":"b\"\\","n":[1,[2,{"x":"]"}]],"o":{"p":1},"t":true,"u":"\u00e4\ud800"})";
  std::map<std::string, std::string> members;
  FlatJson whole{good};
  while (const auto member = whole.next()) members[std::string{member->key}] = member->text();
  CHECK_FALSE(whole.is_broken());
  CHECK(members.size() == 5);
  CHECK(members["a"] == "b\"\\");
  CHECK(members["t"] == "true");
  CHECK(members["u"] == "\xC3\xA4\xEF\xBF\xBD");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CAPTURE(cut);
    const std::string part = good.substr(0, cut);
    FlatJson broken{part};
    while (broken.next()) {
    }
    CHECK(broken.is_broken());
  }
}

}  // namespace
}  // namespace pop
