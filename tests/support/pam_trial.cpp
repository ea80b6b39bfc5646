// A PAM module for tests: does what its arguments in the service file say, and succeeds otherwise.
//
//   record=FILE      adds a line "WHAT USER FROM PID" to the file at each call, and one with "end"
//                    when who opened a session ends the transaction, unless silently
//   crash=WHAT       ends the process with SIGABRT
//   hang=WHAT:FILE   waits until the file is gone, a minute at most
//   fail=WHAT        gives PAM_PERM_DENIED
//   say=WORD         has the conversation show an information and an error
//
// WHAT is auth, establish, delete, account, open or close.
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr int tenths_of_a_minute = 600;

std::string item(pam_handle_t* handle, int which) {
  const void* value = nullptr;
  if (pam_get_item(handle, which, &value) != PAM_SUCCESS || value == nullptr) return "-";
  return static_cast<const char*>(value);
}

void record(pam_handle_t* handle, const std::string& file, const char* what) {
  std::FILE* const stream = std::fopen(file.c_str(), "a");
  if (stream == nullptr) return;
  std::fprintf(stream, "%s %s %s %d\n", what, item(handle, PAM_USER).c_str(),
               item(handle, PAM_RHOST).c_str(), static_cast<int>(::getpid()));
  std::fclose(stream);
}

void record_end(pam_handle_t* handle, void* data, int status) {
  auto* const file = static_cast<std::string*>(data);
  if ((status & int{PAM_DATA_SILENT}) == 0) record(handle, *file, "end");
  delete file;
}

void hang(const std::string& file) {
  for (int i = 0; i < tenths_of_a_minute && ::access(file.c_str(), F_OK) == 0; ++i) {
    ::usleep(100'000);
  }
}

int act(pam_handle_t* handle, const char* what, int count, const char** arguments) {
  int status = PAM_SUCCESS;
  for (int i = 0; i < count; ++i) {
    const std::string_view argument{arguments[i]};
    const std::string key{argument.substr(0, argument.find('='))};
    const std::string value{argument.substr(argument.find('=') + 1)};
    const bool is_meant = value.substr(0, value.find(':')) == what;
    if (key == "record") record(handle, value, what);
    if (key == "record" && std::string_view{what} == "open") {
      pam_set_data(handle, "trial", new std::string{value}, record_end);
    }
    if (key == "say") {
      pam_info(handle, "info %s", value.c_str());
      pam_error(handle, "error %s", value.c_str());
    }
    if (key == "crash" && is_meant) std::abort();
    if (key == "hang" && is_meant) hang(value.substr(value.find(':') + 1));
    if (key == "fail" && is_meant) status = PAM_PERM_DENIED;
  }
  return status;
}

}  // namespace

extern "C" {

int pam_sm_authenticate(pam_handle_t* handle, int, int count, const char** arguments) {
  return act(handle, "auth", count, arguments);
}

int pam_sm_setcred(pam_handle_t* handle, int flags, int count, const char** arguments) {
  return act(handle, (flags & int{PAM_DELETE_CRED}) != 0 ? "delete" : "establish", count,
             arguments);
}

int pam_sm_acct_mgmt(pam_handle_t* handle, int, int count, const char** arguments) {
  return act(handle, "account", count, arguments);
}

int pam_sm_open_session(pam_handle_t* handle, int, int count, const char** arguments) {
  return act(handle, "open", count, arguments);
}

int pam_sm_close_session(pam_handle_t* handle, int, int count, const char** arguments) {
  return act(handle, "close", count, arguments);
}

}  // extern "C"
