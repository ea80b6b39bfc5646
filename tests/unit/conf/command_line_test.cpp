#include "conf/command_line.h"

#include <map>

#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

namespace {

using Files = std::map<std::string, std::string>;
using Arguments = std::vector<std::string>;

auto parse(const Arguments& arguments, const Files& files = {}) {
  return parse_popper_command_line(arguments, [&](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return fail(Errc::not_found, "open " + path + ": not here");
    return found->second;
  });
}

Settings settings_of(const Arguments& arguments, const Files& files = {}) {
  const auto line = parse(arguments, files);
  REQUIRE(line);
  return line->configuration.settings;
}

/// "usage" or "configuration", then the complaints.
std::string refusal_of(const Arguments& arguments, const Files& files = {}) {
  const auto line = parse(arguments, files);
  if (line) return "";
  std::string text =
      line.error().kind == PopperRefusal::Kind::usage ? "usage\n" : "configuration\n";
  for (const Complaint& one : line.error().complaints) text += to_string(one) + "\n";
  return text;
}

}  // namespace

TEST_CASE("No arguments: serve descriptor 0 with the defaults", "[conf][cli]") {
  const auto line = parse({});
  REQUIRE(line);
  CHECK(line->task == PopperTask::serve);
  CHECK(line->background == Background::detach);
  CHECK(!line->address);
  CHECK(line->configuration.listeners.empty());
  CHECK(differing_options(line->configuration.settings, Settings{}).empty());
}

TEST_CASE("The old switches, joined and apart", "[conf][cli]") {
  CHECK(settings_of({"-T600"}).timeout == std::chrono::seconds{600});
  CHECK(settings_of({"-T", "600"}).timeout == std::chrono::seconds{600});
  CHECK(settings_of({"-T5", "-T7"}).timeout == std::chrono::seconds{7});
  const Settings bundled = settings_of({"-dFS", "-uU"});
  CHECK(bundled.debug);
  CHECK(bundled.fast_update);
  CHECK(bundled.server_mode);
  CHECK(bundled.user_options);
  CHECK(bundled.spool_options);
  CHECK(settings_of({"-ylocal3"}).log_facility == LogFacility::local3);
  CHECK(settings_of({"-y", "local4"}).log_facility == LogFacility::local4);
  CHECK(settings_of({"-L", "0x10"}).mail_lock_check == 16);
  CHECK(settings_of({"-p0"}).clear_text_password == ClearText::by_default);
  CHECK(settings_of({"-p1"}).clear_text_password == ClearText::never);
  CHECK(settings_of({"-p", "2"}).clear_text_password == ClearText::always);
  CHECK(settings_of({"-p3"}).clear_text_password == ClearText::local);
  CHECK(settings_of({"-l0"}).tls_support == TlsSupport::none);
  CHECK(settings_of({"-l1"}).tls_support == TlsSupport::stls);
  CHECK(settings_of({"-l2"}).tls_support == TlsSupport::alternate_port);
  CHECK(settings_of({"-p4"}).clear_text_password == ClearText::tls);
  CHECK(settings_of({"-e", "login_delay=-1,expire=-1"}).announce_expire == -1);
}

TEST_CASE("Every option has a long form that takes its default", "[conf][cli]") {
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    CAPTURE(option.name);
    const Value value = load_value(Settings{}, option);
    std::string text = classic_text(value);
    if (text == "\"\"") text.clear();
    const std::string name = "--" + std::string{option.name};
    const auto line = parse({name + "=" + text, "-S"});
    if (option.type() == ValueType::boolean || !text.empty()) {
      REQUIRE(line);
    }
    REQUIRE(line);
    CHECK(load_value(line->configuration.settings, option) ==
          (option.name == "server-mode" ? Value{true} : value));
    CHECK(line->configuration.settings.server_mode);
    CHECK(to_string(line->configuration.origins[index_of(option)]) == "command line");
  }
}

