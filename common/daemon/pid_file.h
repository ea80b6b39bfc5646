#pragma once

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// The file that tells whom to signal. Locked while this object lives, so that a second daemon
/// cannot take it, and removed with it.
class PidFile {
 public:
  /// Nowhere.
  PidFile() = default;
  /// Writes this process's number; an empty path is nowhere. A file left by a crash is taken over.
  /// Errc::busy when its daemon runs, Errc::denied when something else than a number is in it.
  [[nodiscard]] static Result<PidFile> take(const std::filesystem::path& path);

  PidFile(PidFile&& other) noexcept
      : path_{std::exchange(other.path_, {})}, file_{std::move(other.file_)} {}
  PidFile& operator=(PidFile other) noexcept;
  ~PidFile();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  PidFile(std::filesystem::path path, Fd file) : path_{std::move(path)}, file_{std::move(file)} {}

  std::filesystem::path path_;  // empty: nowhere
  Fd file_;
};

}  // namespace pop
