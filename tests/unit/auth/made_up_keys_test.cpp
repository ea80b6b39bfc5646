#include "auth/made_up_keys.h"

#include <fcntl.h>

#include <map>

#include "auth/credential_db.h"
#include "auth/credential_record.h"
#include "base/disk.h"
#include "dbm/dbm_file.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;

namespace {

ScramKeys keys_of(ScramShape shape) {
  return {.iterations = shape.iterations,
          .salt = std::string(shape.salt_size, 's'),
          .stored_key = random_secret(32),
          .server_key = random_secret(32)};
}

CredentialChange user_with(std::string name, ScramShape shape) {
  Credential user;
  user.scram_sha_256 = keys_of(shape);
  return {std::move(name), std::move(user)};
}

struct File {
  test::TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "credentials";

  void make() const { REQUIRE(CredentialDbWriter::create(system_disk(), path)); }
  void apply(CredentialChange change) const {
    std::vector<CredentialChange> changes;
    changes.push_back(std::move(change));
    REQUIRE(CredentialDbWriter::apply(system_disk(), path, std::move(changes)));
  }
  [[nodiscard]] std::optional<MadeUpKeysRecord> record() const {
    auto found = CredentialDb{path}.find_with_made_up_keys("");
    REQUIRE(found);
    return std::move(found->made_up_keys);
  }
  /// As another version, or nobody, would have written the record.
  void put(std::string_view text) const {
    Fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
    auto dbm = DbmFile::open(std::move(fd), "file", DbmFile::Access::change);
    REQUIRE(dbm);
    if (text.empty()) {
      REQUIRE(dbm->erase(made_up_keys_name));
    } else {
      REQUIRE(dbm->store(made_up_keys_name, text));
    }
    REQUIRE(dbm->close());
  }
};

}  // namespace

TEST_CASE("The record of made-up keys reads back as it was written", "[auth][credentials]") {
  MadeUpKeysRecord record = new_made_up_keys_record();
  record.scram_sha_256 = {{{4096, 12}, 3}, {{10000, 16}, 5}};
  record.scram_sha_1 = {{{4096, 16}, 1}};
  const Secret text = encode_made_up_keys(record);
  const Result<MadeUpKeysRecord> read = decode_made_up_keys(text.octets());
  REQUIRE(read);
  CHECK(read->secret.octets() == record.secret.octets());
  CHECK(read->scram_sha_256 == record.scram_sha_256);
  CHECK(read->scram_sha_1 == record.scram_sha_1);
  const std::string_view whole = text.octets();
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    CHECK_FALSE(decode_made_up_keys(whole.substr(0, cut)));
    std::string changed{whole};
    changed[cut] = static_cast<char>(changed[cut] ^ 1);
    CHECK_FALSE(decode_made_up_keys(changed));
  }
  // What recover looks for in any bytes is not in it.
  CHECK(find_credentials(whole).empty());
}

TEST_CASE("Lines that a record of made-up keys cannot have", "[auth][credentials]") {
  const std::string begin = "made-up-keys 1\nsecret AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
  const auto error_of = [](const std::string& lines) {
    const auto read = decode_made_up_keys(lines + "sum " + sum_of_record(lines) + "\n");
    return read ? std::nullopt : std::optional{read.error().code};
  };
  CHECK_FALSE(error_of(begin));
  CHECK_FALSE(error_of(begin + "of-a-later-version 7\n"));
  CHECK_FALSE(error_of(begin + "scram-sha-1 1 1 1\nscram-sha-1 1 2 1\n"));
  for (const char* line :
       {"secret AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "scram-sha-256 0 16 1\n",
        "scram-sha-256 4096 0 1\n", "scram-sha-256 4096 65 1\n", "scram-sha-256 4096 16\n",
        "scram-sha-256 4096 16 0\n", "scram-sha-256 99999999 16 1\n", "scram-sha-256\n",
        "scram-sha-256 2 16 1\nscram-sha-256 1 16 1\n"}) {
    CAPTURE(line);
    CHECK(error_of(begin + line) == Errc::corrupt);
  }
  CHECK(error_of("made-up-keys 1\n") == Errc::corrupt);
  CHECK(error_of("made-up-keys 2\nwhatever\n") == Errc::changed);
  CHECK(error_of("credential 1\nuser jo\n") == Errc::corrupt);
}

TEST_CASE("A made-up salt was that of the host, and so another one on each frontend",
          "[auth][credentials][sasl]") {
  const File file;
  file.make();
  const auto record = file.record();
  REQUIRE(record);
  const MadeUpKeys here, there;
  const ScramKeys made = here.of("jo", ScramHash::sha_256, &*record);
  CHECK(made.salt == there.of("jo", ScramHash::sha_256, &*record).salt);
  CHECK(made.salt != here.of("al", ScramHash::sha_256, &*record).salt);
  CHECK(made.salt != here.of("jo", ScramHash::sha_1, &*record).salt);
  CHECK(made.salt != here.of("jo", ScramHash::sha_256, nullptr).salt);
  CHECK(made.salt.size() == 16);
  CHECK(made.stored_key.octets() !=
        here.of("jo", ScramHash::sha_256, &*record).stored_key.octets());
  const File other;
  other.make();
  const auto others = other.record();
  CHECK(made.salt != here.of("jo", ScramHash::sha_256, &*others).salt);
}

