#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "popspool_bed.h"
#include "store/maildrop.h"
#include "support/damaged_spools.h"

namespace pop {
namespace {

using test::get_file;
using test::PopspoolBed;
using test::sound_messages;
using test::ToolOutcome;

/// A bed whose configuration keeps a trash; expire stands in for a session.
struct TrashBed : PopspoolBed {
  explicit TrashBed(const std::string& option = "trash-days = 7\n") {
    std::ofstream{path("popper.toml"), std::ios::app} << option;
  }
  void erase(const std::string& spool, const std::string& subject) const {
    REQUIRE(call({"expire", "--header", "Subject: " + subject, spool}).status == ExitStatus::ok);
  }
};

bool holds(const std::string& spool, int number) {
  return get_file(spool).find("Subject: number " + std::to_string(number) + "\n") !=
         std::string::npos;
}

TEST_CASE("popspool undelete brings back what was deleted, once", "[popspool][undelete]") {
  const TrashBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  const std::string listed = bed.call({"list", spool}).out;
  bed.erase(spool, "number [24]");
  CHECK_FALSE(holds(spool, 2));
  const ToolOutcome planned = bed.call({"undelete", "-n", spool});
  CHECK_THAT(planned.out, Catch::Contains("would bring back 2 messages; 0 are there already"));
  CHECK_FALSE(holds(spool, 2));
  CHECK(bed.call({"undelete", "--since", "0s", "-q", "--match", "Subject: x", spool}).out.empty());
  REQUIRE(bed.call({"undelete", "--match", "Subject: number 2", spool}).status == ExitStatus::ok);
  CHECK(holds(spool, 2));
  CHECK_FALSE(holds(spool, 4));
  const ToolOutcome rest = bed.call({"undelete", "--since", "1d", spool});
  CHECK_THAT(rest.out, Catch::Contains("brought back 1 message; 1 is there already"));
  CHECK(holds(spool, 4));
  const std::string all = get_file(spool);
  CHECK_THAT(bed.call({"undelete", spool}).out, Catch::Contains("brought back 0 messages; 2 are"));
  CHECK(get_file(spool) == all);
  for (const std::string& message : sound_messages()) {
    const std::string body = message.substr(message.find("\n\n"));
    CHECK(all.find(body) != std::string::npos);
  }
  // The unique-ids are those of before.
  std::istringstream lines{listed};
  for (std::string line; std::getline(lines, line);) {
    CHECK_THAT(bed.call({"list", spool}).out, Catch::Contains(line.substr(line.rfind(' '))));
  }
}

TEST_CASE("popspool undelete makes a spool that is gone", "[popspool][undelete]") {
  const TrashBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  bed.erase(spool, "number");
  CHECK(get_file(spool).empty());
  CHECK(bed.call({"undelete", spool}).status == ExitStatus::ok);
  CHECK(get_file(spool) == test::sound_spool());
}

TEST_CASE("popspool undelete brings back mail of a Maildir", "[popspool][undelete]") {
  const TrashBed bed;
  const std::filesystem::path maildir = bed.spool_dir() / "jo";
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    std::filesystem::create_directories(maildir / folder);
    std::filesystem::permissions(maildir / folder, std::filesystem::perms{0700});
  }
  const auto put = [&](const char* name, const std::string& text) {
    std::ofstream{maildir / name} << text;
    std::filesystem::permissions(maildir / name, std::filesystem::perms{0600});
  };
  put("new/1.a.host", "Subject: one\r\nFrom: a\r\n\r\nFrom here\r\n");
  put("new/2.b.host", "Subject: two\n\nbody\n");
  bed.erase(maildir, "one");
  REQUIRE(bed.call({"undelete", maildir.native()}).status == ExitStatus::ok);
  CHECK_THAT(bed.call({"headers", maildir.native()}).out, Catch::Contains("one"));
  CHECK_THAT(bed.call({"undelete", maildir.native()}).out, Catch::Contains("brought back 0"));
}

TEST_CASE("popspool undelete doubles nothing that a delivery changes", "[popspool][undelete]") {
  const TrashBed bed;
  const std::filesystem::path maildir = bed.spool_dir() / "jo";
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    std::filesystem::create_directories(maildir / folder);
    std::filesystem::permissions(maildir / folder, std::filesystem::perms{0700});
  }
  std::ofstream{maildir / "new/1.a.host"} << "From a\nFrom b\nSubject: one\n\nbody\n";
  std::filesystem::permissions(maildir / "new/1.a.host", std::filesystem::perms{0600});
  bed.erase(maildir, "one");
  for (const char* brought : {"brought back 1 message; 0", "brought back 0 messages; 1"}) {
    CHECK_THAT(bed.call({"undelete", maildir.native()}).out, Catch::Contains(brought));
  }
}

