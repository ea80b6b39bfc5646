// The copy is made record by record in memory, where GDBM may write as it likes; what reaches the
// disk goes through Disk in one piece: FILE.new is written, read back, fsync'ed and renamed.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "auth/credential_db.h"
#include "auth/credential_file.h"
#include "auth/credential_record.h"
#include "base/clock.h"
#include "base/text.h"
#include "dbm/dbm_file.h"

namespace pop {
namespace {

using Records = std::map<std::string, Secret, std::less<>>;
using Change = CredentialChange;

constexpr std::size_t piece_size = 64 * 1024;
constexpr std::chrono::milliseconds lock_poll{20};

// ---------------------------------------------------------------------------- lock

struct Owner {
  uid_t user;
  gid_t group;
};

/// Who owns the directory must be able to replace the file, and is trusted with it anyway.
Result<Owner> rightful_owner(Disk& disk, const CredentialFilePlace& place) {
  if (::geteuid() != 0) return Owner{.user = ::geteuid(), .group = ::getegid()};
  const Result<FileStatus> directory = disk.status(place.directory);
  if (!directory) return std::unexpected(directory.error());
  return Owner{.user = directory->owner, .group = directory->group};
}

/// Without root the group stays the process's own: mode 0600 gives it nothing.
Result<void> give_to(Disk& disk, const Fd& file, const Owner& owner) {
  if (Result<void> mode = disk.set_mode(file, 0600); !mode) return mode;  // whatever the umask
  const Result<FileStatus> now = disk.status(file);
  if (!now) return std::unexpected(now.error());
  const gid_t group = ::geteuid() == 0 ? owner.group : now->group;
  if (now->owner == owner.user && now->group == group) return {};
  return disk.set_owner(file, owner.user, group);
}

/// A lock file that root made must not keep the owner out; but what the owner put there instead
/// must not be given away.
Result<void> share_lock(Disk& disk, const CredentialFilePlace& place, const Fd& lock) {
  const Result<FileStatus> status = disk.status(lock);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->links > 1) {
    return fail(Errc::denied, place.name + ".lock: not a regular file with one link");
  }
  if (::geteuid() != 0) return {};
  const Result<Owner> owner = rightful_owner(disk, place);
  return owner ? give_to(disk, lock, *owner) : std::unexpected(owner.error());
}

/// For who waits in vain. Not told by flock(2), and not worth a failure.
void leave_our_number(const Fd& lock) {
  const std::string number = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0) return;
  (void)!::pwrite(lock.get(), number.data(), number.size(), 0);
}

