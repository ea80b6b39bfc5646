#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/disk.h"
#include "base/units.h"
#include "store/append_buffer.h"
#include "store/maildrop_location.h"

namespace pop {

/// Makes an empty Maildir in one step, durably; mode 0700. Errc::busy: something stands there.
[[nodiscard]] Result<void> make_maildir(Disk& disk, const FilePlace& place);

/// The name beside it under which a Maildir is built.
[[nodiscard]] std::string maildir_build_name(const FilePlace& place);

/// A name that no other delivery of this host gives, in the order of deliveries: the seconds of
/// `seconds`, then `order` of what happens within one second.
[[nodiscard]] std::string new_maildir_base(std::int64_t seconds, std::uint64_t order);

/// One message on its way into a Maildir: written to `tmp`, fsync'ed, moved. What has not arrived
/// is removed by the destructor.
class MaildirDelivery {
 public:
  /// `tmp` is open and must outlive this. Errc::busy: the name is taken.
  [[nodiscard]] static Result<MaildirDelivery> begin(Disk& disk, const Fd& tmp, std::string base);
  MaildirDelivery(MaildirDelivery&& other) noexcept;
  MaildirDelivery& operator=(MaildirDelivery&&) = delete;
  ~MaildirDelivery();

  [[nodiscard]] Result<void> append(std::string_view bytes);
  /// Writes and fsyncs all of it and closes the file; optional, for finish() does it, too. Nothing
  /// can be appended any more.
  [[nodiscard]] Result<void> complete();
  /// Moves the whole, fsync'ed file to `directory` as BASE,S=...,W=... and `info` behind it;
  /// gives that name. The caller fsyncs the directory.
  [[nodiscard]] Result<std::string> finish(int directory, std::string_view info);
  [[nodiscard]] FileBytes size() const { return size_; }

 private:
  MaildirDelivery(Disk& disk, const Fd& tmp, std::string base, Fd file);

  Disk* disk_;
  const Fd* tmp_;
  std::string base_;  // empty: nothing to remove
  std::unique_ptr<Fd> file_;
  AppendBuffer buffer_;
  FileBytes size_;
  std::uint64_t bare_line_feeds_ = 0;
  char last_ = '\n';
};

}  // namespace pop
