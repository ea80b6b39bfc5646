#pragma once

#include <security/pam_appl.h>

#include <cstdlib>
#include <string_view>

namespace pop {

/// An answer to a module, which wipes it and frees it with free(3). nullptr: no memory.
[[nodiscard]] char* copy_for_module(std::string_view octets);
/// Wipes and frees answers that no module will get.
void discard_answers(pam_response* answers, int count);

/// For PAM_FAIL_DELAY: who sleeps serves nobody.
void no_pam_delay(int status, unsigned microseconds, void* conversation);

/// For pam_conv, whose data is a Conversation. `answer` gives one question's answer, false where
/// there is none: then the modules get none at all. Called by modules: nothing may be thrown
/// through them.
template <class Conversation,
          bool (*answer)(Conversation&, const pam_message& question, pam_response& reply)>
int converse_with_pam(int count, const pam_message** questions, pam_response** replies,
                      void* conversation) noexcept {
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* const answers = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (answers == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    if (answer(*static_cast<Conversation*>(conversation), *questions[i], answers[i])) continue;
    discard_answers(answers, count);
    return PAM_CONV_ERR;
  }
  *replies = answers;
  return PAM_SUCCESS;
}

}  // namespace pop
