#include "store/trash.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "maildrop_bed.h"
#include "support/damaged_spools.h"
#include "support/forwarding_disk.h"
#include "support/impatient_clock.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

TrashedMessage head(std::string id, std::int64_t deleted, const std::string& bytes) {
  return {.deleted = deleted,
          .delivered = 7,
          .form = TrashedForm::mbox,
          .separator = {2},
          .content = {bytes.size() - 3},
          .rest = {1},
          .unique_id = std::move(id),
          .at = {}};
}

/// A trash in a directory of its own.
struct TrashBed {
  TemporaryDirectory root;
  FilePlace place = place_in(root, ".jo.trash");

  [[nodiscard]] std::string path() const { return root / ".jo.trash"; }
  void add(const TrashedMessage& message, const std::string& bytes) const {
    auto trash = Trash::open_to_add(system_disk(), place, ::getuid());
    REQUIRE(trash);
    REQUIRE(trash->reserve({&message, 1}));
    REQUIRE(trash->begin(message));
    REQUIRE(trash->append(bytes));
    REQUIRE(trash->end());
    REQUIRE(trash->finish());
  }
  [[nodiscard]] std::vector<std::string> ids() const {
    const auto trash = Trash::open(system_disk(), place, ::getuid());
    std::vector<std::string> ids;
    if (!trash) return {trash.error().text};
    for (const TrashedMessage& message : trash->messages()) {
      ids.push_back(message.unique_id + (trash->read(message) ? "" : " damaged"));
    }
    return ids;
  }
};
using Ids = std::vector<std::string>;

