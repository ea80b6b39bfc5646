#include "store/maildir_listing.h"

#include "store/maildir_name.h"

namespace pop {

void MaildirListing::append(MaildirMessage message, std::string_view name, std::string_view id) {
  rename(message, message.place(), name);
  message.id_offset = static_cast<std::uint32_t>(ids.size());
  message.id_length = static_cast<std::uint16_t>(id.size());
  ids += id;
  messages.push_back(message);
}

void MaildirListing::rename(MaildirMessage& message, MaildirPlace place, std::string_view name) {
  const MaildirName parsed = parse_maildir_name(name);
  message.delivered = parsed.delivered;
  message.name_offset = static_cast<std::uint32_t>(names.size());
  message.name_length = static_cast<std::uint16_t>(name.size());
  message.base_length = static_cast<std::uint16_t>(parsed.base.size());
  message.flags &= static_cast<std::uint16_t>(~in_cur_flag);
  if (place == MaildirPlace::seen) message.flags |= in_cur_flag;
  names += name;
}

bool is_untouched(const MaildirMessage& message, const FileStatus& now) {
  return message.inode == now.inode && message.size == now.size &&
         message.modified_seconds == now.modified.tv_sec &&
         message.modified_nanoseconds == static_cast<std::uint32_t>(now.modified.tv_nsec);
}

}  // namespace pop
