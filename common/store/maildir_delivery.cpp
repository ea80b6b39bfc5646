#include "store/maildir_delivery.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "store/maildir_listing.h"

namespace pop {
namespace {

std::string padded(std::uint64_t number, std::size_t digits) {
  std::string text = std::to_string(number);
  if (text.size() < digits) text.insert(0, digits - text.size(), '0');
  return text;
}

/// Neither '/' nor ':' may stand in a base name.
std::string host_part() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  std::string part;
  for (const char c : std::string_view{name.data()}) {
    const bool fits = c > 0x20 && c < 0x7f && c != '/' && c != ':' && c != ',';
    part += fits ? c : '_';
  }
  return part.empty() ? "localhost" : part;
}

/// One that is there already is what a crash left, or another process makes.
Result<void> make_directory(Disk& disk, int above, const std::string& name) {
  Result<void> made = disk.make_directory(above, name, 0700);
  if (!made && made.error().code == Errc::busy) return {};
  return made;
}

}  // namespace

std::string maildir_build_name(const FilePlace& place) {
  return "." + place.name + ".maildir.new";
}

Result<void> make_maildir(Disk& disk, const FilePlace& place) {
  const Result<FileStatus> there = disk.status(place.directory(), place.name);
  if (there) return fail(Errc::busy, place.path() + " is there already");
  if (there.error().code != Errc::not_found) return std::unexpected(there.error());
  const std::string build = maildir_build_name(place);
  Result<void> done = make_directory(disk, place.directory(), build);
  if (!done) return done;
  const Result<Fd> root = disk.open(place.directory(), build, O_RDONLY | O_DIRECTORY);
  if (!root) return std::unexpected(root.error());
  for (const char* name : {"tmp", "cur", "new"}) {
    if (done) done = make_directory(disk, root->get(), name);
  }
  if (done) done = disk.sync_directory(root->get());
  if (done) done = disk.rename(place.directory(), build, place.name);
  if (!done && done.error().code == Errc::not_found) {
    return fail(Errc::busy, place.path() + " is made by another program");
  }
  return done ? disk.sync_directory(place.directory()) : done;
}

std::string new_maildir_base(std::int64_t seconds, std::uint64_t order) {
  static std::uint64_t deliveries = 0;
  return std::to_string(std::max<std::int64_t>(seconds, 0)) + ".M" + padded(order, 6) + "P" +
         std::to_string(::getpid()) + "Q" + std::to_string(++deliveries) + "R" +
         std::to_string(random_number() % 1'000'000'000) + "." + host_part();
}

Result<MaildirDelivery> MaildirDelivery::begin(Disk& disk, const Fd& tmp, std::string base) {
  Result<Fd> file = disk.open(tmp.get(), base, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return std::unexpected(std::move(file).error());
  return MaildirDelivery{disk, tmp, std::move(base), std::move(*file)};
}

MaildirDelivery::MaildirDelivery(Disk& disk, const Fd& tmp, std::string base, Fd file)
    : disk_{&disk},
      tmp_{&tmp},
      base_{std::move(base)},
      file_{std::make_unique<Fd>(std::move(file))},
      buffer_{disk, *file_, FileBytes{0}} {}

MaildirDelivery::MaildirDelivery(MaildirDelivery&& other) noexcept
    : disk_{other.disk_},
      tmp_{other.tmp_},
      base_{std::exchange(other.base_, {})},
      file_{std::move(other.file_)},
      buffer_{std::move(other.buffer_)},
      size_{other.size_},
      bare_line_feeds_{other.bare_line_feeds_},
      last_{other.last_} {}

MaildirDelivery::~MaildirDelivery() {
  if (!base_.empty()) (void)disk_->remove(tmp_->get(), base_);
}

Result<void> MaildirDelivery::append(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n' && last_ != '\r') ++bare_line_feeds_;
    last_ = c;
  }
  size_ += {bytes.size()};
  return buffer_.append(bytes);
}

Result<void> MaildirDelivery::complete() {
  if (!file_->is_open()) return {};
  Result<void> done = buffer_.flush();
  if (done) done = disk_->sync(*file_);
  return done ? file_->close() : done;
}

Result<std::string> MaildirDelivery::finish(int directory, std::string_view info) {
  Result<void> done = complete();
  if (!done) return std::unexpected(std::move(done).error());
  std::string name = base_ + ",S=" + std::to_string(size_.count) +
                     ",W=" + std::to_string(size_.count + bare_line_feeds_);
  name += info;
  done = disk_->move(tmp_->get(), base_, directory, name);
  if (!done) return std::unexpected(std::move(done).error());
  base_.clear();
  return name;
}

}  // namespace pop
