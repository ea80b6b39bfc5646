#include <fcntl.h>

#include <map>
#include <set>

#include "mail/sha256.h"
#include "popspool/export_manifest.h"
#include "popspool/tar_file.h"
#include "popspool_bed.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

const std::string first =
    "From a@example.org Thu Jan  1 00:00:00 1970\nSubject: one\nStatus: RO\n\nhello\n\n";
const std::string second =
    "From b@example.org Thu Jan  1 00:00:10 1970\nSubject: two\n\nhello\nFrom me\n\n";

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator{directory}) {
    names.insert(entry.path().filename());
  }
  return names;
}

ExportManifest manifest_in(const fs::path& path) {
  const Result<ExportManifest> manifest = ExportManifest::parse(get_file(path));
  REQUIRE(manifest);
  return *manifest;
}

std::string make_maildir(const fs::path& path) {
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    fs::create_directories(path / folder);
    fs::permissions(path / folder, fs::perms{0700});
  }
  return path;
}

TEST_CASE("popspool export writes an mbox as it is, and a manifest", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", first + second);
  const fs::path copy = bed.path("jo.mbox");
  const ToolOutcome done = bed.call({"export", spool, "--to", copy.native()});
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.out == spool + ": exported 2 messages, " + std::to_string((first + second).size()) +
                        " bytes, to " + copy.native() + "\n");
  CHECK(get_file(copy) == first + second);
  CHECK(get_file(spool) == first + second);
  CHECK(names_in(bed.spool_dir()) == std::set<std::string>{"jo"});
  const ExportManifest manifest = manifest_in(bed.path("jo.mbox.manifest"));
  CHECK(manifest.sha256 == sha256_of(first + second));
  REQUIRE(manifest.messages.size() == 2);
  CHECK(manifest.messages[0].sha256 == sha256_of(first));
  CHECK(manifest.messages[0].retrieved);
  CHECK(manifest.messages[1].size.count == second.size());
  CHECK_FALSE(manifest.messages[1].retrieved);
  CHECK(manifest.messages[1].delivered == 10);
  const ToolOutcome listed = bed.call({"list", spool});
  for (const ExportManifest::Message& message : manifest.messages) {
    CHECK_THAT(listed.out, Catch::Contains(message.unique_id));
  }
}

TEST_CASE("popspool export overwrites nothing and leaves nothing behind", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", first);
  const fs::path out = bed.path("out");
  fs::create_directory(out);
  for (const char* taken : {"jo.mbox", "jo.mbox.manifest"}) {
    put_file(out / taken, "mine");
    const ToolOutcome refused = bed.call({"export", spool, "--to", out.native()});
    CHECK(refused.status == ExitStatus::usage);
    CHECK_THAT(refused.err, Catch::Contains("nothing is overwritten"));
    CHECK(names_in(out) == std::set<std::string>{taken});
    CHECK(get_file(out / taken) == "mine");
    fs::remove(out / taken);
  }
  const std::string broken = bed.add_spool("broken", "no spool\n");
  const ToolOutcome half = bed.call({"export", broken, spool, "--to", out.native()});
  CHECK(half.status == ExitStatus::data);
  CHECK(names_in(out) == std::set<std::string>{"jo.mbox", "jo.mbox.manifest"});
  CHECK(bed.call({"export", spool, "--to", bed.path("none/jo").native()}).status ==
        ExitStatus::no_input);
  CHECK(bed.call({"export", spool, broken, "--to", bed.path("none").native()}).status ==
        ExitStatus::usage);
  CHECK(bed.call({"export", spool}).status == ExitStatus::usage);
  CHECK(bed.call({"export", spool, "--to", out.native(), "--format", "zip"}).status ==
        ExitStatus::usage);
}

TEST_CASE("popspool export -n tells what it would write and writes nothing", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", first + second);
  const fs::path out = bed.path("out");
  fs::create_directory(out);
  const ToolOutcome planned = bed.call({"export", "-n", spool, "--to", out.native()});
  CHECK(planned.status == ExitStatus::ok);
  CHECK_THAT(planned.out, Catch::Contains("would export 2 messages"));
  CHECK(names_in(out).empty());
}

