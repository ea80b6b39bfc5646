#include "conf/configuration.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

namespace {

/// Files that exist only here.
struct PaperFiles {
  std::map<std::string, std::string> files;
  std::vector<std::string> opened;

  FileReader reader() {
    return [this](const std::string& path) -> Result<std::string> {
      opened.push_back(path);
      const auto found = files.find(path);
      if (found == files.end()) return fail(Errc::not_found, "open " + path + ": not here");
      return found->second;
    };
  }
};

std::string lines(const Complaints& complaints) {
  std::string text;
  for (const Complaint& one : complaints) text += to_string(one) + "\n";
  return text;
}

/// Applies /main.conf; the complaints, or "" if there are none.
std::string apply(Configuration& configuration, PaperFiles paper) {
  const Checked<void> applied =
      apply_file(configuration, {"/main.conf", {"-f"}}, FileScope::start_up, paper.reader());
  return applied ? "" : lines(applied.error());
}

std::string apply(PaperFiles paper) {
  Configuration configuration;
  return apply(configuration, std::move(paper));
}

}  // namespace

TEST_CASE("The grammar is told by the first line that says something", "[conf][configuration]") {
  struct Row {
    const char *text, *complaint;
  };
  // A misspelt option shows which parser was at work: only TOML's starts at column 1.
  const Row rows[] = {
      {"set zzzzzzzzzzzzzzz = 1", "f:1:5: unknown option \"zzzzzzzzzzzzzzz\""},
      {"\n# c\n\tSET zzzzzzzzzzzzzzz", "f:3:6: unknown option \"zzzzzzzzzzzzzzz\""},
      {"reset zzzzzzzzzzzzzzz", "f:1:7: unknown option \"zzzzzzzzzzzzzzz\""},
      {"sett shy", "f:1:1: expected \"set\" or \"reset\", found \"sett\"; did you mean set"},
      {"shy", "f:1:1: expected \"set\" or \"reset\", found \"shy\"; did you mean set"},
      {"shy # true", "f:1:1: expected \"set\" or \"reset\", found \"shy\"; did you mean set"},
      {"zzzzzzzzzzzzzzz = 1", "f:1:1: unknown option \"zzzzzzzzzzzzzzz\""},
      {"# set x\n  zzzzzzzzzzzzzzz=1", "f:2:3: unknown option \"zzzzzzzzzzzzzzz\""},
      {"\"zzzzzzzzzzzzzzz\" = 1", "f:1:1: unknown option \"zzzzzzzzzzzzzzz\""},
      {"[zzzzzzzzzzzzzzz]", "f:1:2: unknown table \"zzzzzzzzzzzzzzz\""},
      {"set = 1", "f:1:1: unknown option \"set\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const ParsedText parsed = parse_configuration_text(row.text, "f");
    REQUIRE(parsed.complaints.size() == 1);
    CHECK(to_string(parsed.complaints[0]).starts_with(row.complaint));
  }
  CHECK(parse_configuration_text("", "f").complaints.empty());
  CHECK(parse_configuration_text("# nothing\n\n", "f").complaints.empty());
}

TEST_CASE("Files apply in order and remember who set what", "[conf][configuration]") {
  Configuration configuration;
  CHECK(apply(configuration,
              {{{"/main.conf", "set timeout = 5\nset config-file = sub/two.toml\nset shy\n"},
                {"/sub/two.toml",
                 "timeout = 7\nhash-spool = 1\nconfig-file = \"../three.conf\"\n[[listen]]\n"
                 "address = \":8110\"\n"},
                {"/three.conf", "set hash-spool = 2"}}}) == "");
  CHECK(configuration.settings.timeout == std::chrono::seconds{7});
  CHECK(configuration.settings.hash_spool == 2);
  CHECK(configuration.settings.shy);
  CHECK(configuration.listeners == std::vector{ListenAddress{"", 8110, ListenTls::by_support}});
  const auto origin = [&](std::string_view name) {
    return to_string(configuration.origins[index_of(option_named(name))]);
  };
  CHECK(origin("timeout") == "/sub/two.toml:1:1");
  CHECK(origin("hash-spool") == "/three.conf:1:5");
  CHECK(origin("shy") == "/main.conf:3:5");
  CHECK(origin("debug").empty());
}

TEST_CASE("A file after the nested one wins over it, one before does not",
          "[conf][configuration]") {
  Configuration configuration;
  CHECK(apply(configuration, {{{"/main.conf", "set config-file = b\nset timeout = 5\n"},
                               {"/b", "set timeout = 7\n"}}}) == "");
  CHECK(configuration.settings.timeout == std::chrono::seconds{5});
}

TEST_CASE("One mistake anywhere and nothing is applied", "[conf][configuration]") {
  Configuration configuration;
  CHECK(apply(configuration, {{{"/main.conf", "set timeout = 5\nset config-file = /b\nset x\n"},
                               {"/b", "set shy\nset hash-spol = 1\n"}}}) ==
        "/main.conf:3:5: unknown option \"x\"\n"
        "/b:2:5: unknown option \"hash-spol\"; did you mean hash-spool (named at "
        "/main.conf:2:5)\n");
  CHECK(differing_options(configuration.settings, Settings{}).empty());
  CHECK(configuration.origins == Configuration{}.origins);
}

TEST_CASE("A file that cannot be read is reported where it is named", "[conf][configuration]") {
  CHECK(apply({{}}) == "-f: open /main.conf: not here\n");
  CHECK(apply({{{"/main.conf", "\nset config-file = gone"}}}) ==
        "/main.conf:2:5: open /gone: not here\n");
}

TEST_CASE("A circle of files is reported with its chain", "[conf][configuration]") {
  CHECK(apply({{{"/main.conf", "set config-file = main.conf"}}}) ==
        "/main.conf:1:5: config-file goes in a circle: /main.conf -> /main.conf\n");
  CHECK(apply({{{"/main.conf", "set config-file = d/b"},
                {"/d/b", "config-file = \"./c\""},
                {"/d/c", "set config-file = /d/../main.conf"}}}) ==
        "/d/c:1:5: config-file goes in a circle: /main.conf -> /d/b -> /d/c -> /main.conf\n");
}

TEST_CASE("The same file twice, but not inside itself, is fine", "[conf][configuration]") {
  CHECK(apply({{{"/main.conf", "set config-file = b\nset config-file = b"}, {"/b", "set shy"}}}) ==
        "");
}

TEST_CASE("Files nest twenty deep and not deeper", "[conf][configuration]") {
  const auto chain = [](std::size_t length) {
    PaperFiles paper;
    paper.files["/main.conf"] = "set config-file = 2";
    for (std::size_t i = 2; i <= length; ++i) {
      const std::string next = std::to_string(i + 1);
      paper.files["/" + std::to_string(i)] = i == length ? "set shy" : "set config-file = " + next;
    }
    return paper;
  };
  CHECK(apply(chain(deepest_config_file)) == "");
  const std::string complaint = apply(chain(deepest_config_file + 1));
  CHECK(complaint.starts_with("/20:1:5: config-file nests deeper than 20 files: /main.conf -> /2"));
  CHECK(complaint.ends_with("/20 -> /21\n"));
}

TEST_CASE("A tree of files that names itself a million times ends", "[conf][configuration]") {
  PaperFiles paper;
  for (int depth = 0; depth < 19; ++depth) {
    const std::string next = "set config-file = /" + std::to_string(depth + 1) + "\n";
    paper.files[depth == 0 ? "/main.conf" : "/" + std::to_string(depth)] = next + next + next;
  }
  paper.files["/19"] = "set shy\n";
  CHECK(apply(paper).find("more than 1000 files are named in all\n") != std::string::npos);
}

TEST_CASE("A per-user file may set what the table allows and nothing else",
          "[conf][configuration]") {
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    CAPTURE(option.name);
    const std::string line = to_classic(option, load_value(Settings{}, option));
    const auto attempt = [&](FileScope scope, std::string_view text) {
      Configuration configuration;
      const Checked<void> applied = apply_text(configuration, text, "f", scope, FileReader{});
      return applied ? "" : lines(applied.error());
    };
    const std::string never =
        "f:1:5: " + std::string{option.name} + " may not be set in a per-user file\n";
    const std::string not_by_user =
        "f:1:5: " + std::string{option.name} +
        " may not be set in a user's own file, only in the spool directory's\n";
    CHECK(attempt(FileScope::start_up, line) == "");
    switch (option.may_be_set) {
      case MayBeSet::start_up:
        CHECK(attempt(FileScope::home_file, line) == never);
        CHECK(attempt(FileScope::spool_file, line) == never);
        break;
      case MayBeSet::in_spool_file:
        CHECK(attempt(FileScope::home_file, line) == not_by_user);
        CHECK(attempt(FileScope::spool_file, line) == "");
        break;
      case MayBeSet::anywhere:
        CHECK(attempt(FileScope::home_file, line) == "");
        CHECK(attempt(FileScope::spool_file, line) == "");
    }
    const std::string toml =
        std::string{option.name} + " = " + toml_text(load_value(Settings{}, option));
    CHECK(attempt(FileScope::start_up, toml) == "");
    CHECK((attempt(FileScope::home_file, toml) == "") == (option.may_be_set == MayBeSet::anywhere));
  }
}

