#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

namespace pop::test {

/// A new directory, removed with all it holds.
class TemporaryDirectory {
 public:
  /// `memory`: where there is a directory in memory, for tests of many small fsyncs.
  enum class Place : std::uint8_t { any, memory };

  explicit TemporaryDirectory(Place place = Place::any) {
    const bool in_memory = place == Place::memory && ::access("/dev/shm", W_OK) == 0;
    const std::filesystem::path above =
        in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (above / "popper-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), name);
    }
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline void put_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream out{path, std::ios::binary};
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.native());
}

/// "" if there is no such file.
inline std::string get_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace pop::test
