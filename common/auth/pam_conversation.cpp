#include "auth/pam_conversation.h"

#include <cstring>

#include "base/secret.h"

namespace pop {

char* copy_for_module(std::string_view octets) {
  char* const copy = static_cast<char*>(std::malloc(octets.size() + 1));
  if (copy == nullptr) return nullptr;
  if (!octets.empty()) std::memcpy(copy, octets.data(), octets.size());
  copy[octets.size()] = '\0';
  return copy;
}

void discard_answers(pam_response* answers, int count) {
  for (int i = 0; i < count; ++i) {
    if (answers[i].resp == nullptr) continue;
    wipe({answers[i].resp, std::strlen(answers[i].resp)});
    std::free(answers[i].resp);
  }
  std::free(answers);
}

void no_pam_delay(int, unsigned, void*) {}

}  // namespace pop
