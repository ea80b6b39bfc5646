#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "auth/device_password.h"
#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// When and from where a device password was last good for a login.
struct DeviceUse {
  std::chrono::sys_seconds time;
  std::string address;  // numeric

  bool operator==(const DeviceUse&) const = default;
};

/// The file beside the credential file that keepers write last uses to: FILE.used, one line of a
/// fixed length for each device password, in place. So a login costs one small write at most and
/// needs no lock, and the credential file is never written to by keepers. Only a record of what
/// was: nothing is decided by it, and it may be lost.
class DeviceUses {
 public:
  explicit DeviceUses(const std::filesystem::path& credential_file);

  /// Makes the file if it is not there, with the owner of the credential file and mode 0600.
  [[nodiscard]] static Result<void> ensure(Disk& disk,
                                           const std::filesystem::path& credential_file);

  /// nullopt: never, or it was lost. Errc::denied for a file that CredentialDb would refuse.
  [[nodiscard]] Result<std::optional<DeviceUse>> last(const DevicePassword& device) const;

  /// Not made durable, and not written at all when a use less than a minute ago stands there.
  /// Errc::not_found when there is no file: keepers make none.
  [[nodiscard]] Result<void> record(const DevicePassword& device, const DeviceUse& use) const;

 private:
  std::filesystem::path file_;
};

}  // namespace pop
