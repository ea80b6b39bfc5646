#include <sys/file.h>
#include <time.h>

#include <chrono>
#include <sstream>

#include "popspool/expiry.h"
#include "popspool_bed.h"

namespace pop {
namespace {

using test::get_file;
using test::PopspoolBed;
using test::ToolOutcome;

constexpr std::int64_t now = 1'000'000;

std::vector<AgingMessage> three_messages() {
  return {{.octets = 100, .delivered = 900'000, .retrieved_since = 950'000},
          {.octets = 2000, .delivered = 100'000, .retrieved_since = {}},
          {.octets = 300, .delivered = {}, .retrieved_since = 990'000}};
}

std::vector<std::size_t> going(const std::vector<ExpiryRule>& rules,
                               const std::vector<AgingMessage>& messages = three_messages()) {
  const auto expired = expired_messages(
      messages, rules, now, [](std::size_t, std::size_t) { return Result<bool>{false}; });
  REQUIRE(expired);
  std::vector<std::size_t> numbers;
  for (const Expiry& each : *expired) numbers.push_back(each.message);
  return numbers;
}

using Numbers = std::vector<std::size_t>;

TEST_CASE("A rule lets go what fulfils all its conditions", "[popspool][expire]") {
  using std::chrono::seconds;
  ExpiryRule old{};
  old.older_than = seconds{99'999};
  CHECK(going({old}) == Numbers{0, 1});
  old.older_than = seconds{100'000};  // exactly as old is not older
  CHECK(going({old}) == Numbers{1});
  old.retrieved = true;
  CHECK(going({old}).empty());
  ExpiryRule seen{};
  seen.retrieved = true;
  CHECK(going({seen}) == Numbers{0, 2});
  seen.retrieved = false;
  CHECK(going({seen}) == Numbers{1});
  ExpiryRule long_seen{};
  long_seen.retrieved_for = seconds{20'000};
  CHECK(going({long_seen}) == Numbers{0});
  ExpiryRule large{};
  large.larger_than = 300;
  CHECK(going({large}) == Numbers{1});
}

TEST_CASE("Mail from the future is not old", "[popspool][expire]") {
  ExpiryRule old{};
  old.older_than = std::chrono::seconds{0};
  CHECK(going({old}, {{.octets = 1, .delivered = now + 1, .retrieved_since = {}},
                      {.octets = 1, .delivered = now - 1, .retrieved_since = {}}}) == Numbers{1});
}

TEST_CASE("A limit lets the oldest go first and no more than it must", "[popspool][expire]") {
  ExpiryRule few{};
  few.max_messages = 2;
  CHECK(going({few}) == Numbers{1});
  few.max_messages = 1;
  CHECK(going({few}) == Numbers{0, 1});  // the one without a date is the last to go
  few.max_messages = 0;
  CHECK(going({few}) == Numbers{0, 1, 2});
  few.max_messages = 3;
  CHECK(going({few}).empty());
  ExpiryRule small{};
  small.max_octets = 400;
  CHECK(going({small}) == Numbers{1});
  small.max_octets = 399;
  CHECK(going({small}) == Numbers{0, 1});
  small.retrieved = true;  // only these may go, and it is not enough
  CHECK(going({small}) == Numbers{0, 2});
  small.max_octets = 2300;
  CHECK(going({small}) == Numbers{0});
}

TEST_CASE("Each rule sees what those before it have left", "[popspool][expire]") {
  ExpiryRule large{}, few{};
  large.larger_than = 1000;
  few.max_messages = 2;
  CHECK(going({large, few}) == Numbers{1});
  CHECK(going({few, few}) == Numbers{1});
}

TEST_CASE("Headers are asked for last, and an error ends it", "[popspool][expire]") {
  ExpiryRule rule{};
  rule.older_than = std::chrono::seconds{100'000};
  rule.headers = {"A: b"};
  Numbers asked;
  const auto fits = [&](std::size_t message, std::size_t) -> Result<bool> {
    asked.push_back(message);
    return true;
  };
  const auto expired = expired_messages(three_messages(), {&rule, 1}, now, fits);
  CHECK(expired == std::vector<Expiry>{{1, 0}});
  CHECK(asked == Numbers{1});
  CHECK_FALSE(expired_messages(
      three_messages(), {&rule, 1}, now,
      [](std::size_t, std::size_t) -> Result<bool> { return fail(Errc::changed, "it has gone"); }));
}

TEST_CASE("Header conditions look at decoded fields of their name", "[popspool][expire]") {
  ExpiryRule rule{};
  rule.headers = {"subject: ^gr\xC3\xBC\xC3\x9F", "X-Spam: yes|sure"};
  const auto conditions = HeaderConditions::compile({&rule, 1});
  REQUIRE(conditions);
  const std::string subject = "Subject: =?utf-8?B?R3LDvMOfZQ==?=\n";
  CHECK(conditions->fit(0, subject + "X-Spam: YES\n\n") == true);
  CHECK(conditions->fit(0, subject + "X-Spam: no\nX-Spam: sure\n\n") == true);
  CHECK(conditions->fit(0, subject + "X-Spammer: yes\n\n") == false);
  CHECK(conditions->fit(0, "X-Spam: yes\n\n") == false);
  rule.headers = {"A: ("};
  CHECK_FALSE(HeaderConditions::compile({&rule, 1}));
}

// The verb.

std::string from_line(std::chrono::seconds age) {
  const time_t moment = ::time(nullptr) - age.count();
  char text[64];
  struct tm parts {};
  ::gmtime_r(&moment, &parts);
  REQUIRE(::strftime(text, sizeof text, "From a@example.org %a %b %e %H:%M:%S %Y\n", &parts) > 0);
  return text;
}

constexpr std::chrono::days old{100}, young{1};

std::string mail_of(std::chrono::seconds age, const std::string& subject,
                    const std::string& fields = "") {
  return from_line(age) + "Subject: " + subject + "\n" + fields + "\nbody of " + subject + "\n\n";
}

/// The mail without the fields in which a session writes down what it knows.
std::string mail_in(const std::string& spool) {
  std::istringstream lines{get_file(spool)};
  std::string mail;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("X-UIDL: ") && line != "Status: U") mail += line + "\n";
  }
  return mail;
}

const std::string seen = "Status: RO\n";

TEST_CASE("popspool expire removes by age and keeps every other byte", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string first = mail_of(old, "one"), second = mail_of(young, "two"),
                    third = mail_of(old, "three");
  const std::string spool = bed.add_spool("jo", first + second + third);
  const ToolOutcome planned = bed.call({"expire", "-n", "--older-than", "90d", spool});
  CHECK(planned.status == ExitStatus::ok);
  CHECK_THAT(planned.out, Catch::Contains(spool + ": message 1, ") &&
                              Catch::Contains("would expire 2 messages, ") &&
                              Catch::Contains("; 1 stays\n"));
  CHECK(get_file(spool) == first + second + third);
  CHECK(std::distance(std::filesystem::directory_iterator{bed.spool_dir()},
                      std::filesystem::directory_iterator{}) == 1);
  const ToolOutcome done = bed.call({"expire", "--older-than", "90d", spool});
  CHECK(done.status == ExitStatus::ok);
  CHECK_THAT(done.out, Catch::Contains(": expired 2 messages, "));
  CHECK(mail_in(spool) == second);
  const ToolOutcome again = bed.call({"expire", "--older-than", "90d", spool});
  CHECK(again.out.empty());
  CHECK(mail_in(spool) == second);
}

TEST_CASE("popspool expire tells each message with --json", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of(old, "one") + mail_of(young, "two"));
  const ToolOutcome done = bed.call({"expire", "--json", "--max-messages", "1", spool});
  CHECK_THAT(done.out, Catch::Contains("\"expired\":[{\"number\":1,\"octets\":") &&
                           Catch::Contains("\"rule\":1}],\"messages_left\":1,\"octets_left\":"));
}

TEST_CASE("popspool expire goes by headers and Status", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string keep = mail_of(old, "keep", seen), spam = mail_of(young, "Spam offer");
  const std::string spool = bed.add_spool("jo", keep + spam);
  REQUIRE(bed.call({"expire", "--header", "Subject: ^spam", spool}).status == ExitStatus::ok);
  CHECK(mail_in(spool) == keep);
  REQUIRE(bed.call({"expire", "--unretrieved", spool}).status == ExitStatus::ok);
  CHECK(mail_in(spool) == keep);
  REQUIRE(bed.call({"expire", "--header", "Status: R", spool}).status == ExitStatus::ok);
  CHECK(get_file(spool).empty());
}

TEST_CASE("popspool expire counts from when it first saw a message retrieved",
          "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string second = mail_of(old, "two"), both = mail_of(old, "one", seen) + second;
  const std::string spool = bed.add_spool("jo", both);
  const std::string record = bed.spool_dir() / ".jo.retrieved";
  const std::vector<std::string> expire{"expire", "--retrieved-for", "14d", spool};
  REQUIRE(bed.call({"expire", "-n", "--retrieved-for", "14d", spool}).status == ExitStatus::ok);
  CHECK_FALSE(std::filesystem::exists(record));
  REQUIRE(bed.call(expire).status == ExitStatus::ok);
  CHECK(get_file(spool) == both);
  std::string known = get_file(record);  // one message
  CHECK(std::count(known.begin(), known.end(), '\n') == 2);
  const std::size_t blank = known.find(' ', known.find('\n'));
  const std::string id = known.substr(blank + 1);
  std::ofstream{record} << "popper-retrieved 1\n" << ::time(nullptr) - 13 * 86'400 << " " << id;
  REQUIRE(bed.call(expire).status == ExitStatus::ok);
  CHECK(get_file(spool) == both);
  std::ofstream{record} << "popper-retrieved 1\n" << ::time(nullptr) - 15 * 86'400 << " " << id;
  REQUIRE(bed.call(expire).status == ExitStatus::ok);
  CHECK(mail_in(spool) == second);
  CHECK(get_file(record) == "popper-retrieved 1\n");
}

TEST_CASE("popspool expire takes each user's part of a policy", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string mail = mail_of(old, "one");
  const std::string kept = bed.add_spool("kept-1", mail), gone = bed.add_spool("other", mail);
  const std::string policy = bed.path("policy.toml");
  std::ofstream{policy} << "[[policy]]\nusers = \"kept-*\"\nrules = []\n"
                        << "[[policy]]\nrules = [{older-than = \"90d\"}]\n";
  const ToolOutcome done = bed.call({"expire", "-q", "--policy", policy, kept, gone});
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.out.empty());
  CHECK(get_file(kept) == mail);
  CHECK(get_file(gone).empty());
}

TEST_CASE("popspool expire refuses what would be a mistake", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string mail = mail_of(old, "one"), spool = bed.add_spool("jo", mail);
  const std::string policy = bed.path("policy.toml");
  std::ofstream{policy} << "[[policy]]\ngroups = \"no-such-group-here\"\nrules = []\n";
  using Words = std::vector<std::string>;
  for (const Words& words :
       {Words{}, Words{"--older-than", "90"}, Words{"--max-size", "-1"}, Words{"--header", "x"},
        Words{"--header", "Subject: ("}, Words{"--retrieved", "--unretrieved"},
        Words{"--policy", policy}, Words{"--policy", policy, "--retrieved"},
        Words{"--max-messages", "few"}}) {
    Words call{"expire"};
    call.insert(call.end(), words.begin(), words.end());
    call.push_back(spool);
    CAPTURE(words);
    const ToolOutcome refused = bed.call(call);
    CHECK(refused.status == ExitStatus::usage);
    CHECK_THAT(refused.err, Catch::StartsWith("popspool: expire: "));
  }
  CHECK(get_file(spool) == mail);
}

TEST_CASE("popspool expire leaves a session alone", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string mail = mail_of(old, "one"), spool = bed.add_spool("jo", mail);
  const std::string drop = bed.add_spool(".jo.pop", "");
  const Fd held{::open(drop.c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  const ToolOutcome refused = bed.call({"expire", "--older-than", "1d", spool});
  CHECK(refused.status == ExitStatus::temp_fail);
  CHECK(get_file(spool) == mail);
}

TEST_CASE("popspool expire says what has no date", "[popspool][expire]") {
  const PopspoolBed bed;
  const std::string mail = "\1\1\1\1\nSubject: one\n\nbody\n\1\1\1\1\n";  // MMDF
  const std::string spool = bed.add_spool("jo", mail);
  const ToolOutcome done = bed.call({"expire", "--older-than", "0s", spool});
  CHECK(done.status == ExitStatus::ok);
  CHECK(get_file(spool) == mail);
  CHECK_THAT(done.err, Catch::Contains("1 message tells no time of delivery"));
}

}  // namespace
TEST_CASE("popspool expire goes by the marks of a spool and of a Maildir", "[popspool][expire]") {
  CHECK(flags_in_header("Status: RO\nX-Status: AF\n\nStatus: D\n").bits ==
        (MailFlags::seen | MailFlags::old | MailFlags::answered | MailFlags::flagged));
  CHECK(flags_in_header("status: D\nX-Status: T\n").bits ==
        (MailFlags::deleted | MailFlags::draft));
  CHECK(flags_in_header("Subject: RO\n\n").bits == 0);
  CHECK(flags_of_file("cur/1.M1.host:2,FRT").bits ==
        (MailFlags::old | MailFlags::flagged | MailFlags::answered | MailFlags::deleted));
  CHECK(flags_of_file("new/1.M1.host").bits == 0);
  const PopspoolBed bed;
  const std::string from = "From a@example.org Thu Jan  1 00:00:00 1970\n";
  const std::string spool =
      bed.add_spool("jo", from + "Subject: 1\nX-Status: A\n\nx\n\n" + from +
                              "Subject: 2\nX-Status: AF\n\nx\n\n" + from + "Subject: 3\n\nx\n\n");
  const auto planned = [&](const std::vector<std::string>& conditions) {
    std::vector<std::string> command{"expire", "-n", spool};
    command.insert(command.begin() + 2, conditions.begin(), conditions.end());
    return bed.call(command).out;
  };
  CHECK_THAT(planned({"--with", "answered"}), Catch::Contains("would expire 2 messages, "));
  CHECK_THAT(planned({"--with", "answered,flagged"}), Catch::Contains("message 2, "));
  CHECK_THAT(planned({"--without", "flagged"}),
             Catch::Contains("would expire 2 messages, ") && !Catch::Contains("message 2, "));
  for (const std::string& wrong : {std::string{}, std::string{"answered,"}, std::string{"red"}}) {
    CHECK(bed.call({"expire", "-n", "--with", wrong, spool}).status == ExitStatus::usage);
  }
  test::put_file(bed.path("policy"),
                 "[[policy]]\nrules = [{with = \"answered\", without = \"flagged\"}]\n");
  CHECK(bed.call({"expire", "--policy", bed.path("policy"), spool}).out ==
        spool + ": expired 1 message, " + "32 octets; 2 stay\n");
  CHECK_THAT(get_file(spool), !Catch::Contains("Subject: 1"));
}

}  // namespace pop
