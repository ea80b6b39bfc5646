#include "auth/sasl_modules.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace pop {
namespace {

/// The file that has the mechanisms whose names begin so.
struct Module {
  std::string_view mechanisms, file;
};
constexpr std::array modules{
    Module{"SCRAM-", "libscram"},
    Module{"CRAM-MD5", "libcrammd5"},
    Module{"DIGEST-MD5", "libdigestmd5"},
    Module{"ANONYMOUS", "libanonymous"},
};

const std::string& module_directory() {
  static const std::string directory = [] {
    Dl_info place{};
    if (::dladdr(reinterpret_cast<const void*>(&::sasl_dispose), &place) == 0) {
      return std::string{"/usr/lib/sasl2"};
    }
    return std::filesystem::path{place.dli_fname}.parent_path().native() + "/sasl2";
  }();
  return directory;
}

int tell_path(void*, const char** path) {
  *path = sasl_module_directory();
  return SASL_OK;
}

int verify_file(void*, const char* path, sasl_verify_type_t type) {
  if (type != SASL_VRFY_PLUGIN) return SASL_CONTINUE;
  const std::string_view file{path};
  const std::string_view name = file.substr(file.rfind('/') + 1);
  const bool is_ours = std::ranges::any_of(modules, [name](const Module& module) {
    return name.starts_with(module.file) && name.substr(module.file.size()).starts_with(".so");
  });
  return is_ours ? SASL_OK : SASL_CONTINUE;
}

int say_nothing(void*, int, const char*) {
  return SASL_OK;
}

}  // namespace

const char* sasl_module_directory() {
  return module_directory().c_str();
}

bool is_sasl_module_installed(const SaslMechanism& mechanism) {
  const auto* const module = std::ranges::find_if(
      modules, [&](const Module& one) { return mechanism.name.starts_with(one.mechanisms); });
  if (module == modules.end()) return false;
  std::error_code unknown;
  return std::filesystem::exists(module_directory() + "/" + std::string{module->file} + ".so",
                                 unknown);
}

std::array<sasl_callback_t, 5> sasl_global_callbacks(SaslOptionAnswer* answer_option) {
  return {sasl_callback(SASL_CB_VERIFYFILE, verify_file),
          sasl_callback(SASL_CB_GETOPT, answer_option), sasl_callback(SASL_CB_GETPATH, tell_path),
          sasl_callback(SASL_CB_LOG, say_nothing),
          sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr}};
}

}  // namespace pop
