#include "conf/lint.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

const FileReader no_files = [](const std::string& path) -> Result<std::string> {
  return fail(Errc::not_found, "open " + path + ": not here");
};

Configuration read(std::string_view text, const FileReader& files = no_files) {
  Configuration configuration;
  const Checked<void> applied = apply_text(configuration, text, "f", FileScope::start_up, files);
  if (!applied) FAIL_CHECK(to_string(applied.error().front()));
  return configuration;
}

constexpr std::chrono::sys_days today{std::chrono::year{2026} / 11 / 22};

std::string digest(const LintFindings& findings) {
  std::string text;
  for (const LintFinding& one : findings) {
    text += to_string(one.place) + " " + std::string{name_of(one.gravity)} + " " +
            std::string{name_of(one.rule)} + "\n";
  }
  return text;
}

std::string lint(std::string_view text) {
  return digest(lint_settings(read(text), today));
}

TEST_CASE("A configuration without a fault is left alone", "[conf][lint]") {
  CHECK(lint("") == "");
  CHECK(lint("[[listen]]\naddress = \"127.0.0.1\"\n") == "");
  CHECK(
      lint(
          "tls-server-cert-file = \"/c\"\ntls-support = \"stls\"\n"
          "clear-text-password = \"tls\"\ntls-cipher-list = \"HIGH:!aNULL:!MD5\"\n"
          "tls-client-certificates = \"optional\"\ntls-client-ca-file = \"/a\"\n"
          "tls-client-user = \"map\"\ntls-client-user-map = \"/m\"\n"
          "sasl-mechanisms = \"EXTERNAL PLAIN SCRAM-SHA-256-PLUS\"\n"
          "[[listen]]\naddress = \":110\"\n[[listen]]\naddress = \":995\"\ntls = \"implicit\"\n") ==
      "");
  CHECK(lint("loginfo-host = \"h\"\nloginfo-query = \"x %u\"\nloginfo-password = \"p\"\n"
             "logudp-destination = \"127.0.0.1:5\"\nlogudp-secret = \"s\"\n"
             "whoson-server = \"h\"\nwhoson-rules = \"allow:.*\"\ntrash-days = 3\ntrash-size = 5\n"
             "hash-spool = 1\ncheck-hash-dir = false\ntimeout = 600\n") == "");
  CHECK(lint("set update-on-abort = false\nset server-mode\n") == "");
}

