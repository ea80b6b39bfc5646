#include "popper/header_fields_reply.h"

#include <array>
#include <cctype>

#include "base/text.h"
#include "mail/header_scanner.h"
#include "mail/wire_text.h"

namespace pop {
namespace {

constexpr std::size_t longest_header = std::size_t{1024} * 1024;
constexpr std::size_t longest_sender = 128;

}  // namespace

Result<std::string> read_wire_header(MessageReader& reader) {
  std::array<char, 4096> stored;
  std::array<char, WireText::room_for(stored.size())> out;
  std::string header;
  WireText wire{LineCount{0}};
  Result<std::size_t> read = reader.read(stored);
  while (read && *read > 0 && !wire.satisfied() && header.size() < longest_header) {
    header.append(out.data(), wire.convert({stored.data(), *read}, out));
    if (!wire.satisfied()) read = reader.read(stored);
  }
  if (!read) return std::unexpected(std::move(read).error());
  header.append(out.data(), wire.finish(out));
  return header;
}

std::string_view field_beginning_with(std::string_view header, std::string_view prefix) {
  for (const HeaderField& field : header_fields(header)) {
    const std::string_view whole = header.substr(field.begin, field.end - field.begin);
    if (!field.name.empty() && equal_ignoring_case(whole.substr(0, prefix.size()), prefix)) {
      return whole;
    }
  }
  return {};
}

std::string sender_for_listing(std::string_view header) {
  for (const HeaderField& field : header_fields(header)) {
    if (!equal_ignoring_case(field.name, "From")) continue;
    std::string sender{field.value.substr(0, longest_sender)};
    for (char& octet : sender) {
      if (std::iscntrl(static_cast<unsigned char>(octet)) != 0) octet = ' ';
    }
    return sender;
  }
  return {};
}

}  // namespace pop
