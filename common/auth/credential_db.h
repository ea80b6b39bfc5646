#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.h"
#include "auth/device_password.h"
#include "auth/made_up_keys.h"
#include "auth/scram_keys.h"
#include "base/disk.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// One user's record; the stored form is versioned and described in popper-formats(5). A field that
/// is absent means that the mechanism cannot be used.
struct Credential {
  std::optional<Secret> apop_secret;  // plaintext: APOP and CRAM-MD5 need it
  std::string password_hash;          // crypt(3) form; empty: no password login
  struct Virtual {
    uid_t uid = 0;
    gid_t gid = 0;
    std::filesystem::path home;
    std::filesystem::path maildrop;  // empty: as the settings say
  };
  std::optional<Virtual> virtual_user;  // absent: a system user of the same name
  /// Lines of fields that a later version of the same format added, as stored; a record that is
  /// read, changed and written keeps them.
  Secret newer_fields;
  std::optional<ScramKeys> scram_sha_256{};
  std::optional<ScramKeys> scram_sha_1{};
  std::vector<DevicePassword> devices{};

  [[nodiscard]] Credential clone() const;
  /// A "!" before the hash: the user cannot log in, whatever the mechanism, and each must ask.
  [[nodiscard]] bool is_locked() const { return password_hash.starts_with('!'); }
  [[nodiscard]] bool has_apop_secret() const { return apop_secret && !apop_secret->empty(); }
};

/// Reads the credential file (GDBM, one record a user). Opened for each look-up, so a replaced file
/// is seen at once. Refuses a file that is not regular, has more than one link, a mode other than
/// 0600, or an owner who is neither root nor the caller nor the owner of its directory:
/// Errc::denied. Errc::not_found tells a missing file from a missing user by `find` giving nullopt.
/// Errc::corrupt for a damaged file or record.
class CredentialDb {
 public:
  explicit CredentialDb(std::filesystem::path file);

  [[nodiscard]] Result<std::optional<Credential>> find(std::string_view user) const;
  /// The same, and what stands for keys that are not there; nullopt where the file does not have
  /// that, or in a form that is not understood. Costs the same whoever is asked for.
  struct Found {
    std::optional<Credential> credential;
    std::optional<MadeUpKeysRecord> made_up_keys;
  };
  [[nodiscard]] Result<Found> find_with_made_up_keys(std::string_view user) const;
  [[nodiscard]] Result<std::vector<std::string>> users() const;  // sorted
  /// Calls `visit` for each record in the file, in no order; a damaged one comes as an error.
  /// Stops at the first error of `visit` and returns that. Errc::corrupt at the end if there are
  /// records that cannot be reached.
  using Visit = std::function<Result<void>(std::string_view user, Result<Credential> credential)>;
  [[nodiscard]] Result<void> walk(const Visit& visit) const;
  /// Whether the file is there and may be used: APOP can be offered.
  [[nodiscard]] bool available() const;

 private:
  std::filesystem::path file_;
};

/// What one step of a writer does to one user. A nullopt credential deletes the user.
struct CredentialChange {
  std::string user;
  std::optional<Credential> credential;
};

/// Changes the credential file as a copy: copy, change, verify by a full walk, fsync, rename, fsync
/// the directory. Writers exclude each other by a lock on FILE.lock (Errc::busy when it cannot be
/// had in time); readers see the old file or the new one. Killed at any point it leaves one of the
/// two, and perhaps FILE.new, which the next writer replaces. What made-up keys need is brought up
/// to date with each change. The new file has the owner of the old one, where root writes its group
/// too, mode 0600, and no trace of what was deleted or overwritten: every record is written anew.
class CredentialDbWriter {
 public:
  using Change = CredentialChange;
  struct Locking {
    std::chrono::milliseconds wait_at_most{30'000};
  };

  /// Makes a file without users; root gives it to the owner of the directory. Errc::busy if it
  /// exists.
  [[nodiscard]] static Result<void> create(Disk& disk, const std::filesystem::path& file,
                                           Locking locking);
  [[nodiscard]] static Result<void> create(Disk& disk, const std::filesystem::path& file) {
    return create(disk, file, Locking{});
  }

  /// Replaces whatever has the name, even what cannot be read, by a file without users in one step;
  /// root gives it to the owner of the directory. Nothing of the old one is kept.
  [[nodiscard]] static Result<void> empty(Disk& disk, const std::filesystem::path& file,
                                          Locking locking);
  [[nodiscard]] static Result<void> empty(Disk& disk, const std::filesystem::path& file) {
    return empty(disk, file, Locking{});
  }

  /// Applies all changes in one step. Errc::not_found if a user to delete is not there, and then
  /// nothing is changed. Errc::usage for a name that is_safe_user_name() refuses.
  [[nodiscard]] static Result<void> apply(Disk& disk, const std::filesystem::path& file,
                                          std::vector<Change> changes);

  /// Asks `plan` what to change while the lock is held, so that what it reads is what it changes.
  /// Its error ends the step, and so does an empty answer: nothing is written.
  using Plan = std::function<Result<std::vector<Change>>(const CredentialDb& now)>;
  [[nodiscard]] static Result<void> update(Disk& disk, const std::filesystem::path& file,
                                           const Plan& plan, Locking locking);
  [[nodiscard]] static Result<void> update(Disk& disk, const std::filesystem::path& file,
                                           const Plan& plan) {
    return update(disk, file, plan, Locking{});
  }

  /// Writes the file anew with nothing but what `plan` makes of the bytes of the old one, whose
  /// structure may be damaged. The old one stays as FILE.damaged, or FILE.damaged.1 and so on where
  /// that is taken; the result is its path. Errc::busy if all names to .99 are taken.
  using Rebuild = std::function<Result<std::vector<Change>>(std::string_view bytes)>;
  [[nodiscard]] static Result<std::filesystem::path> rebuild(Disk& disk,
                                                             const std::filesystem::path& file,
                                                             const Rebuild& plan);

  /// All bytes of a credential file, damaged or not. Errc::limit beyond 1 GiB.
  [[nodiscard]] static Result<Secret> read_bytes(Disk& disk, const std::filesystem::path& file);
};

}  // namespace pop