TEST_CASE("Long forms of booleans may stand alone", "[conf][cli]") {
  CHECK(settings_of({"--shy"}).shy);
  CHECK(!settings_of({"--shy", "--shy=false"}).shy);
  CHECK(settings_of({"--timeout=5"}).timeout == std::chrono::seconds{5});
  CHECK(settings_of({"--timeout", "5"}).timeout == std::chrono::seconds{5});
  CHECK(settings_of({"--temp-dir=/t", "--temp-dir="}).temp_dir.empty());
  CHECK(settings_of({"--temp-dir=/t", "--temp-dir", ""}).temp_dir.empty());
}

TEST_CASE("The first argument may be an address", "[conf][cli]") {
  const auto line = parse({"127.0.0.1:8110", "-S", "--foreground"});
  REQUIRE(line);
  CHECK(line->address == ListenAddress{"127.0.0.1", 8110, ListenTls::by_support});
  CHECK(line->configuration.listeners == std::vector{*line->address});
  CHECK(line->background == Background::stay);
  CHECK(parse({"8110"})->address->port == 8110);
  CHECK(refusal_of({"mail"}) ==
        "usage\ncommand line: \"mail\" is no address to listen on: use a numeric address, IPv6 in "
        "brackets\n");
  CHECK(refusal_of({"-S", "8110"}) ==
        "usage\ncommand line: unexpected argument \"8110\"; an address to listen on must come "
        "first, before all switches\n");
}

TEST_CASE("The address replaces the listeners of the files", "[conf][cli]") {
  const Files files{{"/f", "[[listen]]\naddress = \":1\"\n"}};
  CHECK(parse({"-f", "/f"}, files)->configuration.listeners.front().port == 1);
  const auto line = parse({":2", "-f", "/f"}, files);
  REQUIRE(line->configuration.listeners.size() == 1);
  CHECK(line->configuration.listeners.front().port == 2);
}

TEST_CASE("Switches and files act in the order given", "[conf][cli]") {
  const Files files{{"/f", "set timeout = 5\nset shy\n"}, {"/g", "timeout = 9\n"}};
  CHECK(settings_of({"-T7", "-f", "/f"}, files).timeout == std::chrono::seconds{5});
  CHECK(settings_of({"-f", "/f", "-T7"}, files).timeout == std::chrono::seconds{7});
  CHECK(settings_of({"-f/f", "-T7", "--config=/g"}, files).timeout == std::chrono::seconds{9});
  CHECK(settings_of({"-f/f", "--config-file", "/g"}, files).timeout == std::chrono::seconds{9});
  CHECK(settings_of({"-f/f", "--config", "/g"}, files).shy);
  const auto line = parse({"-T7", "-f", "/f"}, files);
  const auto origin = [&](std::string_view name) {
    return to_string(line->configuration.origins[index_of(option_named(name))]);
  };
  CHECK(origin("timeout") == "/f:1:5");
  CHECK(origin("shy") == "/f:2:5");
}

TEST_CASE("The default file is read before all, unless -f is given", "[conf][cli]") {
  const Files files{{std::string{default_config_file}, "timeout = 5\n"}, {"/f", "set shy\n"}};
  CHECK(settings_of({}, files).timeout == std::chrono::seconds{5});
  CHECK(settings_of({"-T7"}, files).timeout == std::chrono::seconds{7});
  CHECK(settings_of({"-f/f"}, files).timeout == std::chrono::seconds{120});
  CHECK(refusal_of({}, {{std::string{default_config_file}, "x = 1"}}) ==
        "configuration\n/etc/popper/popper.toml:1:1: unknown option \"x\"\n");
}

TEST_CASE("A default file that exists but cannot be read is an error", "[conf][cli]") {
  const auto line = parse_popper_command_line({}, [](const std::string&) -> Result<std::string> {
    return fail(Errc::denied, "open it: Permission denied");
  });
  REQUIRE(!line);
  CHECK(to_string(line.error().complaints.at(0)) == "default file: open it: Permission denied");
}