TEST_CASE("popspool export makes a Maildir with retrieved messages in cur", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", first + second);
  const fs::path copy = bed.path("copy");
  REQUIRE(bed.call({"export", spool, "--to", copy.native(), "--format", "maildir"}).status ==
          ExitStatus::ok);
  const ExportManifest manifest = manifest_in(copy / manifest_file);
  REQUIRE(manifest.messages.size() == 2);
  CHECK(manifest.messages[0].file.starts_with("cur/0.N000001.export,"));
  CHECK(manifest.messages[0].file.ends_with(":2,S"));
  CHECK(manifest.messages[1].file.starts_with("new/10.N000002.export,"));
  std::string all;
  for (const ExportManifest::Message& message : manifest.messages) {
    const std::string content = get_file(copy / message.file);
    CHECK(message.sha256 == sha256_of(content));
    CHECK(message.size.count == content.size());
    all += content;
  }
  CHECK(manifest.sha256 == sha256_of(all));
  CHECK(names_in(copy / "tmp").empty());
  const ToolOutcome before = bed.call({"list", spool});
  CHECK(bed.call({"list", copy.native()}).out == before.out);
}

TEST_CASE("popspool export of a Maildir to an mbox keeps lines from being separators",
          "[popspool][export]") {
  const PopspoolBed bed;
  const std::string maildir = make_maildir(bed.spool_dir() / "jo");
  const std::string text = "Subject: x\n\nFrom a@example.org Thu Jan  1 00:00:00 1970\nend";
  put_file(fs::path{maildir} / "cur" / "86400.a:2,S", text);
  const fs::path copy = bed.path("jo.mbox");
  REQUIRE(bed.call({"export", maildir, "--to", copy.native()}).status == ExitStatus::ok);
  CHECK(get_file(copy) ==
        "From MAILER-DAEMON Fri Jan  2 00:00:00 1970\nSubject: x\n\n"
        ">From a@example.org Thu Jan  1 00:00:00 1970\nend\n\n");
  const ExportManifest manifest = manifest_in(bed.path("jo.mbox.manifest"));
  CHECK(manifest.messages.at(0).retrieved);
  CHECK(manifest.messages.at(0).delivered == 86400);
}

TEST_CASE("popspool export writes the same files into a tar", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", first + second);
  const fs::path tar = bed.path("jo.tar");
  REQUIRE(bed.call({"export", spool, "--to", tar.native(), "--format", "tar"}).status ==
          ExitStatus::ok);
  std::map<std::string, std::string, std::less<>> files;
  const Fd file{::open(tar.c_str(), O_RDONLY | O_CLOEXEC)};
  REQUIRE(read_tar(file, 100000, [&](std::string_view path, std::string_view content) {
    files.emplace(path, content);
    return Result<void>{};
  }));
  const Result<ExportManifest> manifest =
      ExportManifest::parse(files["jo/" + std::string{manifest_file}]);
  REQUIRE(manifest);
  CHECK(manifest->format == ExportFormat::tar);
  REQUIRE(manifest->messages.size() == 2);
  CHECK(files.size() == 3);
  for (const ExportManifest::Message& message : manifest->messages) {
    CHECK(message.sha256 == sha256_of(files["jo/" + message.file]));
  }
  const auto refuse = [](std::string_view, std::string_view) { return Result<void>{}; };
  const Result<void> too_large = read_tar(file, 10, refuse);
  REQUIRE_FALSE(too_large);
  CHECK(too_large.error().code == Errc::limit);
}

TEST_CASE("popspool export takes an empty maildrop, too", "[popspool][export]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", "");
  for (const std::string format : {"mbox", "maildir", "tar"}) {
    const fs::path copy = bed.path(format);
    CHECK(bed.call({"export", spool, "--to", copy.native(), "--format", format}).status ==
          ExitStatus::ok);
    CHECK(fs::exists(copy));
  }
  CHECK(manifest_in(bed.path("mbox.manifest")).messages.empty());
}

TEST_CASE("ExportManifest finds every damaged octet", "[popspool][export]") {
  ExportManifest manifest{.format = ExportFormat::tar, .messages = {}, .sha256 = sha256_of("x")};
  manifest.messages.push_back({.unique_id = "one",
                               .sha256 = sha256_of("x"),
                               .size = {1},
                               .delivered = 7,
                               .retrieved = true,
                               .file = "cur/a b"});
  const std::string text = manifest.serialised();
  const Result<ExportManifest> read = ExportManifest::parse(text);
  REQUIRE(read);
  CHECK(read->messages == manifest.messages);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CAPTURE(at);
    CHECK_FALSE(ExportManifest::parse(damaged));
    CHECK_FALSE(ExportManifest::parse(text.substr(0, at)));
  }
  for (const char* file : {"cur/../../x", "/etc/passwd", "cur/..", "cur/", "tmp/x", "new/.x"}) {
    manifest.messages[0].file = file;
    CHECK_FALSE(ExportManifest::parse(manifest.serialised()));
  }
}

}  // namespace
}  // namespace pop::test
