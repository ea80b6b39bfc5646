#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pop {

struct Attachment {
  std::string name;  // as the reader sees it, UTF-8
  std::string content;
};

/// What becomes a bulletin besides its text.
struct Supplement {
  std::string host;      // for addresses that lack one, and for the Message-ID
  std::int64_t now = 0;  // seconds since 1970
  std::vector<std::pair<std::string, std::string>> fields;  // ASCII; put at the header's end
  std::vector<Attachment> attachments;
};

/// A notice as somebody types it.
struct Notice {
  std::string subject, sender;  // UTF-8; the sender as a From: has it
  std::string text;             // UTF-8
};

/// A bulletin without its From_ line, and what of it the From_ line and the file's name tell.
struct Composition {
  std::string message;  // lines end in LF
  std::string sender;   // an address
  std::string subject;  // UTF-8, decoded
};

/// Makes a message of a notice: Date, From, To, Subject, Message-ID, and MIME where it needs it.
/// What is not ASCII, or no line of a message, is encoded, and no line of the body begins with
/// "From ". Errc::corrupt for what is no UTF-8 or has a NUL; Errc::usage for an unsuitable subject
/// or sender.
[[nodiscard]] Result<Composition> compose(const Notice& notice, const Supplement& supplement);

/// Makes a bulletin of a message as a mail program saved it. Its body stays as it is unless there
/// are attachments, but for a '>' before lines that begin with "From ". Date, Message-ID, To and
/// MIME fields that are missing are supplied; characters of a header are encoded; fields that tell
/// of its delivery, of a spool or of blind copies are left out, and so are those that `supplement`
/// has. Errc::corrupt names the line of what no bulletin can have.
[[nodiscard]] Result<Composition> adapt(std::string_view message, const Supplement& supplement);

}  // namespace pop