TEST_CASE("A per-user file may not listen, nor through a file it names", "[conf][configuration]") {
  PaperFiles paper{{{"/more", "set spool-dir = /etc"}}};
  Configuration configuration;
  const Checked<void> applied =
      apply_text(configuration, "config-file = \"/more\"\n[[listen]]\naddress = \":1\"\n", "f",
                 FileScope::home_file, paper.reader());
  REQUIRE(!applied);
  CHECK(lines(applied.error()) ==
        "/more:1:5: spool-dir may not be set in a per-user file\n"
        "f:2:1: listen may not be set in a per-user file\n");
}

TEST_CASE("The administrator's files are read with some care", "[conf][configuration]") {
  std::string pattern = "/tmp/popper-conf-test-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  const std::filesystem::path directory{pattern};
  const FileReader read = start_up_file_reader();
  const std::string file = directory / "popper.conf";
  std::ofstream{file} << "set shy\n";
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  CHECK(read(file) == "set shy\n");
  std::filesystem::create_symlink("popper.conf", directory / "link");
  CHECK(read(directory / "link") == "set shy\n");
  REQUIRE(::chmod(file.c_str(), 0646) == 0);
  CHECK(read(file).error().text == file + ": everybody may write it; remove that permission");
  CHECK(read(directory).error().text == directory.native() + ": not a regular file");
  CHECK(read(directory / "gone").error().code == Errc::not_found);
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(read(directory / "fifo").error().code == Errc::denied);
  std::ofstream{directory / "large"};
  std::filesystem::resize_file(directory / "large", (64U << 20) + 1);
  CHECK(read(directory / "large").error().code == Errc::limit);
  std::filesystem::remove_all(directory);
}
