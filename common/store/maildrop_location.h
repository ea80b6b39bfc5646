#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "conf/settings.h"
#include "store/maildrop.h"

namespace pop {

/// A directory held open, with the path it was opened by for messages.
struct OpenDirectory {
  Fd fd;
  std::filesystem::path path;
};

/// One file by its open directory and its name there, so that no later operation walks a path.
/// The file need not exist. Copies share the descriptor.
struct FilePlace {
  std::shared_ptr<const OpenDirectory> in;
  std::string name;  // one path component

  [[nodiscard]] int directory() const { return in->fd.get(); }
  /// For messages only.
  [[nodiscard]] std::string path() const { return (in->path / name).native(); }
  /// Another name in the same directory.
  [[nodiscard]] FilePlace sibling(std::string other) const { return {in, std::move(other)}; }
};

/// Where every file of one maildrop lies. Journal, trash and imported ids are beside the spool:
/// then one fsync of that directory covers the spool's and theirs.
struct MaildropLocation {
  FilePlace spool;                    // the mail
  FilePlace drop;                     // .USER.pop: session lock, leftover mail of the old program
  FilePlace index;                    // .USER.cache; in a directory that is not open, where each
                                      // operation fails, if the cache's cannot be used
  FilePlace journal;                  // .USER.journal
  FilePlace trash;                    // .USER.trash
  FilePlace undo;                     // .USER.undo
  FilePlace uidl;                     // .USER.uidl
  FilePlace retrievals;               // .USER.retrieved
  FilePlace warnings;                 // .USER.warned
  std::optional<FilePlace> old_drop;  // check-old-spool-loc: plain SPOOL-DIR/.USER.pop, when that
                                      // is not `drop`; need not exist
  std::vector<std::string> remarks;   // as of Maildrop::remarks()
};

/// Computes the names and opens the directories:
///   spool  SPOOL-DIR/[hash/]USER, or HOME/[hash/]HOME-DIR-MAIL, or the user's own maildrop path
///   drop   TEMP-DIR/[hash/]temp-name; without temp-dir: the home directory with home-dir-misc,
///          else the spool's directory
///   index  CACHE-DIR/[hash/]cache-name; without cache-dir: the directory of the drop
/// home-dir-misc goes before temp-dir and cache-dir. A user's own maildrop path is never hashed;
/// its file name stands for USER in the names of files beside it, so that two accounts with one
/// maildrop share lock, index and journal. A '/' at the end of a maildrop path or of home-dir-mail
/// makes no difference. For a Maildir see maildir_location.h.
/// With check-hash-dir, missing hash directories are made when this process may own them (see
/// make_hash_directories); otherwise that is Errc::denied with the remedy.
/// Errc::usage: temp-name or cache-name without exactly one %s or with a '/', or one that gives the
/// name of another file of the maildrop in the same directory (the text names both), a user name
/// that cannot be a file name, a maildrop path that is not absolute. Errc::not_found: no such
/// directory for spool or drop; the text tells which option names it.
[[nodiscard]] Result<MaildropLocation> locate_maildrop(Disk& disk, const Settings& settings,
                                                       const MailUser& user);

/// The path of the spool alone; opens nothing. Errc::usage as above.
[[nodiscard]] Result<std::filesystem::path> spool_path(const Settings& settings,
                                                       const MailUser& user);

/// For the start: Errc::usage if the options give two files of every maildrop one name, with the
/// text that locate_maildrop() would have for a user USER. Looks at no file, so what only links or
/// one user's name or maildrop path bring about is left to locate_maildrop().
[[nodiscard]] Result<void> check_file_names(const Settings& settings);

/// Opens the directory `name` in `above`. A symbolic link is followed only where the administrator
/// or the owner of `above` made it: in a directory that others may write to, anybody could have.
/// Errc::denied for another link.
[[nodiscard]] Result<Fd> open_trusted_directory(Disk& disk, const Fd& above,
                                                const std::string& name);

/// Makes the missing hash directories of the spool, the drop and the index with mode, owner and
/// group of the directory above. Harmless when two processes do it at once. Does nothing unless
/// check-hash-dir and hash-spool are set. A shared hash directory must not belong to the user who
/// happens to come first, so call this as root before the uid is given up; directories under the
/// user's home are left to locate_maildrop(), which runs as the user.
[[nodiscard]] Result<void> make_hash_directories(Disk& disk, const Settings& settings,
                                                 const MailUser& user);

/// The hash directory of a user: "" for method 0; method 1: one letter, 'a' plus the sum of the
/// bytes of the first up to five characters modulo 26 (maida: "o"); method 2: first and second
/// character (maida: "m/a"; a one-letter name repeats it; a dot adds no level, j.doe: "j").
/// Errc::usage for another method or a name that cannot be a file name.
[[nodiscard]] Result<std::filesystem::path> hash_directory(std::int64_t method,
                                                           std::string_view user);

/// `pattern` with its only %s replaced. Errc::usage if there is not exactly one, another '%'
/// stands in it, or there is a '/'; `option` names the setting in the message.
[[nodiscard]] Result<std::string> expand_file_name(std::string_view option,
                                                   std::string_view pattern, std::string_view user);

}  // namespace pop
