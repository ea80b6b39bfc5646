#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/secret.h"

namespace pop {

/// One open GDBM file. It works on the descriptor alone, never on the name, and takes no lock of
/// GDBM's: callers replace whole files and never change one that somebody reads. It moves the
/// descriptor's offset, so no duplicate of that may be used meanwhile.
///
/// Not mapped into memory, so a file that shrinks under a reader is an error and not a signal.
/// Values come as Secret: they are wiped from our memory, whatever they hold. Errors of all calls:
/// Errc::corrupt when the bytes are not a sound GDBM file, else as errno says (Errc::full, io).
class DbmFile {
 public:
  enum class Access : std::uint8_t { read, change };

  /// Takes the descriptor over, also on failure. `name` is for messages only. Errc::corrupt also
  /// for a file that an interrupted writer left in need of recovery.
  [[nodiscard]] static Result<DbmFile> open(Fd file, std::string name, Access access);
  /// Makes an empty database in an empty file that is open for reading and writing.
  [[nodiscard]] static Result<DbmFile> create(Fd empty_file, std::string name);

  /// nullopt: no such key.
  [[nodiscard]] Result<std::optional<Secret>> fetch(std::string_view key) const;
  /// Calls `visit` once for each record, in no order; stops at its first error and returns that.
  /// `visit` must not change the file. Ends on damaged files too.
  using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;
  [[nodiscard]] Result<void> walk(const Visit& visit) const;
  /// Reads every record: the proof that all of them can be read. Returns their number.
  [[nodiscard]] Result<std::uint64_t> verify() const;

  [[nodiscard]] Result<void> store(std::string_view key, std::string_view value);
  /// False: there was no such key.
  [[nodiscard]] Result<bool> erase(std::string_view key);

  /// A change failed half-way: nothing in the file can be relied on any more.
  [[nodiscard]] bool needs_recovery() const;

  /// Writes what GDBM still holds back and says whether that worked. Required after changes: the
  /// destructor has nobody to tell. Nothing else may be called afterwards.
  [[nodiscard]] Result<void> close();

 private:
  struct Handle;
  struct CloseHandle {
    void operator()(Handle* handle) const noexcept;
  };

  DbmFile(Handle* handle, std::string name);
  [[nodiscard]] Error failure(std::string_view doing) const;

  std::unique_ptr<Handle, CloseHandle> handle_;
  std::string name_;
};

}  // namespace pop
