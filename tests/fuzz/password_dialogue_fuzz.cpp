// A client of poppassd, line by line: each line gets its reply lines, at most one request is made,
// and only of a user, a password and a new one that were said.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "poppassd/password_dialogue.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_reply(const std::string& text) {
  require(text.starts_with("200 ") || text.starts_with("400 ") || text.starts_with("500 "));
  require(text.find("\r\n") == text.size() - 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto tls = static_cast<pop::PasswordDialogue::Tls>(data[0] % 3);
  const bool clear_text_allowed = (data[0] & 4) != 0;
  pop::PasswordDialogue dialogue{{"host.example", tls, clear_text_allowed}};
  std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  bool is_over_tls = tls == pop::PasswordDialogue::Tls::in_progress;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    bool ends = false, asks = false, starts_tls = false;
    for (const pop::DialogueAction& action : dialogue.on_line(line)) {
      require(!ends && !asks && !starts_tls);  // nothing follows
      if (const auto* const reply = std::get_if<pop::Reply>(&action)) check_reply(reply->text);
      ends = std::holds_alternative<pop::EndConnection>(action);
      starts_tls = std::holds_alternative<pop::StartTls>(action);
      const auto* const request = std::get_if<pop::ChangeRequest>(&action);
      if (request == nullptr) continue;
      asks = true;
      require(!request->user.empty() && !request->old_password.empty());
      require(!request->new_password.empty());
      require(request->over_tls == is_over_tls && (is_over_tls || clear_text_allowed));
    }
    if (ends) return 0;
    if (starts_tls) {
      require(!is_over_tls);
      is_over_tls = true;
      dialogue.on_tls();
    }
    if (!asks) continue;
    for (const auto& action : dialogue.on_verdict({pop::ChangeVerdict::Outcome::changed, ""})) {
      check_reply(std::get<pop::Reply>(action).text);
    }
  }
  return 0;
}
