#include "mail/bookkeeping.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pop {
namespace {

enum class Client : std::uint8_t { sees, never_sees };

struct Field {
  std::string_view name;
  Bookkeeping bookkeeping;
  Client client;
};

constexpr std::array fields{
    Field{"Content-Length", Bookkeeping::content_length, Client::never_sees},
    Field{"Lines", Bookkeeping::content_length, Client::sees},
    Field{"Status", Bookkeeping::status, Client::sees},
    Field{"X-Status", Bookkeeping::status, Client::sees},
    Field{"X-UIDL", Bookkeeping::unique_id, Client::never_sees},
    Field{"X-IMAP", Bookkeeping::imap, Client::never_sees},
    Field{"X-IMAPbase", Bookkeeping::imap, Client::never_sees},
    Field{"X-UID", Bookkeeping::imap, Client::never_sees},
    Field{"X-Keywords", Bookkeeping::imap, Client::never_sees},
};
static_assert(std::ranges::max(fields, {}, [](const Field& f) {
                return f.name.size();
              }).name.size() == longest_bookkeeping_name);

/// Most names are told apart by their first letter already.
bool may_be_known(std::string_view name) {
  if (name.empty() || name.size() > longest_bookkeeping_name) return false;
  const char first = lower(name.front());
  return first == 'x' || first == 's' || first == 'c' || first == 'l';
}

const Field* find(std::string_view name) {
  if (!may_be_known(name)) return nullptr;
  const auto found = std::ranges::find_if(
      fields, [&](const Field& field) { return equal_ignoring_case(field.name, name); });
  return found == fields.end() ? nullptr : &*found;
}

bool is_name_character(char c) {
  return c > 0x20 && c < 0x7F && c != ':';
}

}  // namespace

Bookkeeping bookkeeping_of(std::string_view field_name) {
  const Field* field = find(field_name);
  return field ? field->bookkeeping : Bookkeeping::none;
}

bool hidden_from_client(std::string_view field_name) {
  const Field* field = find(field_name);
  return field && field->client == Client::never_sees;
}

std::string_view field_name(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && is_name_character(line[end])) ++end;
  std::size_t colon = end;
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (colon == line.size() || line[colon] != ':') return {};
  return line.substr(0, end);
}

std::string_view bookkeeping_name(std::string_view line) {
  return field_name(line.substr(0, longest_bookkeeping_head));
}

}  // namespace pop