TEST_CASE("A user with imported keys was told from strangers by the iterations",
          "[auth][credentials][sasl]") {
  const File file;
  file.make();
  std::vector<CredentialChange> changes;
  for (int i = 0; i < 30; ++i) {
    changes.push_back(user_with("old" + std::to_string(i), {4096, 12}));
    changes.push_back(user_with("new" + std::to_string(i), {}));
  }
  changes.push_back(user_with("third", {}));
  REQUIRE(CredentialDbWriter::apply(system_disk(), file.path, std::move(changes)));
  const auto record = file.record();
  REQUIRE(record);
  CHECK(record->scram_sha_256 == ScramShapes{{{4096, 12}, 30}, {{10000, 16}, 31}});
  CHECK(record->scram_sha_1.empty());
  const MadeUpKeys made_up;
  std::map<std::uint32_t, int> iterations;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "stranger" + std::to_string(i);
    const ScramKeys keys = made_up.of(name, ScramHash::sha_256, &*record);
    CHECK(keys.salt.size() == (keys.iterations == 4096 ? 12 : 16));
    CHECK(keys.iterations == made_up.of(name, ScramHash::sha_256, &*record).iterations);
    CHECK(made_up.of(name, ScramHash::sha_1, &*record).iterations == scram_iterations);
    ++iterations[keys.iterations];
  }
  CHECK(iterations.size() == 2);
  CHECK(iterations[4096] > 300);
  CHECK(iterations[10000] > 300);
  // One user more is no new lot for everybody.
  file.apply(user_with("fourth", {}));
  const auto later = file.record();
  CHECK(later->secret.octets() == record->secret.octets());
  int changed = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "stranger" + std::to_string(i);
    const ScramKeys before = made_up.of(name, ScramHash::sha_256, &*record);
    const ScramKeys after = made_up.of(name, ScramHash::sha_256, &*later);
    CHECK((before.salt == after.salt) == (before.iterations == after.iterations));
    changed += before.iterations == after.iterations ? 0 : 1;
  }
  CHECK(changed < 100);
}

TEST_CASE("Salts of any length are made up", "[auth][credentials][sasl]") {
  MadeUpKeysRecord record = new_made_up_keys_record();
  record.scram_sha_256 = {{{4096, 64}, 1}};
  const ScramKeys keys = MadeUpKeys{}.of("jo", ScramHash::sha_256, &record);
  CHECK(keys.salt.size() == 64);
  CHECK(keys.salt.substr(0, 32) != keys.salt.substr(32));
}

TEST_CASE("A file of an earlier version gets the record at its first change",
          "[auth][credentials]") {
  const File file;
  file.make();
  file.apply(user_with("jo", {4096, 16}));
  file.put("");
  CHECK_FALSE(file.record());
  file.apply(user_with("al", {}));
  const auto record = file.record();
  REQUIRE(record);
  CHECK(record->scram_sha_256 == ScramShapes{{{4096, 16}, 1}, {{10000, 16}, 1}});
  file.put("damaged");
  CHECK_FALSE(file.record());
  file.apply(user_with("bo", {}));
  REQUIRE(file.record());
  CHECK(file.record()->secret.octets() != record->secret.octets());
  const std::string lines = "made-up-keys 2\nwhatever\n";
  const std::string later = lines + "sum " + sum_of_record(lines) + "\n";
  file.put(later);
  CHECK_FALSE(file.record());
  file.apply(user_with("cy", {}));
  CHECK_FALSE(file.record());  // still there, and not ours to change
}

TEST_CASE("The record of made-up keys is no user", "[auth][credentials]") {
  const File file;
  file.make();
  const CredentialDb db{file.path};
  CHECK(db.users()->empty());
  int visited = 0;
  CHECK(db.walk([&visited](std::string_view, const Result<Credential>&) {
    ++visited;
    return Result<void>{};
  }));
  CHECK(visited == 0);
  const auto found = db.find(made_up_keys_name);
  REQUIRE(found);
  CHECK_FALSE(*found);
  std::vector<CredentialChange> changes;
  changes.push_back({std::string{made_up_keys_name}, std::nullopt});
  const auto erased = CredentialDbWriter::apply(system_disk(), file.path, std::move(changes));
  REQUIRE_FALSE(erased);
  CHECK(erased.error().code == Errc::not_found);
}

TEST_CASE("A rebuilt file keeps its secret where that can be read", "[auth][credentials]") {
  const File file;
  file.make();
  file.apply(user_with("jo", {}));
  const auto before = file.record();
  const auto rebuilt = CredentialDbWriter::rebuild(
      system_disk(), file.path, [](std::string_view) -> Result<std::vector<CredentialChange>> {
        std::vector<CredentialChange> changes;
        changes.push_back(user_with("jo", {}));
        return changes;
      });
  REQUIRE(rebuilt);
  const auto after = file.record();
  REQUIRE(after);
  CHECK(after->secret.octets() == before->secret.octets());
}