TEST_CASE("popspool undelete leaves a Maildir alone that a session has open",
          "[popspool][undelete]") {
  const TrashBed bed;
  const std::filesystem::path maildir = bed.spool_dir() / "jo";
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    std::filesystem::create_directories(maildir / folder);
    std::filesystem::permissions(maildir / folder, std::filesystem::perms{0700});
  }
  std::ofstream{maildir / "new/1.a.host"} << "Subject: one\n\nbody\n";
  std::filesystem::permissions(maildir / "new/1.a.host", std::filesystem::perms{0600});
  bed.erase(maildir, "one");
  Settings settings;
  settings.spool_dir = bed.spool_dir();
  const MailUser user{.name = "jo",
                      .uid = ::getuid(),
                      .gid = ::getgid(),
                      .home = bed.spool_dir(),
                      .maildrop = {},
                      .folder = {}};
  {
    const auto session = open_maildrop({settings, system_disk(), system_clock()}, user);
    REQUIRE(session);
    CHECK(bed.call({"undelete", maildir.native()}).status == ExitStatus::temp_fail);
    CHECK(std::filesystem::is_empty(maildir / "new"));
  }
  CHECK(bed.call({"undelete", maildir.native()}).status == ExitStatus::ok);
}

TEST_CASE("popspool undelete takes no message for the rest of another", "[popspool][undelete]") {
  const TrashBed bed;
  const std::string short_one = test::small_spool(1);
  const std::string long_one = short_one + "and more\n\n";
  const std::string spool = bed.add_spool("jo", short_one);
  bed.erase(spool, "number");
  bed.add_spool("jo", long_one);
  CHECK(bed.call({"undelete", spool}).status == ExitStatus::ok);
  CHECK(get_file(spool) == short_one + long_one);
}

TEST_CASE("popspool undelete tells of damage in the trash", "[popspool][undelete]") {
  const TrashBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  bed.erase(spool, "number [24]");
  const std::string trash = bed.spool_dir() / ".jo.trash";
  std::string bytes = get_file(trash);
  bytes.replace(bytes.find("t2 second"), 2, "xx");
  std::ofstream{trash} << bytes;
  const ToolOutcome done = bed.call({"undelete", spool});
  CHECK(done.status == ExitStatus::found);
  CHECK_THAT(done.err, Catch::Contains("is damaged"));
  CHECK(holds(spool, 4));
  CHECK_FALSE(holds(spool, 2));
}

TEST_CASE("popspool expire --trash drops what has had its time there", "[popspool][undelete]") {
  const TrashBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  bed.erase(spool, "number [24]");
  const std::string trash = bed.spool_dir() / ".jo.trash";
  CHECK(bed.call({"expire", "--trash", spool}).out.empty());
  std::string bytes = get_file(trash);
  const std::size_t at = bytes.find("message ") + 8;
  bytes.replace(at, bytes.find(' ', at) - at, "1000000000");  // long ago; its sum is wrong now
  std::ofstream{trash} << bytes;
  CHECK_THAT(bed.call({"expire", "--trash", "-n", spool}).out,
             Catch::Contains("would drop 1 of 2 messages"));
  CHECK_THAT(bed.call({"expire", "--trash", spool}).out, Catch::Contains("dropped 1 of 2"));
  CHECK_THAT(bed.call({"undelete", spool}).out, Catch::Contains("brought back 1 message"));
  CHECK(bed.call({"expire", "--trash", "--retrieved", spool}).status == ExitStatus::usage);
  CHECK(bed.call({"undelete", "--since", "x", spool}).status == ExitStatus::usage);
  CHECK(bed.call({"undelete", "--match", "x", spool}).status == ExitStatus::usage);
}

}  // namespace
}  // namespace pop
