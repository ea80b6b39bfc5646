#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "popspool/id_listing.h"
#include "popspool/maildrop_facts.h"

namespace pop {

/// What a server's own list in a Maildir says of one message.
struct FileEntry {
  std::string id;                    // Courier: the unique-id; Dovecot: the stored one, if any
  std::optional<std::uint32_t> uid;  // Dovecot
  std::optional<std::uint64_t> order;
  std::string guid;
};
/// dovecot-uidlist or courierpop3dsizelist, by base name.
struct FileList {
  std::map<std::string, FileEntry, std::less<>> entries;
  std::optional<std::uint32_t> uidvalidity;
  std::string uidl_format;  // Dovecot may name it there
};
/// Errc::corrupt tells the line.
[[nodiscard]] Result<FileList> parse_dovecot_uidlist(std::string_view content);
[[nodiscard]] Result<FileList> parse_courier_sizelist(std::string_view content);

/// The id that a server gives to one message, or "": it gives none that can be told.
struct GivenId {
  std::size_t message = 0;  // index in the facts
  std::string id;
};

/// What a form may use besides the mail.
struct FormInput {
  const MaildropIdFacts& facts;
  const FileList* list = nullptr;  // of the form's own kind
  std::string uidl_format;         // pop3_uidl_format; "": the usual one
};

/// How a server makes its unique-ids.
struct ServerForm {
  std::string_view name;       // for --format
  std::string_view explained;  // for `guess`
  std::string_view list_file;  // in the Maildir; "": none
  Result<FileList> (*parse_list)(std::string_view) = nullptr;
  /// In the server's order. Errc::usage: the form does not go with this maildrop.
  Result<std::vector<GivenId>> (*ids)(const FormInput& input) = nullptr;
};

[[nodiscard]] const std::vector<ServerForm>& server_forms();
/// nullptr: no such form.
[[nodiscard]] const ServerForm* find_form(std::string_view name);

/// The formats that `guess` tries for Dovecot.
[[nodiscard]] const std::vector<std::string>& usual_dovecot_formats();

}  // namespace pop
