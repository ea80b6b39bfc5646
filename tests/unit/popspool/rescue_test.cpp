#include "popspool_bed.h"
#include "store/maildrop_location.h"
#include "store/spool_index.h"
#include "support/damaged_spools.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

using Strings = std::vector<std::string>;

std::string content(const std::string& path) {
  return get_file(path);
}

std::string path_beside(const std::string& spool, const std::string& ending) {
  const std::filesystem::path path{spool};
  return path.parent_path() / ("." + path.filename().native() + ending);
}

TEST_CASE("popspool check is silent about sound mail and changes nothing", "[popspool][check]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", sound_spool());
  const ToolOutcome outcome = bed.call({"check", spool});
  CHECK(outcome.out.empty());
  CHECK(outcome.err.empty());
  CHECK(outcome.status == ExitStatus::ok);
  CHECK(bed.call({"check", "-v", spool}).out == spool + ": sound, 4 messages\n");
  CHECK(std::distance(std::filesystem::directory_iterator{bed.spool_dir()},
                      std::filesystem::directory_iterator{}) == 1);
}

TEST_CASE("popspool check tells each defect and exits with 1", "[popspool][check]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", sound_spool().substr(1));
  const ToolOutcome outcome = bed.call({"check", spool});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out.find("byte 0, line 1: error: damaged-from-line: \"rom ann@example.org") !=
        std::string::npos);
  CHECK(outcome.out.find("a client gets: ") != std::string::npos);
  CHECK(outcome.out.find("repair: mends the From_ line") != std::string::npos);
  const ToolOutcome json = bed.call({"check", "--json", spool});
  CHECK(json.out.find("\"kind\":\"damaged-from-line\",\"severity\":\"error\",\"file\":null,"
                      "\"offset\":0,\"line\":1,\"message\":null") != std::string::npos);
  CHECK(json.out.find("\"found\":1") != std::string::npos);
}

TEST_CASE("repair told lines and numbers of a spool that was half repaired", "[popspool][repair]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(4) + small_spool(4));
  const std::string checked = bed.call({"check", "-q", spool}).out;
  const std::string planned = bed.call({"-n", "repair", "--decide", "all", spool}).out;
  int mended = 0;
  for (std::size_t at = 0; at < checked.size(); ++mended) {
    const std::size_t end = checked.find('\n', at);
    const std::string line = checked.substr(at, end - at);
    INFO(line << "\n" << planned);
    CHECK(planned.find("would mend " + line + ": ") != std::string::npos);
    at = end + 1;
  }
  CHECK(mended == 4);
}

TEST_CASE("popspool check tells what lies around a spool", "[popspool][check]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", sound_spool());
  const auto kinds = [&] { return bed.call({"check", "-q", spool}).out; };
  bed.add_spool(".jo.pop", sound_messages()[0]);
  CHECK(kinds().find("leftover-drop: ") != std::string::npos);
  std::filesystem::remove(path_beside(spool, ".pop"));
  bed.add_spool(".jo.journal", "no journal");
  CHECK(kinds().find("damaged-journal") != std::string::npos);
  std::filesystem::remove(path_beside(spool, ".journal"));
  bed.add_spool(".jo.journal.new", "");
  CHECK(kinds().find("abandoned-build") != std::string::npos);
  std::filesystem::remove(path_beside(spool, ".journal.new"));
  bed.add_spool(".jo.cache", "no index");
  CHECK(kinds().find("damaged-index") != std::string::npos);
  std::filesystem::remove(path_beside(spool, ".cache"));
  bed.add_spool("jo.lock", "1@nowhere.example\n");
  std::filesystem::last_write_time(
      spool + ".lock", std::filesystem::file_time_type::clock::now() - std::chrono::hours{2});
  CHECK(kinds().find("abandoned-lock") != std::string::npos);
  std::filesystem::remove(spool + ".lock");
  std::filesystem::permissions(spool, std::filesystem::perms{0602});
  CHECK(kinds().find("wrong-mode") != std::string::npos);
  std::filesystem::permissions(spool, std::filesystem::perms{0600});
  CHECK(kinds().empty());
}

TEST_CASE("popspool check finds out an index that lies, and repair removes it",
          "[popspool][check]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", sound_spool());
  bed.add_spool(".jo.pop", sound_messages()[0]);
  REQUIRE(bed.call({"recover", spool}).status == ExitStatus::ok);  // a session, which leaves one
  const std::string path = path_beside(spool, ".cache");
  auto directory = open_directory(bed.spool_dir());
  REQUIRE(directory);
  const FilePlace place{
      std::make_shared<const OpenDirectory>(std::move(*directory), bed.spool_dir()), ".jo.cache"};
  CHECK(bed.call({"check", "-q", spool}).out.empty());
  const auto forge = [&](auto change) {
    Result<SpoolIndex> index = SpoolIndex::load(system_disk(), place, ::getuid());
    REQUIRE(index);
    change(index->listing.messages[1]);
    REQUIRE(index->save(system_disk(), place, ::getuid()));
  };
  forge([](SpoolMessage& message) { ++message.wire.count; });
  CHECK(bed.call({"check", "-q", spool}).out ==
        path + ": error: lying-index: message 2 is not as it says: another size or content\n");
  forge([](SpoolMessage& message) {
    --message.wire.count;
    message.flags ^= retrieved_flag;
  });
  CHECK(bed.call({"check", "-q", spool}).out.find("other flags") != std::string::npos);
  CHECK(bed.call({"repair", spool}).status == ExitStatus::ok);
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(content(spool) == sound_spool());
}

