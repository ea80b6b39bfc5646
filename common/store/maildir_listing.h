#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/units.h"
#include "mail/mbox_scanner.h"

namespace pop {

/// The two directories of a Maildir that hold mail.
enum class MaildirPlace : std::uint8_t { fresh, seen };  // `new`, `cur`
inline constexpr std::array maildir_places{MaildirPlace::fresh, MaildirPlace::seen};
[[nodiscard]] constexpr std::string_view directory_name(MaildirPlace place) {
  return place == MaildirPlace::fresh ? "new" : "cur";
}
template <class T>
struct EachPlace {
  T fresh{}, seen{};
  [[nodiscard]] T& operator[](MaildirPlace place) {
    return place == MaildirPlace::fresh ? fresh : seen;
  }
  [[nodiscard]] const T& operator[](MaildirPlace place) const {
    return place == MaildirPlace::fresh ? fresh : seen;
  }
};

/// One message of a Maildir as the index keeps it: fixed size, no padding.
struct MaildirMessage {
  std::uint64_t delivered = 0;  // seconds since 1970, from the base name
  std::uint64_t inode = 0;
  FileBytes size;
  std::int64_t modified_seconds = 0;
  WireOctets wire;
  Fingerprint fingerprint;
  std::uint32_t modified_nanoseconds = 0;
  std::uint32_t name_offset = 0;  // into MaildirListing::names
  std::uint32_t id_offset = 0;    // into MaildirListing::ids
  std::uint16_t name_length = 0, base_length = 0;
  std::uint16_t id_length = 0;
  std::uint16_t flags = 0;  // of MaildirFlag
  std::uint32_t order = 0;  // among messages with an imported place, which come first; 0: none

  [[nodiscard]] MaildirPlace place() const;
  [[nodiscard]] bool operator==(const MaildirMessage&) const = default;
};
static_assert(sizeof(MaildirMessage) == 80);

enum MaildirFlag : std::uint16_t {
  in_cur_flag = 1,     // the file lies in `cur`
  proven_flag = 2,     // all of the file has been read: `wire` and `fingerprint` are right; without
                       // it `wire` comes from the file's name
  shared_id_flag = 4,  // another message would have the same unique-id: which one has it depends on
                       // more than this message
  two_names_flag = 8,  // a crash while a program moved the file left both names
  header_utf8_flag = 16,  // as HeaderKind
  header_unended_flag = 32,
};
inline constexpr std::uint16_t known_maildir_flags = 63;
/// What follows from the file's content, and not from where it lies.
inline constexpr std::uint16_t content_maildir_flags =
    proven_flag | header_utf8_flag | header_unended_flag;

inline MaildirPlace MaildirMessage::place() const {
  return (flags & in_cur_flag) != 0 ? MaildirPlace::seen : MaildirPlace::fresh;
}

/// All messages of a Maildir, by delivery time and base name, with distinct unique-ids.
struct MaildirListing {
  std::vector<MaildirMessage> messages;
  std::string names, ids;           // one after the other
  EachPlace<std::uint64_t> hidden;  // entries that are no mail: links, other people's files, ...

  [[nodiscard]] std::string_view name_of(const MaildirMessage& message) const {
    return std::string_view{names}.substr(message.name_offset, message.name_length);
  }
  [[nodiscard]] std::string_view base_of(const MaildirMessage& message) const {
    return std::string_view{names}.substr(message.name_offset, message.base_length);
  }
  [[nodiscard]] std::string_view id_of(const MaildirMessage& message) const {
    return std::string_view{ids}.substr(message.id_offset, message.id_length);
  }
  /// Appends `message` with its name and id; offsets, lengths and time are set from them.
  void append(MaildirMessage message, std::string_view name, std::string_view id);
  /// The file got another name, or lies in the other directory now.
  void rename(MaildirMessage& message, MaildirPlace place, std::string_view name);
};

/// The order in which the messages are shown, as indices: those with an imported place by it, then
/// the others.
[[nodiscard]] std::vector<std::uint32_t> shown_order(const MaildirListing& listing);

/// Whether the file is still what was listed, as far as the file system tells.
[[nodiscard]] bool is_untouched(const MaildirMessage& message, const FileStatus& now);

}  // namespace pop
