#include "auth/credential_db.h"

#include <algorithm>

#include "auth/credential_file.h"
#include "auth/credential_record.h"
#include "base/text.h"
#include "dbm/dbm_file.h"

namespace pop {
namespace {

Result<DbmFile> open_for_reading(const std::filesystem::path& file) {
  const Result<CredentialFilePlace> place = open_credential_place(file);
  if (!place) return std::unexpected(place.error());
  Result<CredentialFile> opened = open_credential_file(system_disk(), *place);
  if (!opened) return std::unexpected(std::move(opened).error());
  return DbmFile::open(std::move(opened->fd), place->name, DbmFile::Access::read);
}

Error in_file(Error error, const std::filesystem::path& file) {
  return std::move(error).in("credential file " + file.native());
}

Result<std::optional<Credential>> credential_in(const DbmFile& dbm, std::string_view user) {
  const Result<std::optional<Secret>> record = dbm.fetch(user);
  if (!record) return std::unexpected(record.error());
  if (!*record || user == made_up_keys_name) return std::nullopt;
  Result<Credential> credential = decode_credential(user, (*record)->octets());
  if (!credential) return std::unexpected(std::move(credential).error());
  return std::move(*credential);
}

/// A record with keys takes some hundredths of a millisecond; one that is not there, or has none,
/// takes as many.
void take_the_time_of_a_record() {
  static const Secret somebodys = [] {
    const auto keys_for = [](ScramHash hash) {
      return ScramKeys{.iterations = scram_iterations,
                       .salt = std::string(16, 's'),
                       .stored_key = random_secret(scram_key_size(hash)),
                       .server_key = random_secret(scram_key_size(hash))};
    };
    Credential credential;
    credential.password_hash = std::string(73, 'h');  // of yescrypt
    credential.virtual_user = {
        .uid = 1000, .gid = 1000, .home = "/var/mail/somebody", .maildrop = {}};
    credential.scram_sha_256 = keys_for(ScramHash::sha_256);
    credential.scram_sha_1 = keys_for(ScramHash::sha_1);
    return encode_credential("somebody", credential);
  }();
  (void)decode_credential("somebody", somebodys.octets());
}

}  // namespace

Credential Credential::clone() const {
  Credential copy;
  if (apop_secret) copy.apop_secret = apop_secret->clone();
  copy.password_hash = password_hash;
  copy.virtual_user = virtual_user;
  copy.newer_fields = newer_fields.clone();
  if (scram_sha_256) copy.scram_sha_256 = scram_sha_256->clone();
  if (scram_sha_1) copy.scram_sha_1 = scram_sha_1->clone();
  copy.devices = devices;
  return copy;
}

CredentialDb::CredentialDb(std::filesystem::path file) : file_{std::move(file)} {}

Result<std::optional<Credential>> CredentialDb::find(std::string_view user) const {
  const Result<DbmFile> dbm = open_for_reading(file_);
  if (!dbm) return std::unexpected(in_file(dbm.error(), file_));
  Result<std::optional<Credential>> found = credential_in(*dbm, user);
  if (!found) return std::unexpected(in_file(std::move(found).error(), file_));
  return found;
}

Result<CredentialDb::Found> CredentialDb::find_with_made_up_keys(std::string_view user) const {
  const Result<DbmFile> dbm = open_for_reading(file_);
  if (!dbm) return std::unexpected(in_file(dbm.error(), file_));
  Result<std::optional<Credential>> credential = credential_in(*dbm, user);
  const Result<std::optional<Secret>> made_up = dbm->fetch(made_up_keys_name);
  if (!credential) return std::unexpected(in_file(std::move(credential).error(), file_));
  if (!made_up) return std::unexpected(in_file(made_up.error(), file_));
  Found found;
  if (!*credential || !(*credential)->scram_sha_256) take_the_time_of_a_record();
  found.credential = std::move(*credential);
  if (!*made_up) return found;
  if (Result<MadeUpKeysRecord> record = decode_made_up_keys((*made_up)->octets()); record) {
    found.made_up_keys = std::move(*record);
  }
  return found;
}

Result<std::vector<std::string>> CredentialDb::users() const {
  const Result<DbmFile> dbm = open_for_reading(file_);
  if (!dbm) return std::unexpected(in_file(dbm.error(), file_));
  std::vector<std::string> names;
  Result<void> walked = dbm->walk([&names](std::string_view key, std::string_view) {
    if (key != made_up_keys_name) names.emplace_back(key);
    return Result<void>{};
  });
  if (!walked) return std::unexpected(in_file(std::move(walked).error(), file_));
  std::ranges::sort(names);
  return names;
}

Result<void> CredentialDb::walk(const Visit& visit) const {
  const Result<DbmFile> dbm = open_for_reading(file_);
  if (!dbm) return std::unexpected(in_file(dbm.error(), file_));
  Result<void> walked = dbm->walk([&visit](std::string_view key, std::string_view record) {
    if (key == made_up_keys_name) return Result<void>{};
    return visit(key, decode_credential(key, record));
  });
  if (!walked) return std::unexpected(in_file(std::move(walked).error(), file_));
  const Result<std::uint64_t> verified = dbm->verify();
  if (!verified) return std::unexpected(in_file(verified.error(), file_));
  return {};
}

bool CredentialDb::available() const {
  return open_for_reading(file_).has_value();
}

}  // namespace pop
