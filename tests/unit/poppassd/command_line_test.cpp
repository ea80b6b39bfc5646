#include "poppassd/command_line.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("poppassd's addresses have port 106 unless they name another", "[poppassd]") {
  const auto line = parse_poppassd_command_line(
      {"-F", "--tls=implicit", "-f", "x.toml", "127.0.0.1", ":1106", "[::1]", "[::1]:7", "8"});
  REQUIRE(line);
  CHECK(line->in_foreground);
  CHECK(line->config_file == "x.toml");
  const ListenTls tls = ListenTls::implicit;
  CHECK(line->addresses == std::vector<ListenAddress>{{"127.0.0.1", 106, tls},
                                                      {"", 1106, tls},
                                                      {"::1", 106, tls},
                                                      {"::1", 7, tls},
                                                      {"", 8, tls}});
}

TEST_CASE("What poppassd cannot understand is told", "[poppassd]") {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--no-such"},
                                             {"-x"},
                                             {"-f"},
                                             {"--tls"},
                                             {"--tls=sometimes"},
                                             {"no address"},
                                             {"--pid-file=relative"}}) {
    CAPTURE(words.front());
    const auto line = parse_poppassd_command_line(words);
    REQUIRE(!line);
    CHECK(!line.error().empty());
  }
  CHECK(parse_poppassd_command_line({"-h"})->task == PoppassdCommandLine::Task::show_help);
  CHECK(parse_poppassd_command_line({"--version"})->task ==
        PoppassdCommandLine::Task::show_version);
}
