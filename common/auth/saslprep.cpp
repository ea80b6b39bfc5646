#include "auth/saslprep.h"

#include <stringprep.h>

#include <algorithm>
#include <string>

namespace pop {
namespace {

// Normalised text may be longer; what is longer than this is left as it is.
constexpr std::size_t growth = 18;  // octets for one, at most (Unicode annex 15)

}  // namespace

Secret saslprep(const Secret& password) {
  const std::string_view octets = password.octets();
  const bool is_ascii = std::ranges::all_of(octets, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet != 0 && octet < 0x80;
  });
  if (is_ascii) return password.clone();
  std::string text(octets.size() * growth + 1, '\0');
  octets.copy(text.data(), octets.size());
  const bool has_nul = octets.find('\0') != std::string_view::npos;
  const int status =
      has_nul ? STRINGPREP_CONTAINS_PROHIBITED
              : ::stringprep(text.data(), text.size(), static_cast<Stringprep_profile_flags>(0),
                             ::stringprep_saslprep);
  Secret prepared = status == STRINGPREP_OK ? Secret{text.c_str()} : password.clone();
  wipe(text);
  return prepared.empty() ? password.clone() : std::move(prepared);
}

}  // namespace pop