TEST_CASE("Help and version read nothing", "[conf][cli]") {
  const FileReader forbidden = [](const std::string&) -> Result<std::string> {
    FAIL("a file was read");
    return "";
  };
  for (const char* flag : {"-h", "--help"}) {
    CHECK(parse_popper_command_line({"-f", "/f", flag}, forbidden)->task == PopperTask::show_help);
  }
  for (const char* flag : {"-v", "-V", "--version"}) {
    CHECK(parse_popper_command_line({flag}, forbidden)->task == PopperTask::show_version);
  }
  CHECK(parse({"--show-config", "-S"})->task == PopperTask::show_config);
  CHECK(popper_version() == "Popper " POPPER_VERSION "\n");
}

TEST_CASE("Usage errors say what is wrong, all at once", "[conf][cli]") {
  struct Row {
    Arguments arguments;
    const char* complaints;
  };
  const Row rows[] = {
      {{"-x"}, "command line: unknown switch \"-x\"\n"},
      {{"-S", "-Q"}, "command line: unknown switch \"-Q\"\n"},
      {{"--tiemout=5"}, "command line: unknown switch \"--tiemout\"; did you mean --timeout\n"},
      {{"--forground"},
       "command line: unknown switch \"--forground\"; did you mean --foreground\n"},
      {{"-T", "soon"}, "command line: -T: timeout wants an integer, not \"soon\"\n"},
      {{"-T0"}, "command line: -T: timeout must be from 1 to 604800, not 0\n"},
      {{"--timeout="}, "command line: --timeout: timeout wants an integer, not \"\"\n"},
      {{"--shy=maybe"}, "command line: --shy: shy wants true, false, 1 or 0, not \"maybe\"\n"},
      {{"-p5"}, "command line: -p: wants a number from 0 to 4, not \"5\"\n"},
      {{"-pnever"}, "command line: -p: wants a number from 0 to 4, not \"never\"\n"},
      {{"-l3"}, "command line: -l: wants a number from 0 to 2, not \"3\"\n"},
      {{"-bb"}, "command line: -b: bulldir must begin with a slash, not be \"b\"\n"},
      {{"-eexpire=-2"}, "command line: -e: announce-expire must be from -1 to 1000000, not -2\n"},
      {{"-e", "login_delay=x"},
       "command line: -e: announce-login-delay wants an integer, not \"x\"\n"},
      {{"-e", "delay=3,expire"},
       "command line: -e: wants login_delay=SECONDS or expire=DAYS, not \"delay=3\"\n"
       "command line: -e: expire wants =VALUE\n"},
      {{"-S", "one", "two"},
       "command line: unexpected argument \"one\"\ncommand line: unexpected argument \"two\"\n"},
      {{"--temp-name", "x"},
       "command line: --temp-name: temp-name must be a file name with one %s, not \"x\"\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.arguments);
    CHECK(refusal_of(row.arguments) == "usage\n" + std::string{row.complaints});
  }
  CHECK(refusal_of({"-T"}) == "usage\ncommand line: -T: wants a value\n");
  CHECK(refusal_of({"-f"}) == "usage\ncommand line: -f: wants a value\n");
  CHECK(refusal_of({"--timeout"}) == "usage\ncommand line: --timeout: wants a value\n");
}

TEST_CASE("xinetd may say the program's name twice", "[conf][cli]") {
  for (const char* name : {"popper", "qpopper", "in.popper", "in.qpopper"}) {
    CHECK(settings_of({name, "-s"}).statistics);
    CHECK(settings_of({name}).statistics == false);
  }
  CHECK(refusal_of({"-s", "qpopper"}).find("unexpected argument") != std::string::npos);
  CHECK(refusal_of({"qpopper", "qpopper"}).find("no address") != std::string::npos);
}

TEST_CASE("Errors of files and of the command line come together", "[conf][cli]") {
  CHECK(refusal_of({"-f", "/f", "-T0", "-f", "/g"}, {{"/f", "set x"}}) ==
        "usage\ncommand line: -T: timeout must be from 1 to 604800, not 0\n"
        "/f:1:5: unknown option \"x\"\n"
        "command line: -f: open /g: not here\n");
  CHECK(refusal_of({"-f", "/f"}, {{"/f", "set x"}}) ==
        "configuration\n/f:1:5: unknown option \"x\"\n");
}

TEST_CASE("Usage names each old switch, help each option", "[conf][cli]") {
  const std::string usage = popper_usage(), help = popper_help();
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    CHECK(help.find("--" + std::string{option.name}) != std::string::npos);
    if (option.letter_switch.kind == SwitchKind::none) continue;
    CHECK(usage.find(option.letter_switch.letter) != std::string::npos);
  }
  for (std::size_t begin = 0, end; begin < help.size(); begin = end + 1) {
    end = help.find('\n', begin);
    REQUIRE(end != std::string::npos);
    CHECK(end - begin < 80);
  }
}

