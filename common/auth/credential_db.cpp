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
  const Result<std::optional<Secret>> record = dbm->fetch(user);
  if (!record) return std::unexpected(in_file(record.error(), file_));
  if (!*record) return std::nullopt;
  Result<Credential> credential = decode_credential(user, (*record)->octets());
  if (!credential) return std::unexpected(in_file(std::move(credential).error(), file_));
  return std::move(*credential);
}

Result<std::vector<std::string>> CredentialDb::users() const {
  const Result<DbmFile> dbm = open_for_reading(file_);
  if (!dbm) return std::unexpected(in_file(dbm.error(), file_));
  std::vector<std::string> names;
  Result<void> walked = dbm->walk([&names](std::string_view key, std::string_view) {
    names.emplace_back(key);
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
