#include "dbm/dbm_file.h"

#include <gdbm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

namespace pop {

// GDBM's own type is a pointer to a structure that it does not show: Handle stands for that
// structure, so that <gdbm.h> stays out of the header.
struct DbmFile::Handle {};

namespace {

template <class Handle>
GDBM_FILE raw(Handle* handle) {
  return reinterpret_cast<GDBM_FILE>(handle);
}

/// What GDBM allocated for us, wiped before it is freed.
class FetchedDatum {
 public:
  explicit FetchedDatum(datum d) : datum_{d} {}
  FetchedDatum(FetchedDatum&& other) noexcept
      : datum_{std::exchange(other.datum_, datum{nullptr, 0})} {}
  FetchedDatum& operator=(FetchedDatum other) noexcept {
    std::swap(datum_, other.datum_);
    return *this;
  }
  ~FetchedDatum() {
    if (datum_.dptr == nullptr) return;
    wipe({datum_.dptr, static_cast<std::size_t>(datum_.dsize)});
    std::free(datum_.dptr);
  }

  [[nodiscard]] bool found() const { return datum_.dptr != nullptr; }
  [[nodiscard]] datum get() const { return datum_; }
  [[nodiscard]] std::string_view octets() const {
    return {datum_.dptr, static_cast<std::size_t>(datum_.dsize)};
  }

 private:
  datum datum_;
};

bool fits(std::string_view octets) {
  return octets.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

// GDBM does not write to keys and values, its interface is only older than const.
datum as_datum(std::string_view octets) {
  return {const_cast<char*>(octets.data()), static_cast<int>(octets.size())};
}

/// errno speaks for failed system calls; everything else GDBM finds is damage in the file.
Error error_of(gdbm_error code, int system_error, std::string_view doing) {
  if (code == GDBM_FILE_EOF) return {Errc::corrupt, std::string{doing} + ": the file ends early"};
  if (code == GDBM_FILE_SEEK_ERROR)
    return {Errc::corrupt, std::string{doing} + ": impossible offset"};
  if (gdbm_check_syserr(code) != 0 && system_error != 0) return errno_error(system_error, doing);
  if (code == GDBM_MALLOC_ERROR) {
    return {Errc::corrupt, std::string{doing} + ": a size in it is beyond all memory"};
  }
  return {Errc::corrupt, std::string{doing} + ": " + gdbm_strerror(code)};
}

/// GDBM ends the process when a system call fails that it did not expect to (an impossible offset
/// in a damaged file is enough), unless this function, which it calls first, does not return. So it
/// throws; the exception crosses GDBM's C frames by their unwind tables and is caught in
/// without_exit() right above them. What GDBM had allocated for the call is lost.
struct GdbmFatal {
  gdbm_error code;
  int system_error;
};
[[noreturn]] void throw_fatal(const char*) {
  throw GdbmFatal{gdbm_errno, errno};
}

template <class Work>
auto without_exit(const std::string& doing, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const GdbmFatal& fatal) {
    return std::unexpected(error_of(fatal.code, fatal.system_error, doing));
  }
}

/// The key after `key`, or not found at the end or on failure: the caller asks which.
FetchedDatum next_key(GDBM_FILE file, const FetchedDatum& key) {
  return FetchedDatum{gdbm_nextkey(file, key.get())};
}

/// More records than bytes: a damaged directory that leads in a circle.
std::uint64_t most_records(GDBM_FILE file) {
  struct stat st {};
  if (::fstat(gdbm_fdesc(file), &st) != 0) return 0;
  return static_cast<std::uint64_t>(st.st_size);
}

constexpr int our_flags = GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC | GDBM_CLOERROR;

/// Takes `file` over. GDBM closes it on failure too (GDBM_CLOERROR).
Result<GDBM_FILE> open_raw(Fd file, const std::string& name, int mode) {
  // GDBM reads the header where the offset happens to be.
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "rewind " + name);
  errno = 0;
  return without_exit("open " + name, [&]() -> Result<GDBM_FILE> {
    GDBM_FILE opened = gdbm_fd_open(file.release(), name.c_str(), 0, mode | our_flags, throw_fatal);
    if (opened != nullptr) return opened;
    const int saved = errno;
    return std::unexpected(error_of(gdbm_errno, saved, "open " + name));
  });
}

}  // namespace

void DbmFile::CloseHandle::operator()(Handle* handle) const noexcept {
  (void)without_exit("close", [handle]() -> Result<void> {
    gdbm_close(raw(handle));
    return {};
  });
}

DbmFile::DbmFile(Handle* handle, std::string name) : handle_{handle}, name_{std::move(name)} {}

Error DbmFile::failure(std::string_view doing) const {
  GDBM_FILE file = raw(handle_.get());
  return error_of(gdbm_last_errno(file), gdbm_last_syserr(file), std::string{doing} + " " + name_);
}