TEST_CASE("The trash gives back what was put into it", "[store][trash]") {
  const TrashBed bed;
  CHECK(Trash::open(system_disk(), bed.place, ::getuid()).error().code == Errc::not_found);
  bed.add(head("one", 5, "12345"), "12345");
  bed.add(head("two", 6, "1234"), "1234");
  CHECK(get_file(bed.path()).starts_with("popper-trash 1\nmessage 5 7 mbox 2 2 1 one\n12345sum "));
  const auto trash = Trash::open(system_disk(), bed.place, ::getuid());
  REQUIRE(trash);
  REQUIRE(trash->messages().size() == 2);
  CHECK(trash->size() == FileBytes{9});
  CHECK(trash->read(trash->messages()[0]) == "12345");
  CHECK(trash->read(trash->messages()[1]) == "1234");
  CHECK(trash->messages()[1].deleted == 6);
  struct stat st {};
  REQUIRE(::stat(bed.path().c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
}

TEST_CASE("Whatever a crash cut off at the end of the trash counts for nothing", "[store][trash]") {
  const TrashBed bed;
  bed.add(head("one", 5, "12345"), "12345");
  bed.add(head("two", 6, "1234"), "1234");
  const std::string whole = get_file(bed.path());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    put_file(bed.path(), whole.substr(0, size));
    const std::size_t first = whole.find("message 6");
    CHECK(bed.ids() == (size < first ? Ids{} : Ids{"one"}));
    bed.add(head("three", 8, "abc"), "abc");
    CHECK(bed.ids() == (size < first ? Ids{"three"} : Ids{"one", "three"}));
  }
  put_file(bed.path(), whole + std::string(1000, '\0'));
  CHECK(bed.ids() == Ids{"one", "two"});
  put_file(bed.path(), std::string(10, '\0'));
  CHECK(bed.ids().empty());
}

TEST_CASE("A damaged message in the trash is found out, and what is no trash is left alone",
          "[store][trash]") {
  const TrashBed bed;
  bed.add(head("one", 5, "12345"), "12345");
  bed.add(head("two", 6, "1234"), "1234");
  std::string damaged = get_file(bed.path());
  damaged[damaged.find("12345")] = 'x';
  put_file(bed.path(), damaged);
  CHECK(bed.ids() == Ids{"one damaged", "two"});
  put_file(bed.path(), "my own notes\n");
  CHECK(Trash::open(system_disk(), bed.place, ::getuid()).error().code == Errc::corrupt);
  CHECK(Trash::open_to_add(system_disk(), bed.place, ::getuid()).error().code == Errc::corrupt);
  CHECK(get_file(bed.path()) == "my own notes\n");
}

TEST_CASE("A sweep drops what is not wanted and no other byte", "[store][trash]") {
  const TrashBed bed;
  for (const char* id : {"one", "two", "three"}) bed.add(head(id, 5, "12345"), "12345");
  const auto not_two = [](const TrashedMessage& message) { return message.unique_id != "two"; };
  CHECK(sweep_trash(system_disk(), bed.place, ::getuid(), not_two) == 1U);
  CHECK(bed.ids() == Ids{"one", "three"});
  CHECK(sweep_trash(system_disk(), bed.place, ::getuid(), not_two) == 0U);
  const auto none = [](const TrashedMessage&) { return false; };
  CHECK(sweep_trash(system_disk(), bed.place, ::getuid(), none) == 2U);
  CHECK_FALSE(fs::exists(bed.path()));
  CHECK(sweep_trash(system_disk(), bed.place, ::getuid(), none) == 0U);
}

TEST_CASE("The trash keeps to its size, and drops what is old once that is worth it",
          "[store][trash]") {
  const TrashBed bed;
  Settings settings;
  settings.trash_days = 1;
  settings.trash_size = 1;
  const std::string large(400'000, 'x');
  const std::int64_t now = ::time(nullptr);
  bed.add(head("one", now - 60, large), large);
  bed.add(head("two", now - 50, large), large);
  const auto make_room = [&](std::uint64_t coming) {
    REQUIRE(make_room_in_trash(system_disk(), system_clock(), settings, bed.place, ::getuid(),
                               {coming}));
    return bed.ids();
  };
  CHECK(make_room(100'000) == Ids{"one", "two"});
  CHECK(make_room(300'000) == Ids{"two"});
  bed.add(head("old", now - 2 * 86'400, "12345"), "12345");
  CHECK(make_room(1) == Ids{"two", "old"});
  CHECK(make_room(std::uint64_t{2} << 20).size() == 1);
  const std::vector<TrashedMessage> coming{head("a", 1, large), head("b", 1, large),
                                           head("c", 1, large)};
  CHECK(fitting_trash(coming, settings) == std::vector<std::size_t>{1, 2});
}

// What a session deletes

struct SessionBed {
  TemporaryDirectory root;
  Settings settings;
  ImpatientClock clock;

  SessionBed() {
    settings.spool_dir = root.path();
    settings.server_mode = true;
    settings.trash_days = 7;
    put_file(root / "jo", sound_spool());
    fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
  }
  [[nodiscard]] MailUser user() const {
    return {.name = "jo",
            .uid = ::getuid(),
            .gid = ::getgid(),
            .home = root.path(),
            .maildrop = {},
            .folder = {}};
  }
  void erase(std::initializer_list<std::uint32_t> numbers) {
    const auto maildrop = open_maildrop({settings, system_disk(), clock}, user());
    REQUIRE(maildrop);
    REQUIRE((*maildrop)->commit(outcome(**maildrop, numbers)));
  }
  /// All bytes in the trash.
  [[nodiscard]] std::string trashed(const std::string& name = ".jo.trash") const {
    const auto trash = Trash::open(system_disk(), place_in(root, name), ::getuid());
    if (!trash) return trash.error().code == Errc::not_found ? "" : trash.error().text;
    std::string all;
    for (const TrashedMessage& message : trash->messages()) {
      all += trash->read(message).value_or("damaged");
    }
    return all;
  }
};

TEST_CASE("A session puts what it deletes into the trash, whatever way it updates",
          "[store][trash]") {
  for (const bool fast : {false, true}) {
    CAPTURE(fast);
    SessionBed bed;
    bed.settings.fast_update = fast;
    const std::vector<std::string> mail = sound_messages();
    bed.erase({2});
    CHECK(bed.trashed() == mail[1]);
    bed.erase({});
    CHECK(bed.trashed() == mail[1]);
    bed.erase({2, 3});  // third and fourth, the third with fields that the first update wrote
    CHECK(bed.trashed().find("t3 third") < bed.trashed().find("t4 fourth"));
    CHECK(get_file(bed.root / "jo").find("t1 first") != std::string::npos);
  }
}

/// Has no room for `what` while it is set, though part of it is given before that shows.
class CrampedDisk final : public test::ForwardingDisk {
 public:
  explicit CrampedDisk(fs::path trash) : ForwardingDisk{system_disk()}, trash_{std::move(trash)} {}
  Result<void> reserve(const Fd& file, FileBytes size) override {
    if (!is_trash(file)) {
      const bool has_room = !fs::exists(trash_) || fs::file_size(trash_) <= largest_trash;
      return has_room ? ForwardingDisk::reserve(file, size) : fail(Errc::full, "no room");
    }
    if (has_room_for_trash) return ForwardingDisk::reserve(file, size);
    REQUIRE(ForwardingDisk::reserve(file, size + FileBytes{1 << 20}));
    return fail(Errc::full, "no room");
  }

  bool has_room_for_trash = true;
  std::uintmax_t largest_trash = 0;

 private:
  bool is_trash(const Fd& file) {
    struct stat named {};
    const Result<FileStatus> status = ForwardingDisk::status(file);
    return status && ::stat(trash_.c_str(), &named) == 0 && named.st_ino == status->inode;
  }

  fs::path trash_;
};

TEST_CASE("Where the trash leaves no room to delete, mail is deleted without it",
          "[store][trash]") {
  for (const bool fast : {false, true}) {
    CAPTURE(fast);
    SessionBed bed;
    bed.settings.fast_update = fast;
    CrampedDisk disk{bed.root / ".jo.trash"};
    const auto erase_first = [&] {
      const auto maildrop = open_maildrop({bed.settings, disk, bed.clock}, bed.user());
      REQUIRE(maildrop);
      REQUIRE((*maildrop)->commit(outcome(**maildrop, {1})));
      return (*maildrop)->remarks().size();
    };
    CHECK(erase_first() == 1);
    CHECK_FALSE(fs::exists(bed.root / ".jo.trash"));
    CHECK(get_file(bed.root / "jo").find("t1 first") == std::string::npos);
    bed.erase({1});
    const std::string trash = get_file(bed.root / ".jo.trash");
    disk.largest_trash = trash.size();
    CHECK(erase_first() == 1);
    CHECK(get_file(bed.root / ".jo.trash") == trash);
    CHECK(get_file(bed.root / "jo").find("t4 fourth") != std::string::npos);
  }
}

TEST_CASE("A trash that found no room keeps no blocks", "[store][trash]") {
  SessionBed bed;
  bed.erase({1});
  const std::string path = bed.root / ".jo.trash", trash = get_file(path);
  CrampedDisk disk{path};
  disk.has_room_for_trash = false;
  disk.largest_trash = trash.size();
  const auto maildrop = open_maildrop({bed.settings, disk, bed.clock}, bed.user());
  REQUIRE(maildrop);
  REQUIRE((*maildrop)->commit(outcome(**maildrop, {1})));
  CHECK((*maildrop)->remarks().size() == 1);
  CHECK(get_file(path) == trash);
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK(st.st_blocks < 1024);  // of 512 octets; the failed attempt had taken a megabyte
}

TEST_CASE("A Maildir's trash bears a name that begins with no time", "[store][trash]") {
  SessionBed bed;
  fs::remove(bed.root / "jo");
  for (const char* folder : {"jo", "jo/new", "jo/cur", "jo/tmp"}) {
    fs::create_directory(bed.root / folder);
    fs::permissions(bed.root / folder, fs::perms::owner_all);
  }
  const std::string text = "Subject: one\n\nbody\n";
  for (const char* name : {"jo/new/1.a.host", "jo/new/18446744073709551615.b.host"}) {
    put_file(bed.root / name, text);
    fs::permissions(bed.root / name, fs::perms::owner_read | fs::perms::owner_write);
  }
  bed.erase({2});
  bed.erase({1});
  CHECK(bed.trashed("jo/.popper.trash") ==
        "new/18446744073709551615.b.host\n" + text + "new/1.a.host\n" + text);
}

TEST_CASE("Without trash-days there is no trash", "[store][trash]") {
  SessionBed bed;
  bed.settings.trash_days = 0;
  bed.erase({1, 2, 3, 4});
  CHECK_FALSE(fs::exists(bed.root / ".jo.trash"));
}

TEST_CASE("A session leaves mail where it is when the trash is somebody else's", "[store][trash]") {
  SessionBed bed;
  put_file(bed.root / ".jo.trash", "my own notes\n");
  fs::permissions(bed.root / ".jo.trash", fs::perms::owner_read | fs::perms::owner_write);
  const auto maildrop = open_maildrop({bed.settings, system_disk(), bed.clock}, bed.user());
  REQUIRE(maildrop);
  const Result<void> done = (*maildrop)->commit(outcome(**maildrop, {1}));
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().text, Catch::Contains(".jo.trash is no trash of ours"));
  CHECK(get_file(bed.root / "jo") == sound_spool());
}

TEST_CASE("A Maildir has its trash inside", "[store][trash]") {
  SessionBed bed;
  fs::remove(bed.root / "jo");
  for (const char* folder : {"jo", "jo/new", "jo/cur", "jo/tmp"}) {
    fs::create_directory(bed.root / folder);
    fs::permissions(bed.root / folder, fs::perms::owner_all);
  }
  const std::string text = "Subject: one\n\nbody\n";
  // The size in the second one's name is wrong.
  for (const char* name : {"jo/new/1.a.host,S=19", "jo/new/2.b.host,S=5,W=9"}) {
    put_file(bed.root / name, text);
    fs::permissions(bed.root / name, fs::perms::owner_read | fs::perms::owner_write);
  }
  bed.erase({1, 2});
  CHECK(bed.trashed("jo/.popper.trash") ==
        "new/1.a.host,S=19\n" + text + "new/2.b.host,S=5,W=9\n" + text);
  CHECK(fs::is_empty(bed.root / "jo/new"));
}

}  // namespace
}  // namespace pop::test
