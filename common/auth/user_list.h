#pragma once

#include <sys/types.h>
#include <time.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pop {

/// A file of user names, one a line, compared exactly; empty lines mean nothing. It is read at the
/// first question and again whenever it has changed, so a question usually costs one stat(2).
class UserList {
 public:
  explicit UserList(std::filesystem::path file) : file_{std::move(file)} {}

  /// Any error means that the file cannot be read, is no regular file, or is larger than 64 MiB
  /// (Errc::limit). Blocks on the disk.
  [[nodiscard]] Result<bool> contains(std::string_view user);
  /// Reads the file if it has changed. Errors as of contains().
  [[nodiscard]] Result<void> refresh();

  /// What the file said when it could last be read; nullopt when it never could.
  [[nodiscard]] std::optional<bool> last_known(std::string_view user) const;

 private:
  /// What shows that a file is still the one that was read.
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{}, changed{};
    [[nodiscard]] bool operator==(const Version& other) const;
  };
  [[nodiscard]] Result<Version> version() const;
  [[nodiscard]] Result<void> read_anew();

  std::filesystem::path file_;
  bool is_current_ = false;  // false: read it, whatever its version says
  bool was_read_ = false;
  Version version_;
  std::string text_;
  std::vector<std::string_view> names_;  // sorted pieces of text_
};

}  // namespace pop
