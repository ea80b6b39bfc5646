#include "popspool/tar_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <new>

#include "base/text.h"

namespace pop {
namespace {

struct EntryRelease {
  void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};
struct ReadRelease {
  void operator()(archive* tar) const noexcept { archive_read_free(tar); }
};
using ReadHandle = std::unique_ptr<archive, ReadRelease>;

constexpr std::size_t block = 10240;

std::string reason(archive* tar) {
  const char* text = archive_error_string(tar);
  return escaped(text != nullptr ? text : "it cannot be understood");
}

std::unexpected<Error> write_failure(archive* tar) {
  const int number = archive_errno(tar);
  if (number > 0) return fail_errno(number, "write the tar");
  return fail(Errc::io, "write the tar: " + reason(tar));
}

Result<ReadHandle> opened(const Fd& file) {
  ReadHandle tar{archive_read_new()};
  if (!tar) throw std::bad_alloc{};
  archive_read_support_filter_all(tar.get());
  archive_read_support_format_tar(tar.get());
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_errno(errno, "read the tar");
  if (archive_read_open_fd(tar.get(), file.get(), block) != ARCHIVE_OK) {
    return fail(Errc::corrupt, "no tar that can be read: " + reason(tar.get()));
  }
  return tar;
}

Result<std::string> content_of(archive* tar, std::uint64_t largest) {
  std::string content;
  std::array<char, std::size_t{64} * 1024> piece;
  for (;;) {
    const la_ssize_t got = archive_read_data(tar, piece.data(), piece.size());
    if (got < 0) return fail(Errc::corrupt, "the tar is damaged: " + reason(tar));
    if (got == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(got));
    if (content.size() > largest) return fail(Errc::limit, "a file in the tar is too large");
  }
}

}  // namespace

void TarWriter::Release::operator()(archive* tar) const noexcept {
  archive_write_free(tar);
}

Result<TarWriter> TarWriter::begin(const Fd& file) {
  std::unique_ptr<archive, Release> tar{archive_write_new()};
  if (!tar) throw std::bad_alloc{};
  const bool is_open = archive_write_set_format_pax_restricted(tar.get()) == ARCHIVE_OK &&
                       archive_write_open_fd(tar.get(), file.get()) == ARCHIVE_OK;
  if (!is_open) return write_failure(tar.get());
  return TarWriter{std::move(tar)};
}

Result<void> TarWriter::add(const std::string& path, std::string_view content,
                            std::int64_t modified) {
  const std::unique_ptr<archive_entry, EntryRelease> entry{archive_entry_new()};
  if (!entry) throw std::bad_alloc{};
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  archive_entry_set_mtime(entry.get(), modified, 0);
  if (archive_write_header(tar_.get(), entry.get()) != ARCHIVE_OK) return write_failure(tar_.get());
  const la_ssize_t put = archive_write_data(tar_.get(), content.data(), content.size());
  if (put < 0 || static_cast<std::size_t>(put) != content.size()) return write_failure(tar_.get());
  return {};
}

Result<void> TarWriter::finish() {
  if (archive_write_close(tar_.get()) != ARCHIVE_OK) return write_failure(tar_.get());
  return {};
}

Result<void> read_tar(const Fd& file, std::uint64_t largest, const VisitTarFile& visit) {
  const Result<ReadHandle> tar = opened(file);
  if (!tar) return std::unexpected(tar.error());
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(tar->get(), &entry);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      return fail(Errc::corrupt, "the tar is damaged: " + reason(tar->get()));
    }
    const char* path = archive_entry_pathname(entry);
    const bool is_plain = archive_entry_filetype(entry) == AE_IFREG &&
                          archive_entry_hardlink(entry) == nullptr && path != nullptr;
    if (!is_plain) continue;
    const Result<std::string> content = content_of(tar->get(), largest);
    if (!content) return std::unexpected(content.error());
    if (Result<void> visited = visit(path, *content); !visited) return visited;
  }
}

bool is_tar(const Fd& file) {
  const Result<ReadHandle> tar = opened(file);
  archive_entry* entry = nullptr;
  return tar && archive_read_next_header(tar->get(), &entry) == ARCHIVE_OK;
}

}  // namespace pop
