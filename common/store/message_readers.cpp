#include "store/message_readers.h"

#include <algorithm>
#include <utility>

namespace pop {
namespace {

bool same_content(const FileStatus& a, const FileStatus& b) {
  return a.size == b.size && a.modified.tv_sec == b.modified.tv_sec &&
         a.modified.tv_nsec == b.modified.tv_nsec;
}

class SpoolMessageReader final : public MessageReader {
 public:
  SpoolMessageReader(const SpoolSource& source, const SpoolMessage& message, std::string what)
      : source_{source}, message_{message}, at_{message.header}, what_{std::move(what)} {}

  Result<void> check_unchanged() {
    const Result<FileStatus> now = source_.disk.status(source_.file);
    if (!now) return std::unexpected(now.error());
    if (now->same_file(source_.seen) && same_content(*now, source_.seen)) return {};
    const Result<bool> there =
        still_stands(source_.disk, source_.file, message_, source_.format, source_.options);
    if (!there) return std::unexpected(there.error());
    if (!*there) {
      return fail(Errc::changed, what_ + " was changed by another program during the session");
    }
    source_.seen = *now;
    return {};
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t want =
        std::min<std::uint64_t>(buffer.size(), (message_.content_end - at_).count);
    const Result<std::size_t> got = source_.disk.read(source_.file, buffer.first(want), at_);
    if (got && *got < want) return fail(Errc::changed, "the spool became shorter");
    if (!got) return got;
    if (Result<void> fine = check_unchanged(); !fine) {
      return std::unexpected(std::move(fine).error());
    }
    at_ += {*got};
    return got;
  }

 private:
  SpoolSource source_;
  SpoolMessage message_;
  FileBytes at_;
  std::string what_;
};

class FileMessageReader final : public MessageReader {
 public:
  FileMessageReader(Disk& disk, Fd file, const FileStatus& status)
      : disk_{disk}, file_{std::move(file)}, status_{status} {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), (status_.size - at_).count);
    const Result<std::size_t> got = disk_.read(file_, buffer.first(want), at_);
    if (got && *got < want) return fail(Errc::changed, "the message became shorter");
    if (!got) return got;
    const Result<FileStatus> now = disk_.status(file_);
    if (!now) return std::unexpected(now.error());
    if (!same_content(*now, status_)) {
      return fail(Errc::changed, "another program wrote into the message");
    }
    at_ += {*got};
    return got;
  }

 private:
  Disk& disk_;
  Fd file_;
  FileStatus status_;
  FileBytes at_;
};

}  // namespace

Result<std::unique_ptr<MessageReader>> open_spool_message(const SpoolSource& source,
                                                          const SpoolMessage& message,
                                                          std::string what) {
  auto reader = std::make_unique<SpoolMessageReader>(source, message, std::move(what));
  if (Result<void> fine = reader->check_unchanged(); !fine) {
    return std::unexpected(std::move(fine).error());
  }
  return reader;
}

std::unique_ptr<MessageReader> open_file_message(Disk& disk, Fd file, const FileStatus& status) {
  return std::make_unique<FileMessageReader>(disk, std::move(file), status);
}

}  // namespace pop
