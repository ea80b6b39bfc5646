#include "support/hash_count.h"

#include <crypt.h>
#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>

namespace pop::test {
namespace {

std::mutex guard;

std::map<std::string, int, std::less<>>& calls() {
  static std::map<std::string, int, std::less<>> by_setting;
  return by_setting;
}

void count(const char* setting) {
  const std::scoped_lock lock{guard};
  ++calls()[setting];
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

int hashes_made(std::string_view kind) {
  const std::scoped_lock lock{guard};
  int sum = 0;
  for (const auto& [setting, times] : calls())
    if (setting.starts_with(kind)) sum += times;
  return sum;
}

}  // namespace pop::test

// In front of the real ones, for this program and for the PAM modules that it loads.

extern "C" char* crypt_rn(const char* phrase, const char* setting, void* data, int size) {
  static auto* const real = pop::test::next<decltype(crypt_rn)>("crypt_rn");
  pop::test::count(setting);
  return real(phrase, setting, data, size);
}

// The real one may or may not come by crypt_rn().
extern "C" char* crypt_r(const char* phrase, const char* setting, crypt_data* data) {
  return crypt_rn(phrase, setting, data, sizeof *data);
}