TEST_CASE("Switch -C is popserv.conf before a file's name, and trim-domain else",
          "[conf][cli][popserv]") {
  CHECK(settings_of({"-C"}).trim_domain);
  CHECK(settings_of({"-C", "-S"}).trim_domain);
  CHECK(settings_of({"-SC"}).trim_domain);
  const Files files{{"p.conf", "timelimit 7\nhome.tag x\n"}};
  const auto line = parse({"-C", "p.conf", "-c"}, files);
  REQUIRE(line);
  CHECK(line->configuration.settings.timeout == std::chrono::seconds{7});
  CHECK(!line->configuration.settings.trim_domain);
  CHECK(line->configuration.remarks.size() == 1);
  CHECK(render_effective(line->configuration).find("# note p.conf:2:1: home.tag") !=
        std::string::npos);
}

TEST_CASE("popserv.conf takes its turn among the switches, and the default file is not read",
          "[conf][cli][popserv]") {
  const Files files{{"p.conf", "timelimit 7\n"},
                    {"p2.conf", "timelimit x\n"},
                    {std::string{default_config_file}, "set shy"}};
  CHECK(settings_of({"-C", "p.conf", "-T8"}, files).timeout == std::chrono::seconds{8});
  CHECK(settings_of({"-T8", "-C", "p.conf"}, files).timeout == std::chrono::seconds{7});
  CHECK(!settings_of({"-C", "p.conf"}, files).shy);
  CHECK(refusal_of({"-C", "p2.conf"}, files) ==
        "configuration\np2.conf:1:11: timelimit: timeout wants an integer, not \"x\"\n");
  const auto line = parse({":1110", "-C", "p.conf"}, files);
  REQUIRE(line);
  REQUIRE(line->configuration.listeners.size() == 1);
  CHECK(to_string(line->configuration.listeners[0]) == ":1110");
}

TEST_CASE("popserv's -b became a directory of bulletins", "[conf][cli][popserv]") {
  const Files files{{"p.conf", "bindto 127.0.0.1:2110\n"}};
  for (const Arguments& arguments : {Arguments{"-C", "p.conf", "-b", "127.0.0.1:3110"},
                                     Arguments{"-b127.0.0.1:3110", "-C", "p.conf"}}) {
    const auto line = parse(arguments, files);
    REQUIRE(line);
    CHECK(line->configuration.settings.bulldir.empty());
    REQUIRE(line->address);
    CHECK(line->configuration.listeners == std::vector{*line->address});
    CHECK(to_string(*line->address) == "127.0.0.1:3110");
  }
  CHECK(refusal_of({"-C", "p.conf", "-b", "/bulletins"}, files)
            .starts_with("usage\ncommand line: -b: \"/bulletins\" is no address to listen on"));
  CHECK(refusal_of({":110", "-C", "p.conf", "-b", ":3110"}, files) ==
        "usage\ncommand line: -b: the first argument is an address, too\n");
  for (const Arguments& arguments : {Arguments{"-b", ":110"}, Arguments{"-C", "-b", ":110"}}) {
    const std::string refusal = refusal_of(arguments);
    CHECK(refusal.find("-b: ") != std::string::npos);
    CHECK(refusal.find("address") == std::string::npos);
  }
}

TEST_CASE("Switch -i insists on wait mode", "[conf][cli][popserv]") {
  CHECK(parse({})->inetd == InetdMode::as_socket_tells);
  CHECK(parse({"-i"})->inetd == InetdMode::wait);
}
