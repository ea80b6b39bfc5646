#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

struct archive;

namespace pop {

/// Writes a tar of plain files.
class TarWriter {
 public:
  /// `file` must outlive this.
  [[nodiscard]] static Result<TarWriter> begin(const Fd& file);

  /// `modified`: seconds since 1970.
  [[nodiscard]] Result<void> add(const std::string& path, std::string_view content,
                                 std::int64_t modified);
  /// Writes its end; does not fsync.
  [[nodiscard]] Result<void> finish();

 private:
  struct Release {
    void operator()(archive* tar) const noexcept;
  };
  explicit TarWriter(std::unique_ptr<archive, Release> tar) : tar_{std::move(tar)} {}
  std::unique_ptr<archive, Release> tar_;
};

/// Reads a tar, compressed or not, from a descriptor's beginning, and hands every plain file in it
/// to `visit`, whose error ends the reading. Errc::corrupt: no tar, or damaged. Errc::limit: a file
/// of more than `largest` octets.
using VisitTarFile = std::function<Result<void>(std::string_view path, std::string_view content)>;
[[nodiscard]] Result<void> read_tar(const Fd& file, std::uint64_t largest,
                                    const VisitTarFile& visit);

/// Whether the descriptor holds a tar; its position moves.
[[nodiscard]] bool is_tar(const Fd& file);

}  // namespace pop
