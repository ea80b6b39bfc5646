#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "conf/settings.h"
#include "tls/tls_material.h"

namespace pop {

struct TlsPairFiles {
  std::filesystem::path certificate;    // PEM: the server's own, then those up to the root's
  std::filesystem::path key;            // PEM; empty: in the same file
  std::filesystem::path ocsp_response;  // DER; empty: none
  Secret passphrase;                    // of the key; empty: the key is not encrypted
};

/// Where the TLS material lies. Symbolic links are followed: the files are the administrator's.
struct TlsFiles {
  std::vector<TlsPairFiles> pairs;
  std::filesystem::path client_authorities;  // PEM; empty: none
  std::filesystem::path client_users;        // as ClientUserMap reads it; empty: none
};

/// What the tls-* options name. Errc::usage for tls-more-certificates that cannot be read as such,
/// and for options about clients' certificates that make no sense together.
[[nodiscard]] Result<TlsFiles> tls_files_of(const Settings& settings);

/// Which file a path leads to, and in which state. A file that cannot be asked compares equal to
/// itself as long as that is so.
struct TlsFileStamp {
  std::filesystem::path path;
  bool found = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{}, changed{};
  bool operator==(const TlsFileStamp& other) const;
};
[[nodiscard]] std::vector<TlsFileStamp> stamps_of(const TlsFiles& files);

struct LoadedTlsMaterial {
  TlsMaterial material;
  /// What an administrator should hear though it serves: certificates out of date, files that
  /// others may read or write, a chain out of order, an OCSP response that is left out, and why.
  std::vector<std::string> warnings;
  std::vector<TlsFileStamp> stamps;  // of the files that were read
};

/// Reads and checks all files. Blocks on the disk; for the master, as root. Every error names the
/// file and what to do. Errc::not_found and Errc::denied for files that cannot be read (or,
/// of client users, that everybody may write),
/// Errc::corrupt for one that does not hold what it should, Errc::changed for a key that does not
/// belong to its certificate or files that change meanwhile (a renewal may be half done),
/// Errc::limit beyond 1 MiB a file, Errc::usage for no pair at all.
[[nodiscard]] Result<LoadedTlsMaterial> load_tls_material(const TlsFiles& files,
                                                          const Clock& clock);

}  // namespace pop