TEST_CASE("Each rule for settings finds its fault at its place", "[conf][lint]") {
  struct Row {
    const char *text, *digest;
  };
  const Row rows[] = {
      // contradictions
      {"tls-support = \"stls\"\nclear-text-password = \"tls\"", "f:1:1 error contradiction\n"},
      {"clear-text-password = \"tls\"\n[[listen]]\naddress = \":995\"\ntls = \"implicit\"",
       "f:2:1 error contradiction\n"},
      {"clear-text-password = \"tls\"", "f:1:1 warning contradiction\n"},
      {"sasl-min-ssf = 56\nsasl-max-ssf = 1", "f:1:1 error contradiction\n"},
      {"sasl-mechanisms = \"ANONYMOUS GSSAPI\"",
       "f:1:1 warning contradiction\nf:1:1 warning contradiction\n"},
      {"failure-delay = 100", "f:1:1 warning contradiction\n"},
      {"max-connections = 5\nmax-connections-per-address = 6", "f:2:1 notice contradiction\n"},
      {"lock-order = \"dotlock\"", "f:1:1 warning contradiction\n"},
      {"whoson-server = \"h\"", "f:1:1 warning contradiction\n"},
      {"loginfo-host = \"h\"", "f:1:1 warning contradiction\n"},
      {"[[listen]]\naddress = \"127.0.0.1\"\n[[listen]]\naddress = \"127.0.0.1:110\"",
       "f:3:1 error contradiction\n"},
      {"[[listen]]\naddress = \"127.0.0.1:995\"", "f:1:1 warning contradiction\n"},
      {"tls-server-cert-file = \"/c\"\nclear-text-password = \"tls\"\n[[listen]]\n"
       "address = \"127.0.0.1:110\"\ntls = \"implicit\"",
       "f:3:1 warning contradiction\n"},
      // dead settings
      {"trash-size = 5", "f:1:1 warning dead-setting\n"},
      {"trash-size = 256", ""},  // as it would be anyway
      {"home-dir-misc = true\ncache-dir = \"/c\"", "f:2:1 warning dead-setting\n"},
      {"auth-source = \"shadow\"\npam-service = \"x\"", "f:2:1 warning dead-setting\n"},
      {"tls-cipher-suites = \"X\"", "f:1:1 warning dead-setting\n"},
      {"tls-passphrase = \"x\"", "f:1:1 warning dead-setting\n"},
      {"mail-format = \"maildir\"\nserver-mode = true", "f:2:1 warning dead-setting\n"},
      {"useropt = \"(x)\"", "f:1:1 warning dead-setting\n"},
      {"group-no-server-mode = \"staff\"", "f:1:1 warning dead-setting\n"},
      {"group-no-server-mode = \"staff\"\ngroup-server-mode = \"users\"", ""},
      {"server-mode = true\ngroup-no-server-mode = \"staff\"", ""},
      {"server-mode = true\ngroup-server-mode = \"staff\"", "f:2:1 warning dead-setting\n"},
      {"tls-workarounds = true\ntls-options = 4", "f:2:1 warning dead-setting\n"},
      {"tls-server-cert-file = \"/c\"\nclear-text-password = \"tls\"\ntls-version = \"1.3\"\n"
       "tls-cipher-list = \"HIGH\"",
       "f:4:1 warning dead-setting\n"},
      {"autoclose = 5\n[[listen]]\naddress = \"127.0.0.1\"", "f:1:1 notice dead-setting\n"},
      {"tls-server-cert-file = \"/c\"\n[[listen]]\naddress = \"127.0.0.1\"",
       "f:1:1 notice dead-setting\n"},
      // overridden
      {"set shy\nreset shy", "f:1:5 warning overridden\n"},
      {"set tls-workarounds = 0\nset tls-options = 1\nset tls-options = 2",
       "f:2:5 notice changed-meaning\nf:3:5 notice changed-meaning\n"},
      // insecure
      {"[[listen]]\naddress = \":110\"", "f:1:1 warning insecure\n"},
      {"clear-text-password = \"local\"\n[[listen]]\naddress = \":110\"", ""},
      {"tls-server-cert-file = \"/c\"\nclear-text-password = \"always\"",
       "f:2:1 warning insecure\n"},
      {"tls-server-cert-file = \"/c\"", "default notice insecure\n"},
      {"poppassd-clear-text = true", "f:1:1 warning insecure\n"},
      {"failure-delay = 0", "f:1:1 warning insecure\n"},
      {"check-password-expired = false", "f:1:1 warning insecure\n"},
      {"block-uid = -1", "f:1:1 warning insecure\n"},
      {"sasl-no-anonymous = false", "f:1:1 warning insecure\n"},
      {"sasl-no-plaintext = false", "f:1:1 warning insecure\n"},
      {"oauth-helper = \"/o\"", "f:1:1 warning insecure\n"},
      {"proxy-networks = \"192.0.2.0/24 ::/0\"", "f:1:1 warning insecure\n"},
      {"logudp-destination = \"127.0.0.1:5\"", "f:1:1 notice insecure\n"},
      {"tls-server-cert-file = \"/c\"\nclear-text-password = \"tls\"\n"
       "tls-cipher-list = \"HIGH:RC4\"",
       "f:3:1 warning insecure\n"},
      // what Qpopper did
      {"set reverse-lookup = false", "f:1:5 notice changed-meaning\n"},
      {"reverse-lookup = false", ""},
      {"set announce-expire = 30", "f:1:5 warning changed-meaning\n"},
      {"set announce-expire = 0", ""},
      {"announce-expire = 30", ""},
      {"auto-delete = true\nannounce-expire = 30", "f:2:1 warning dead-setting\n"},
      {"set tracefile = /t", "f:1:5 notice changed-meaning\n"},
      {"tls-identity-file = \"/i\"\ntls-support = \"stls\"\nclear-text-password = \"tls\"",
       "f:1:1 warning changed-meaning\n"},
      {"set debug\nset tracefile = /t", ""},
      {"timeout = 30", "f:1:1 notice changed-meaning\n"},
      {"tls-server-cert-file = \"/c\"\nclear-text-password = \"tls\"\ntls-version = \"all\"",
       "f:3:1 warning changed-meaning\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(lint(row.text) == row.digest);
  }
}

TEST_CASE("A listener for old devices that is over is told from the next day on", "[conf][lint]") {
  const Configuration configuration = read(
      "tls-server-cert-file = \"/c\"\nclear-text-password = \"tls\"\n[[listen]]\n"
      "address = \":995\"\ntls = \"implicit\"\nold-devices-until = \"2026-11-22\"\n"
      "old-devices-networks = \"192.0.2.0/24\"\nold-devices-users = \"jo\"\n");
  CHECK(digest(lint_settings(configuration, today + std::chrono::hours{23})) == "");
  CHECK(digest(lint_settings(configuration, today + std::chrono::hours{24})) ==
        "f:3:1 warning dead-setting\n");
}

TEST_CASE("A file that another corrects is no mistake", "[conf][lint]") {
  const FileReader files = [](const std::string&) -> Result<std::string> { return "shy = true\n"; };
  CHECK(digest(lint_settings(read("config-file = \"/g\"\nshy = false\n", files), today)) ==
        "/g:1:1 notice overridden\n");
}

/// LintFindings about one path, as "gravity rule".
std::string about(const std::string& option, const fs::path& path) {
  Configuration configuration;
  configuration.settings.auth_source = AuthSource::shadow;
  const Option& known = option_named(option);
  store_value(configuration.settings, known, path.native());
  configuration.origins[index_of(known)] = {"f", 7, 1};
  LintFindings findings = lint_paths(configuration);
  std::erase_if(findings, [](const LintFinding& one) { return one.place.source != "f"; });
  return digest(findings);
}

TEST_CASE("Paths that are missing or unsafe are told", "[conf][lint]") {
  const test::TemporaryDirectory directory;
  const auto make = [&](const std::string& name, mode_t mode) {
    const fs::path path = directory / name;
    test::put_file(path, "x");
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
  };
  const std::string unsafe = "f:7:1 error unsafe-path\n";
  CHECK(about("auth-file", directory / "none") == "f:7:1 error missing-path\n");
  CHECK(about("auth-file", make("list", 0644)) == "");
  CHECK(about("auth-file", make("open-list", 0666)) == unsafe);
  CHECK(about("session-program", make("program", 0755)) == "");
  CHECK(about("session-program", make("no-program", 0644)) == "f:7:1 error missing-path\n");
  CHECK(about("tls-private-key-file", make("key", 0600)) == "");
  CHECK(about("tls-private-key-file", make("open-key", 0604)) == unsafe);
  CHECK(about("tls-server-cert-file", make("cert-with-key", 0644)) == unsafe);
  CHECK(about("credential-file", make("credentials", 0600)) == "");
  CHECK(about("credential-file", make("open-credentials", 0640)) == unsafe);
  CHECK(about("pid-file", directory / "not-yet") == "");
  CHECK(about("pid-file", directory / "no-directory/pid") == "f:7:1 warning missing-path\n");
  const fs::path shared = directory / "shared";
  fs::create_directory(shared);
  REQUIRE(::chmod(shared.c_str(), 0777) == 0);
  CHECK(about("spool-dir", shared).starts_with(unsafe));
  test::put_file(shared / "list", "x");
  CHECK(about("auth-file", shared / "list") == unsafe);
  REQUIRE(::chmod(shared.c_str(), 01777) == 0);
  CHECK(about("auth-file", shared / "list") == "");
  CHECK(about("gate-user", "no.such.user") == "f:7:1 error unknown-user\n");
  CHECK(about("gate-user", "root") == "f:7:1 error insecure\n");
}

TEST_CASE("A configuration file that tells secrets, or may be changed by others, is told",
          "[conf][lint]") {
  const test::TemporaryDirectory directory;
  const fs::path file = directory / "popper.toml";
  test::put_file(file, "tls-passphrase = \"x\"\n");
  const auto findings = [&](mode_t mode) {
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    Configuration configuration;
    const Complaints complaints = apply_file_in_part(
        configuration, {file.native(), {"test"}}, FileScope::start_up,
        [](const std::string&) -> Result<std::string> { return "tls-passphrase = \"x\"\n"; });
    REQUIRE(complaints.empty());
    LintFindings found = lint_paths(configuration);
    std::erase_if(found, [&](const LintFinding& one) { return one.place.source != file.native(); });
    return digest(found);
  };
  CHECK(findings(0600) == "");
  CHECK(findings(0644) == file.native() + ":1:1 error insecure\n");
  CHECK(findings(0602) == file.native() + " error unsafe-path\n");
}

TEST_CASE("What is right of a file is judged beside what is wrong", "[conf][lint]") {
  Configuration configuration;
  const Complaints complaints = apply_file_in_part(
      configuration, {"/f", {"test"}}, FileScope::start_up,
      [](const std::string&) -> Result<std::string> {
        return "tiemout = 5\nhash-spool = 9\nblock-uid = -1\n= 3\nconfig-file = \"/f\"\n";
      });
  CHECK(digest(lint_findings_of(complaints)) ==
        "/f:1:1 error unknown-name\n/f:2:14 error bad-value\n/f:4:1 error syntax\n"
        "/f:5:1 error unreadable-file\n");
  CHECK(digest(lint_settings(configuration, today)) == "/f:3:1 warning insecure\n");
}

TEST_CASE("LintFindings come by file and line", "[conf][lint]") {
  LintFindings findings;
  for (const Place& place :
       {Place{"b", 2, 1}, Place{"a", 1, 1}, Place{"b", 1, 5}, Place{"b", 1, 2}}) {
    findings.push_back({LintGravity::notice, LintRule::syntax, place, "", ""});
  }
  sort_by_place(findings);
  CHECK(digest(findings) ==
        "b:1:2 notice syntax\nb:1:5 notice syntax\nb:2:1 notice syntax\na:1:1 notice syntax\n");
}

}  // namespace
}  // namespace pop
