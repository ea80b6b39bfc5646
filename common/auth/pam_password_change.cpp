#include "auth/pam_password_change.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "auth/pam_conversation.h"
#include "base/text.h"

namespace pop {
namespace {

// A module that asks on and on hears nothing any more.
constexpr int most_prompts = 32;
constexpr std::size_t most_messages = 16;
constexpr std::size_t longest_told = 400;

/// What the modules asked and said. PAM keeps its address.
struct Conversation {
  const PamPasswordChange& change;
  int prompts = 0;
  bool answered = false;
  std::vector<std::string> errors, remarks;
};

// Retries repeat themselves.
void note(std::vector<std::string>& messages, const char* text) {
  if (text == nullptr || messages.size() >= most_messages) return;
  std::string message;
  for (const char c : trimmed(text)) message += c >= ' ' && c <= '~' ? c : ' ';
  if (message.empty() || std::ranges::find(messages, message) != messages.end()) return;
  messages.push_back(std::move(message));
}

char* hidden_answer(Conversation& conversation, const char* prompt) {
  const PamAnswer wanted = pam_answer_to(prompt == nullptr ? "" : prompt, conversation.answered);
  conversation.answered = true;
  const PamPasswordChange& change = conversation.change;
  return copy_for_module(wanted == PamAnswer::old_password ? change.old_password.octets()
                                                           : change.new_password.octets());
}

/// False: no memory, too many questions, or a kind that has no answer here.
bool answer(Conversation& conversation, const pam_message& question, pam_response& reply) {
  switch (question.msg_style) {
    case PAM_PROMPT_ECHO_OFF:
      if (++conversation.prompts > most_prompts) return false;
      reply.resp = hidden_answer(conversation, question.msg);
      return reply.resp != nullptr;
    case PAM_PROMPT_ECHO_ON:
      if (++conversation.prompts > most_prompts) return false;
      reply.resp = copy_for_module(conversation.change.user);
      return reply.resp != nullptr;
    case PAM_ERROR_MSG:
      note(conversation.errors, question.msg);
      return true;
    case PAM_TEXT_INFO:
      note(conversation.remarks, question.msg);
      return true;
    default:
      return false;
  }
}

bool is_refusal(int status) {
  constexpr std::array refusals{PAM_AUTHTOK_ERR,  PAM_AUTHTOK_RECOVERY_ERR, PAM_AUTH_ERR,
                                PAM_PERM_DENIED,  PAM_USER_UNKNOWN,         PAM_MAXTRIES,
                                PAM_ACCT_EXPIRED, PAM_AUTHTOK_DISABLE_AGING};
  return std::ranges::find(refusals, status) != refusals.end();
}

// What a person should read: errors, or where there are none, what else was said.
std::string told(const Conversation& conversation) {
  const auto& messages = conversation.errors.empty() ? conversation.remarks : conversation.errors;
  std::string text;
  for (const std::string& message : messages) {
    if (!text.empty()) text += "; ";
    text += message;
  }
  if (text.size() > longest_told) text.resize(longest_told);
  return text;
}

struct PamHandle {
  pam_handle_t* handle = nullptr;
  int last = PAM_SUCCESS;  // pam_end() must be given the status of the last call

  PamHandle() = default;
  PamHandle(const PamHandle&) = delete;
  PamHandle& operator=(const PamHandle&) = delete;
  ~PamHandle() {
    if (handle != nullptr) ::pam_end(handle, last);
  }
};

bool fits(const Secret& password) {
  return password.octets().find('\0') == std::string_view::npos &&
         password.octets().size() < PAM_MAX_RESP_SIZE;
}

Result<void> become_real(uid_t user) {
  if (::setresuid(user, static_cast<uid_t>(-1), static_cast<uid_t>(-1)) == 0) return {};
  const int saved = errno;
  return fail_errno(saved, "take the user's real uid");
}

bool says(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(
      words, [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

}  // namespace

PamAnswer pam_answer_to(std::string_view prompt, bool answered) {
  const std::string text = lower(prompt);
  if (says(text, {"new"})) return PamAnswer::new_password;
  if (says(text, {"current", "old", "existing"})) return PamAnswer::old_password;
  if (says(text, {"retype", "again", "repeat", "re-enter", "reenter", "verify", "confirm"})) {
    return PamAnswer::new_password;
  }
  return answered ? PamAnswer::new_password : PamAnswer::old_password;
}

Result<void> change_pam_password(const PamPasswordChange& change, uid_t user) {
  if (!fits(change.old_password) || !fits(change.new_password)) {
    return fail(Errc::denied, "The password is too long");
  }
  if (Result<void> real = become_real(user); !real) return real;
  Conversation conversation{change, 0, false, {}, {}};
  const pam_conv pam{&converse_with_pam<Conversation, answer>, &conversation};
  PamHandle session;
  session.last = ::pam_start(change.service.c_str(), change.user.c_str(), &pam, &session.handle);
  if (session.last != PAM_SUCCESS) {
    return fail(Errc::io, "PAM: service " + escaped(change.service) + ": " +
                              ::pam_strerror(session.handle, session.last));
  }
  void (*delay)(int, unsigned, void*) = no_pam_delay;
  if (::pam_set_item(session.handle, PAM_RHOST, change.address.c_str()) != PAM_SUCCESS ||
      ::pam_set_item(session.handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(delay)) !=
          PAM_SUCCESS) {
    return fail(Errc::io, "PAM: cannot be told where the client is");
  }
  session.last = ::pam_chauthtok(session.handle, 0);
  if (session.last == PAM_SUCCESS) return {};
  if (is_refusal(session.last)) return fail(Errc::denied, told(conversation));
  std::string text = std::string{"PAM: "} + ::pam_strerror(session.handle, session.last);
  if (const std::string said = told(conversation); !said.empty()) text += " (" + said + ")";
  return fail(Errc::io, std::move(text));
}

}  // namespace pop
