#include "popper/mail_intake.h"

#include <utility>

namespace pop {

Result<MailIntake> MailIntake::open(Disk& disk, std::span<const std::filesystem::path> directories,
                                    FileBytes most) {
  Error why{Errc::io, "no directory for the client's message"};
  for (const std::filesystem::path& path : directories) {
    if (!path.is_absolute()) continue;
    const Result<Fd> directory = open_directory(path.native());
    Result<Fd> file =
        directory ? disk.open_unnamed(directory->get(), 0600) : std::unexpected(directory.error());
    if (file) return MailIntake{disk, std::move(*file), most};
    why = std::move(file).error();
  }
  return std::unexpected(std::move(why).in("store the client's message"));
}

std::size_t MailIntake::feed(std::string_view piece) {
  decoded_.clear();
  const std::size_t taken = text_.feed(piece, decoded_);
  if (!failure_ && !is_too_large() && !decoded_.empty()) {
    const FileBytes at = stored_;
    stored_.count += decoded_.size();
    Result<void> written = is_too_large() ? Result<void>{} : disk_->write(file_, decoded_, at);
    if (!written) failure_ = std::move(written).error().in("store the client's message");
  }
  return taken;
}

}  // namespace pop
