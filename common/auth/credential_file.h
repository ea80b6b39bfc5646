#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "base/disk.h"
#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// The credential file taken apart into what Disk wants.
struct CredentialFilePlace {
  Fd directory;
  std::string name;
};

/// Opens the directory; Errc::usage for a path that names no file.
[[nodiscard]] Result<CredentialFilePlace> open_credential_place(const std::filesystem::path& file);

/// A credential file that passed the checks CredentialDb promises.
struct CredentialFile {
  Fd fd;
  FileStatus status;
};
[[nodiscard]] Result<CredentialFile> open_credential_file(Disk& disk,
                                                          const CredentialFilePlace& place,
                                                          int access = O_RDONLY);

}  // namespace pop