TEST_CASE("popspool check looks at a Maildir", "[popspool][check]") {
  const PopspoolBed bed;
  const std::filesystem::path maildir = bed.spool_dir() / "jo";
  for (const char* name : {"new", "cur", "tmp"}) {
    std::filesystem::create_directories(maildir / name);
  }
  const std::string target = maildir;
  const auto kinds = [&] { return bed.call({"check", "-q", target}).out; };
  put_file(maildir / "new/1000000001.a.host,S=11,W=13", "S: x\n\nbody\n");
  CHECK(kinds().find("lying-size") != std::string::npos);
  std::filesystem::rename(maildir / "new/1000000001.a.host,S=11,W=13",
                          maildir / "new/1000000001.a.host,S=11,W=14");
  CHECK(kinds().empty());
  put_file(maildir / "cur/1000000001.a.host,S=11,W=14:2,S", "S: x\n\nbody\n");
  CHECK(kinds().find("repeated-name") != std::string::npos);
  std::filesystem::remove(maildir / "cur/1000000001.a.host,S=11,W=14:2,S");
  put_file(maildir / "cur/draft:1,x", "S: x\n\nbody\n");
  CHECK(kinds().find("unsuitable-name") != std::string::npos);
  std::filesystem::remove(maildir / "cur/draft:1,x");
  std::filesystem::create_directory(maildir / "cur/sub");
  CHECK(kinds().find("foreign-entry") != std::string::npos);
  std::filesystem::remove(maildir / "cur/sub");
  put_file(maildir / "tmp/1000000000.old.host", "half");
  std::filesystem::last_write_time(
      maildir / "tmp/1000000000.old.host",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours{48});
  CHECK(kinds().find("stale-delivery") != std::string::npos);
  std::filesystem::remove(maildir / "tmp/1000000000.old.host");
  std::filesystem::remove(maildir / "tmp");
  CHECK(kinds().find("missing-directory") != std::string::npos);
}

TEST_CASE("popspool repair mends what is sure and undo takes it back", "[popspool][repair]") {
  const PopspoolBed bed;
  const std::string damaged = sound_spool().substr(1);
  const std::string spool = bed.add_spool("jo", damaged);
  const ToolOutcome plan = bed.call({"repair", "-n", spool});
  CHECK(plan.status == ExitStatus::ok);
  CHECK(plan.out.starts_with("would mend byte 0, line 1: error: damaged-from-line"));
  CHECK(content(spool) == damaged);
  const ToolOutcome done = bed.call({"repair", spool});
  CHECK(done.err.empty());
  CHECK(done.out == "1 mended, 0 left alone; the spool as it was: " +
                        path_beside(spool, ".repair.1.backup") + "\n");
  CHECK(done.status == ExitStatus::ok);
  CHECK(content(spool) == sound_spool());
  CHECK(content(path_beside(spool, ".repair.1.backup")) == damaged);
  CHECK(bed.call({"check", spool}).status == ExitStatus::ok);
  CHECK(bed.call({"repair", spool}).out.empty());
  CHECK(bed.call({"undo", "-n", spool}).status == ExitStatus::ok);
  CHECK(bed.call({"undo", spool}).status == ExitStatus::ok);
  CHECK(content(spool) == damaged);
  CHECK(bed.call({"undo", spool}).status == ExitStatus::no_input);
}

TEST_CASE("popspool repair leaves doubtful cases alone unless they are decided",
          "[popspool][repair]") {
  const PopspoolBed bed;
  const std::string glued = replaced(sound_spool(), "paragraph\n\nFrom", "paragraphFrom");
  const std::string spool = bed.add_spool("jo", glued);
  const ToolOutcome left = bed.call({"repair", spool});
  CHECK(left.status == ExitStatus::found);
  CHECK(left.out.find("left alone: byte ") == 0);
  CHECK(content(spool) == glued);
  CHECK(bed.call({"repair", "--decide", "false-separator", spool}).status == ExitStatus::found);
  CHECK(content(spool) == glued);
  CHECK(bed.call({"repair", "--decide", "nonsense", spool}).status == ExitStatus::usage);
  const ToolOutcome done = bed.call({"repair", "-v", "--decide", "glued-message", spool});
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.out.starts_with("mended byte "));
  CHECK(content(spool) == sound_spool());
}

TEST_CASE("popspool recover merges what a crash of the old program left", "[popspool][recover]") {
  const PopspoolBed bed;
  const Strings parts = sound_messages();
  const std::string spool = bed.add_spool("jo", parts[2] + parts[3]);
  bed.add_spool(".jo.pop", parts[0] + parts[1] + parts[2]);
  const ToolOutcome plan = bed.call({"recover", "-n", spool});
  CHECK(plan.out.starts_with("would merge "));
  const ToolOutcome done = bed.call({"recover", spool});
  CHECK(done.err.empty());
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.out.starts_with("merged "));
  CHECK(content(spool) == sound_spool());
  CHECK(bed.call({"recover", spool}).out.empty());
}

TEST_CASE("popspool carve writes what it finds as an mbox", "[popspool][carve]") {
  const PopspoolBed bed;
  const Strings parts = sound_messages();
  const std::string image = bed.path("image");
  put_file(image, std::string(1000, '\0') + parts[0] + std::string(500, '\0') +
                      parts[3].substr(0, parts[3].size() - 1));
  const std::string out = bed.path("carved");
  CHECK(bed.call({"carve", image}).out == parts[0] + parts[3]);
  const ToolOutcome done = bed.call({"carve", "-o", out, image});
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.err == "popspool: carve: 2 messages\n");
  CHECK(content(out) == parts[0] + parts[3]);
  CHECK(bed.call({"carve", "-o", out, image}).status != ExitStatus::ok);
  CHECK(bed.call({"carve", "-q", bed.path("popper.toml")}).status == ExitStatus::found);
}

}  // namespace
}  // namespace pop::test
