#include "mail/from_line.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("is_from_line knows the ten forms of c-client", "[mail][from]") {
  const std::string_view line =
      GENERATE(as<std::string_view>{}, "From user Wed Dec  2 05:53 1992",
               "From user Wed Dec  2 05:53:22 1992", "From user Wed Dec  2 05:53 PST 1992",
               "From user Wed Dec  2 05:53:22 PST 1992", "From user Wed Dec  2 05:53 -0700 1992",
               "From user Wed Dec  2 05:53:22 -0700 1992", "From user Wed Dec  2 05:53 1992 PST",
               "From user Wed Dec  2 05:53:22 1992 PST", "From user Wed Dec  2 05:53 1992 -0700",
               "From user Wed Dec  2 05:53:22 1992 -0700");
  CAPTURE(line);
  CHECK(is_from_line(line));
  CHECK(is_from_line(std::string{line} + " remote from host"));
}

TEST_CASE("is_from_line accepts what deliverers write besides", "[mail][from]") {
  const std::string_view line =
      GENERATE(as<std::string_view>{}, "From a@example.org Thu Jan  1 00:00:00 1970",
               "From Thu Jan  1 00:00:00 1970",  // no sender
               "From  Thu Jan  1 00:00:00 1970",
               "From \"a b\"@example.org  Sat Feb 29 23:59:60 2020",  // blanks in the sender
               "From a Wed Dec 2 05:53:22 1992", "From a Wed Dec 02 05:53:22 1992",
               "From a Wed Dec  2 5:53:22 1992",
               "From a Wed Dec  2 05:53:22 MEST 1992 +0200",  // zones before and after
               "From a Wed Dec  2 05:53:22 1992 ",            // blank at the end
               "From a\tWed\tDec\t2\t05:53:22\t1992", "From a wed dec  2 05:53:22 1992",
               "From x remote from y Wed Dec  2 05:53:22 1992", "From - Wed Dec  2 05:53:22 1992");
  CAPTURE(line);
  CHECK(is_from_line(line));
}

TEST_CASE("is_from_line refuses text that only begins like a separator", "[mail][from]") {
  const std::string_view line = GENERATE(
      as<std::string_view>{}, "", "From", "From ", "From me", "from a Wed Dec  2 05:53:22 1992",
      ">From a Wed Dec  2 05:53:22 1992", "From: a Wed Dec  2 05:53:22 1992",
      " From a Wed Dec  2 05:53:22 1992", "Froma Wed Dec  2 05:53:22 1992",
      "From now on until Wed Dec  2 05:53:22 1992 we wait",
      "From a Wed Dec  2 05:53:22",  // no year
      "From a Wed Dec  2 05:53:22 92", "From a Wed Dec  2 05:53:22 19920",
      "From a Wed Dec  2 1992",  // no time
      "From a Wed Dec  2 0553 1992", "From a Wed Dec  2 24:00:00 1992",
      "From a Wed Dec  2 05:60:00 1992", "From a Wed Dec  2 05:53:61 1992",
      "From a Wed Dec  2 05:5:22 1992", "From a Wed Dec  2 05:53:22: 1992",
      "From a Wed Dec 32 05:53:22 1992", "From a Wed Foo  2 05:53:22 1992",
      "From a Xyz Dec  2 05:53:22 1992",
      "From a Dec  2 05:53:22 1992",  // no weekday
      "From a 2 Dec 1992 05:53:22",
      "From a Wed Dec  2 05:53:22 1992 PST PST",  // two zones after the year
      "From a Wed Dec  2 05:53:22 PST MET 1992", "From a Wed Dec  2 05:53:22 1992 -070",
      "From a Wed Dec  2 05:53:22 1992 -07000", "From a Wed Dec  2 05:53:22 1992 TOOLONG",
      "From a Wed Dec  2 05:53:22 1992 remote from",
      "From a Wed Dec  2 05:53:22 1992 remote from a b");
  CAPTURE(line);
  CHECK_FALSE(is_from_line(line));
}

TEST_CASE("is_from_line takes any byte in the sender, and no line beyond its limit",
          "[mail][from]") {
  const std::string date = " Wed Dec  2 05:53:22 1992";
  CHECK(is_from_line("From " + std::string{"a\0b\xff\1", 5} + date));
  const std::string longest(longest_from_line - 5 - date.size(), 'x');
  CHECK(is_from_line("From " + longest + date));
  CHECK_FALSE(is_from_line("From x" + longest + date));
}

TEST_CASE("is_from_line stays strict when a NUL stands in the date", "[mail][from]") {
  const std::string good = "From a Wed Dec  2 05:53:22 1992";
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string line = good;
    line[i] = '\0';
    CAPTURE(i);
    const bool in_sender = i == 5;
    CHECK(is_from_line(line) == in_sender);
  }
}

TEST_CASE("make_from_line writes what is_from_line reads", "[mail][from]") {
  using namespace std::chrono;
  const system_clock::time_point epoch{};
  CHECK(make_from_line("jo@example.org", epoch) ==
        "From jo@example.org Thu Jan  1 00:00:00 1970\n");
  CHECK(make_from_line("", sys_days{2024y / February / 29} + 23h + 59min + 58s) ==
        "From MAILER-DAEMON Thu Feb 29 23:59:58 2024\n");
  CHECK(make_from_line("a b\nFrom c\x7f", epoch) == "From a-b-From-c- Thu Jan  1 00:00:00 1970\n");
  CHECK(make_from_line("x", epoch - 1s) == "From x Wed Dec 31 23:59:59 1969\n");
  for (const std::string& sender :
       {std::string{"a\0b", 3}, std::string(5000, 'x'), std::string{" remote from z"}}) {
    std::string line = make_from_line(sender, epoch);
    REQUIRE(line.ends_with('\n'));
    line.pop_back();
    CHECK(is_from_line(line));
  }
}

TEST_CASE("From_ lines tell when the message came", "[mail][from_line]") {
  using Time = std::optional<std::int64_t>;
  CHECK(from_line_time("From a@b Thu Jan  1 00:00:00 1970") == Time{0});
  CHECK(from_line_time("From a@b Fri Nov 20 10:00:00 2026") == Time{1795168800});
  CHECK(from_line_time("From a@b Fri Nov 20 10:00 2026") == Time{1795168800});
  CHECK(from_line_time("From a@b Fri Nov 20 10:00:00 2026 +0130") == Time{1795168800 - 5400});
  CHECK(from_line_time("From a@b Fri Nov 20 10:00:00 -0800 2026") == Time{1795168800 + 28800});
  CHECK(from_line_time("From a@b Fri Nov 20 10:00:00 PST 2026 remote from x") == Time{1795168800});
  CHECK(from_line_time("From a@b Thu Feb 30 10:00:00 2026") == std::nullopt);
  CHECK(from_line_time("From a@b") == std::nullopt);
  CHECK(from_line_time("") == std::nullopt);
}
