#include "store/maildir_listing.h"

#include <algorithm>
#include <limits>
#include <numeric>

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

std::vector<std::uint32_t> shown_order(const MaildirListing& listing) {
  std::vector<std::uint32_t> order(listing.messages.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto place = [&](std::uint32_t index) {
    const std::uint32_t imported = listing.messages[index].order;
    return imported != 0 ? imported : std::numeric_limits<std::uint32_t>::max();
  };
  if (!std::ranges::is_sorted(order, {}, place)) std::ranges::stable_sort(order, {}, place);
  return order;
}

bool is_untouched(const MaildirMessage& message, const FileStatus& now) {
  return message.inode == now.inode && message.size == now.size &&
         message.modified_seconds == now.modified.tv_sec &&
         message.modified_nanoseconds == static_cast<std::uint32_t>(now.modified.tv_nsec);
}

}  // namespace pop