std::string holder_of(const Fd& lock) {
  std::array<char, 16> text{};
  const ssize_t got = ::pread(lock.get(), text.data(), text.size(), 0);
  const std::string_view line{text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  const std::optional<std::uint64_t> number = decimal(line.substr(0, line.find('\n')));
  return number && line.ends_with('\n') ? ", process " + std::to_string(*number) + "," : "";
}

/// The descriptor holds the lock: closing it, also by the death of the process, lets it go. The
/// file stays, because removing it would let two writers hold two different locks.
Result<Fd> acquire_lock(Disk& disk, const CredentialFilePlace& place,
                        std::chrono::milliseconds wait_at_most) {
  const std::string name = place.name + ".lock";
  Result<Fd> fd = disk.open(place.directory.get(), name, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd;
  if (Result<void> shared = share_lock(disk, place, *fd); !shared) {
    return std::unexpected(std::move(shared).error());
  }
  const auto deadline = system_clock().steady() + wait_at_most;
  while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    const int saved = errno;
    if (saved != EWOULDBLOCK && saved != EINTR) return fail_errno(saved, "lock " + name);
    if (system_clock().steady() >= deadline) {
      return fail(Errc::busy, name + ": another writer" + holder_of(*fd) + " holds the lock");
    }
    system_clock().sleep(lock_poll);
  }
  leave_our_number(*fd);
  return fd;
}

// ---------------------------------------------------------------------------- records

Result<Records> read_all(const DbmFile& dbm) {
  Records records;
  Result<void> walked = dbm.walk([&records](std::string_view key, std::string_view value) {
    records.insert_or_assign(std::string{key}, Secret{value});
    return Result<void>{};
  });
  if (!walked) return std::unexpected(std::move(walked).error());
  return records;
}

Result<void> change_record(Records& records, const Change& change) {
  if (!change.credential) {
    if (change.user == made_up_keys_name) return fail(Errc::not_found, "not a user");
    if (records.erase(change.user) == 1) return {};
    return fail(Errc::not_found, escaped(change.user) + ": not found");
  }
  // Deleting takes any name, so that nothing is stuck in the file.
  if (!is_safe_user_name(change.user)) {
    return fail(Errc::usage, escaped(change.user) + ": not a name a user can have");
  }
  records.insert_or_assign(change.user, encode_credential(change.user, *change.credential));
  return {};
}

MadeUpKeysRecord made_up_keys_in(const Records& records) {
  const auto old = records.find(made_up_keys_name);
  if (old == records.end()) return new_made_up_keys_record();
  Result<MadeUpKeysRecord> record = decode_made_up_keys(old->second.octets());
  return record ? std::move(*record) : new_made_up_keys_record();
}

bool is_of_later_format(const Records& records) {
  const auto old = records.find(made_up_keys_name);
  if (old == records.end()) return false;
  const Result<MadeUpKeysRecord> record = decode_made_up_keys(old->second.octets());
  return !record && record.error().code == Errc::changed;
}

void keep_most_frequent(ScramShapes& shapes) {
  if (shapes.size() <= most_scram_shapes) return;
  std::ranges::stable_sort(shapes, std::ranges::greater{}, &ScramShapeCount::users);
  shapes.resize(most_scram_shapes);
  std::ranges::sort(shapes, {}, &ScramShapeCount::shape);
}

/// Its secret stays; a file that has none, as earlier versions wrote it, gets one.
void renew_made_up_keys(Records& records) {
  if (is_of_later_format(records)) return;
  MadeUpKeysRecord made_up = made_up_keys_in(records);
  made_up.scram_sha_256.clear();
  made_up.scram_sha_1.clear();
  for (const auto& [user, record] : records) {
    if (user == made_up_keys_name) continue;
    const Result<Credential> credential = decode_credential(user, record.octets());
    if (!credential) continue;
    if (const auto& keys = credential->scram_sha_256) count_shape(made_up.scram_sha_256, *keys);
    if (const auto& keys = credential->scram_sha_1) count_shape(made_up.scram_sha_1, *keys);
  }
  keep_most_frequent(made_up.scram_sha_256);
  keep_most_frequent(made_up.scram_sha_1);
  records.insert_or_assign(std::string{made_up_keys_name}, encode_made_up_keys(made_up));
}

/// Everything the file must hold, read back and compared.
Result<void> verify(const DbmFile& dbm, const Records& expected) {
  const Result<std::uint64_t> count = dbm.verify();
  if (!count) return std::unexpected(count.error());
  if (*count != expected.size()) return fail(Errc::corrupt, "verify: wrong number of records");
  return dbm.walk([&expected](std::string_view key, std::string_view value) -> Result<void> {
    const auto record = expected.find(key);
    if (record != expected.end() && record->second.octets() == value) return {};
    return fail(Errc::corrupt, "verify: a record does not read back as written");
  });
}

// ---------------------------------------------------------------------------- the new file

/// A GDBM file with these records, in memory.
Result<Fd> build_in_memory(const Records& records) {
  Fd memory{::memfd_create("credentials", MFD_CLOEXEC)};
  if (!memory.is_open()) return fail_errno(errno, "create a file in memory");
  Result<Fd> for_gdbm = memory.duplicate();
  if (!for_gdbm) return for_gdbm;
  Result<DbmFile> dbm = DbmFile::create(std::move(*for_gdbm), "the new credential file");
  if (!dbm) return std::unexpected(std::move(dbm).error());
  for (const auto& [user, record] : records) {
    if (Result<void> stored = dbm->store(user, record.octets()); !stored) {
      return std::unexpected(std::move(stored).error());
    }
  }
  if (Result<void> closed = dbm->close(); !closed) return std::unexpected(closed.error());
  return memory;
}

Result<void> copy_to_disk(Disk& disk, const Fd& memory, const Fd& file) {
  std::array<char, piece_size> piece{};
  Result<void> written;
  for (FileBytes offset{0}; written;) {
    const ssize_t got =
        ::pread(memory.get(), piece.data(), piece.size(), static_cast<off_t>(offset.count));
    if (got < 0) written = fail_errno(errno, "read the new credential file");
    if (got <= 0) break;
    const std::size_t size = static_cast<std::size_t>(got);
    written = disk.write(file, {piece.data(), size}, offset);
    offset += {size};
  }
  wipe(piece);
  return written;
}

Result<void> write_new_file(Disk& disk, const CredentialFilePlace& place, const std::string& name,
                            const Owner& owner, const Records& records) {
  const Result<Fd> memory = build_in_memory(records);
  if (!memory) return std::unexpected(memory.error());
  Result<Fd> file = disk.open(place.directory.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return std::unexpected(std::move(file).error());
  if (Result<void> given = give_to(disk, *file, owner); !given) return given;
  if (Result<void> copied = copy_to_disk(disk, *memory, *file); !copied) return copied;

  Result<Fd> for_gdbm = disk.open(place.directory.get(), name, O_RDONLY);
  if (!for_gdbm) return std::unexpected(std::move(for_gdbm).error());
  const Result<DbmFile> dbm = DbmFile::open(std::move(*for_gdbm), name, DbmFile::Access::read);
  if (!dbm) return std::unexpected(dbm.error());
  if (Result<void> verified = verify(*dbm, records); !verified) return verified;
  if (Result<void> synced = disk.sync(*file); !synced) return synced;
  return file->close();
}

/// The lock must be held.
Result<void> replace_with(Disk& disk, const CredentialFilePlace& place, const Owner& owner,
                          Records records) {
  renew_made_up_keys(records);
  const std::string beside = place.name + ".new";
  (void)disk.remove(place.directory.get(), beside);  // left by a writer that was killed
  Result<void> done = write_new_file(disk, place, beside, owner, records);
  if (done) done = disk.rename(place.directory.get(), beside, place.name);
  if (!done) {
    (void)disk.remove(place.directory.get(), beside);
    return done;
  }
  return disk.sync_directory(place.directory.get());
}

Result<void> empty_locked(Disk& disk, const CredentialFilePlace& place) {
  const Result<Owner> owner = rightful_owner(disk, place);
  if (!owner) return std::unexpected(owner.error());
  return replace_with(disk, place, *owner, {});
}

Result<void> create_locked(Disk& disk, const CredentialFilePlace& place) {
  const Result<FileStatus> there = disk.status(place.directory.get(), place.name);
  if (there) return fail(Errc::busy, "exists already");
  if (there.error().code != Errc::not_found) return std::unexpected(there.error());
  return empty_locked(disk, place);
}

Result<void> change_locked(Disk& disk, const CredentialFilePlace& place,
                           const std::vector<Change>& changes) {
  Result<CredentialFile> old = open_credential_file(disk, place);
  if (!old) return std::unexpected(std::move(old).error());
  const Owner owner{.user = old->status.owner, .group = old->status.group};
  const Result<DbmFile> dbm = DbmFile::open(std::move(old->fd), place.name, DbmFile::Access::read);
  if (!dbm) return std::unexpected(dbm.error());
  Result<Records> records = read_all(*dbm);
  if (!records) return std::unexpected(std::move(records).error());
  for (const Change& change : changes) {
    if (Result<void> changed = change_record(*records, change); !changed) return changed;
  }
  return replace_with(disk, place, owner, std::move(*records));
}

Result<Secret> bytes_of(Disk& disk, const CredentialFile& file) {
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (file.status.size.count > most) return fail(Errc::limit, "too large");
  std::string bytes(file.status.size.count, '\0');
  const Result<std::size_t> got = disk.read(file.fd, bytes, FileBytes{0});
  if (!got) return std::unexpected(got.error());
  Secret secret{std::string_view{bytes}.substr(0, *got)};
  wipe(bytes);
  return secret;
}

/// What is no user's and can still be read by way of GDBM.
Records shared_records_of(Disk& disk, const CredentialFilePlace& place) {
  Result<CredentialFile> old = open_credential_file(disk, place);
  if (!old) return {};
  const Result<DbmFile> dbm = DbmFile::open(std::move(old->fd), place.name, DbmFile::Access::read);
  if (!dbm) return {};
  Result<std::optional<Secret>> made_up = dbm->fetch(made_up_keys_name);
  Records records;
  if (made_up && *made_up) records.emplace(made_up_keys_name, std::move(**made_up));
  return records;
}

struct NewFile {
  std::string name;
  Fd fd;
};

/// What an earlier rescue kept may be all that is left of somebody.
Result<NewFile> create_damaged(Disk& disk, const CredentialFilePlace& place) {
  constexpr int most = 99;
  for (int number = 0;; ++number) {
    const std::string suffix = number == 0 ? "" : "." + std::to_string(number);
    std::string name = place.name + ".damaged" + suffix;
    Result<Fd> file = disk.open(place.directory.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file) return NewFile{.name = std::move(name), .fd = std::move(*file)};
    if (file.error().code != Errc::busy || number == most) return std::unexpected(file.error());
  }
}

Result<void> fill_damaged(Disk& disk, Fd& file, const Owner& owner, std::string_view bytes) {
  if (Result<void> given = give_to(disk, file, owner); !given) return given;
  if (Result<void> put = disk.write(file, bytes, FileBytes{0}); !put) return put;
  if (Result<void> synced = disk.sync(file); !synced) return synced;
  return file.close();
}

/// The name under which the bytes are kept.
Result<std::string> keep_damaged(Disk& disk, const CredentialFilePlace& place, const Owner& owner,
                                 std::string_view bytes) {
  Result<NewFile> file = create_damaged(disk, place);
  if (!file) return std::unexpected(std::move(file).error());
  if (Result<void> filled = fill_damaged(disk, file->fd, owner, bytes); !filled) {
    (void)disk.remove(place.directory.get(), file->name);
    return std::unexpected(std::move(filled).error());
  }
  return std::move(file->name);
}

Result<std::string> rebuild_locked(Disk& disk, const CredentialFilePlace& place,
                                   const CredentialDbWriter::Rebuild& plan) {
  const Result<CredentialFile> old = open_credential_file(disk, place);
  if (!old) return std::unexpected(old.error());
  const Result<Secret> bytes = bytes_of(disk, *old);
  if (!bytes) return std::unexpected(bytes.error());
  const Result<std::vector<Change>> changes = plan(bytes->octets());
  if (!changes) return std::unexpected(changes.error());
  Records records = shared_records_of(disk, place);
  for (const Change& change : *changes) {
    Result<void> changed = change_record(records, change);
    if (!changed) return std::unexpected(std::move(changed).error());
  }
  const Owner owner{.user = old->status.owner, .group = old->status.group};
  Result<std::string> kept = keep_damaged(disk, place, owner, bytes->octets());
  if (!kept) return kept;
  Result<void> replaced = replace_with(disk, place, owner, std::move(records));
  if (!replaced) return std::unexpected(std::move(replaced).error());
  return kept;
}

Result<void> in_file(Result<void> done, const std::filesystem::path& file) {
  if (done) return done;
  return std::unexpected(std::move(done).error().in("credential file " + file.native()));
}

template <class Work>
Result<void> with_lock(Disk& disk, const std::filesystem::path& file,
                       CredentialDbWriter::Locking locking, const Work& work) {
  const Result<CredentialFilePlace> place = open_credential_place(file);
  if (!place) return std::unexpected(place.error());
  const Result<Fd> lock = acquire_lock(disk, *place, locking.wait_at_most);
  if (!lock) return in_file(std::unexpected(lock.error()), file);
  return work(*place);
}

}  // namespace

Result<void> CredentialDbWriter::create(Disk& disk, const std::filesystem::path& file,
                                        Locking locking) {
  return with_lock(disk, file, locking, [&](const CredentialFilePlace& place) {
    return in_file(create_locked(disk, place), file);
  });
}

Result<void> CredentialDbWriter::empty(Disk& disk, const std::filesystem::path& file,
                                       Locking locking) {
  return with_lock(disk, file, locking, [&](const CredentialFilePlace& place) {
    return in_file(empty_locked(disk, place), file);
  });
}

Result<void> CredentialDbWriter::update(Disk& disk, const std::filesystem::path& file,
                                        const Plan& plan, Locking locking) {
  return with_lock(disk, file, locking, [&](const CredentialFilePlace& place) -> Result<void> {
    const Result<std::vector<Change>> changes = plan(CredentialDb{file});
    if (!changes) return std::unexpected(changes.error());
    if (changes->empty()) return {};
    return in_file(change_locked(disk, place, *changes), file);
  });
}

Result<void> CredentialDbWriter::apply(Disk& disk, const std::filesystem::path& file,
                                       std::vector<Change> changes) {
  return update(disk, file, [&changes](const CredentialDb&) -> Result<std::vector<Change>> {
    return std::move(changes);
  });
}

Result<std::filesystem::path> CredentialDbWriter::rebuild(Disk& disk,
                                                          const std::filesystem::path& file,
                                                          const Rebuild& plan) {
  std::filesystem::path kept = file;
  Result<void> done =
      with_lock(disk, file, Locking{}, [&](const CredentialFilePlace& place) -> Result<void> {
        Result<std::string> name = rebuild_locked(disk, place, plan);
        if (!name) return in_file(std::unexpected(std::move(name).error()), file);
        kept.replace_filename(*name);
        return {};
      });
  if (!done) return std::unexpected(std::move(done).error());
  return kept;
}

Result<Secret> CredentialDbWriter::read_bytes(Disk& disk, const std::filesystem::path& file) {
  const Result<CredentialFilePlace> place = open_credential_place(file);
  if (!place) return std::unexpected(place.error());
  const Result<CredentialFile> opened = open_credential_file(disk, *place);
  Result<Secret> bytes = opened ? bytes_of(disk, *opened) : std::unexpected(opened.error());
  if (bytes) return bytes;
  return std::unexpected(std::move(bytes).error().in("credential file " + file.native()));
}

}  // namespace pop