Result<DbmFile> DbmFile::open(Fd file, std::string name, Access access) {
  // GDBM takes a file without a byte for one to be filled; a reader must not.
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return fail_errno(errno, "fstat " + name);
  if (st.st_size == 0) return fail(Errc::corrupt, "open " + name + ": the file is empty");

  const int mode = access == Access::read ? GDBM_READER | GDBM_XVERIFY : GDBM_WRITER | GDBM_XVERIFY;
  Result<GDBM_FILE> opened = open_raw(std::move(file), name, mode);
  if (!opened) return std::unexpected(std::move(opened).error());
  DbmFile dbm{reinterpret_cast<Handle*>(*opened), std::move(name)};
  if (dbm.needs_recovery()) {
    return fail(Errc::corrupt, "open " + dbm.name_ + ": an interrupted change left it unreadable");
  }
  return dbm;
}

Result<DbmFile> DbmFile::create(Fd empty_file, std::string name) {
  Result<GDBM_FILE> opened = open_raw(std::move(empty_file), name, GDBM_NEWDB);
  if (!opened) return std::unexpected(std::move(opened).error());
  return DbmFile{reinterpret_cast<Handle*>(*opened), std::move(name)};
}

Result<std::optional<Secret>> DbmFile::fetch(std::string_view key) const {
  if (!fits(key)) return std::nullopt;
  return without_exit("read " + name_, [&]() -> Result<std::optional<Secret>> {
    GDBM_FILE file = raw(handle_.get());
    const FetchedDatum value{gdbm_fetch(file, as_datum(key))};
    if (value.found()) return Secret{value.octets()};
    if (gdbm_last_errno(file) == GDBM_ITEM_NOT_FOUND) return std::nullopt;
    return std::unexpected(failure("read"));
  });
}

Result<void> DbmFile::walk(const Visit& visit) const {
  return without_exit("read " + name_, [&]() -> Result<void> {
    GDBM_FILE file = raw(handle_.get());
    std::uint64_t left = most_records(file);
    gdbm_clear_error(file);
    for (FetchedDatum key{gdbm_firstkey(file)}; key.found(); key = next_key(file, key)) {
      if (left-- == 0) return fail(Errc::corrupt, "read " + name_ + ": its directory is damaged");
      const FetchedDatum value{gdbm_fetch(file, key.get())};
      if (!value.found()) return std::unexpected(failure("read"));
      if (Result<void> visited = visit(key.octets(), value.octets()); !visited) return visited;
    }
    const gdbm_error end = gdbm_last_errno(file);
    if (end == GDBM_ITEM_NOT_FOUND || end == GDBM_NO_ERROR) return {};
    return std::unexpected(failure("read"));
  });
}

Result<std::uint64_t> DbmFile::verify() const {
  std::uint64_t records = 0;
  Result<void> walked = walk([&records](std::string_view, std::string_view) -> Result<void> {
    ++records;
    return {};
  });
  if (!walked) return std::unexpected(std::move(walked).error());
  return without_exit("count " + name_, [&]() -> Result<std::uint64_t> {
    gdbm_count_t counted = 0;
    if (gdbm_count(raw(handle_.get()), &counted) != 0) return std::unexpected(failure("count"));
    if (counted == records) return records;
    return fail(Errc::corrupt, "verify " + name_ + ": some records cannot be reached");
  });
}

Result<void> DbmFile::store(std::string_view key, std::string_view value) {
  if (!fits(key) || !fits(value)) return fail(Errc::limit, "store in " + name_ + ": too long");
  return without_exit("store in " + name_, [&]() -> Result<void> {
    GDBM_FILE file = raw(handle_.get());
    if (gdbm_store(file, as_datum(key), as_datum(value), GDBM_REPLACE) == 0) return {};
    return std::unexpected(failure("store in"));
  });
}

Result<bool> DbmFile::erase(std::string_view key) {
  if (!fits(key)) return false;
  return without_exit("erase from " + name_, [&]() -> Result<bool> {
    GDBM_FILE file = raw(handle_.get());
    if (gdbm_delete(file, as_datum(key)) == 0) return true;
    if (gdbm_last_errno(file) == GDBM_ITEM_NOT_FOUND) return false;
    return std::unexpected(failure("erase from"));
  });
}

bool DbmFile::needs_recovery() const {
  return gdbm_needs_recovery(raw(handle_.get())) != 0;
}

Result<void> DbmFile::close() {
  return without_exit("close " + name_, [&]() -> Result<void> {
    errno = 0;
    if (gdbm_close(raw(handle_.release())) == 0) return {};
    const int saved = errno;
    return std::unexpected(error_of(gdbm_errno, saved, "close " + name_));
  });
}

}  // namespace pop
