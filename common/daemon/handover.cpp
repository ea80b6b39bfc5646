#include "daemon/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/disk.h"
#include "base/secret.h"
#include "conf/configuration.h"
#include "conf/show_config.h"

namespace pop {
namespace {

constexpr std::string_view to_standard_error = "stderr";
constexpr std::string_view to_syslog = "syslog";

// Two lines of our own, then the settings in the classic grammar.
std::string text_of(const Handover& handover) {
  std::string text{handover.log == LogTarget::syslog ? to_syslog : to_standard_error};
  text += "\n" + handover.host + "\n" + render_classic(handover.settings);
  return text;
}

Result<std::string> whole_content(const Fd& memory) {
  struct stat st {};
  if (::fstat(memory.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "fstat");
  }
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  Result<std::size_t> read = system_disk().read(memory, text, {0});
  if (!read) return std::unexpected(read.error());
  text.resize(*read);
  return text;
}

std::string take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string line{text.substr(0, end)};
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void forget(std::string& secret) {
  wipe(secret);
  secret.clear();
}

Result<std::string> no_more_files(const std::string& path) {
  return fail(Errc::denied, "a handed-over configuration names " + path);
}

}  // namespace

void forget_tls_secrets(Settings& settings) {
  forget(settings.tls_passphrase);
}

void forget_notice_secrets(Settings& settings) {
  forget(settings.logudp_secret);
  forget(settings.loginfo_password);
}

Result<Fd> seal_handover(const Handover& handover) {
  Fd memory{::memfd_create("popper-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "make memory for the settings");
  }
  if (Result<void> done = system_disk().write(memory, text_of(handover), {0}); !done) {
    return std::unexpected(done.error());
  }
  constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) {
    const int saved = errno;
    return fail_errno(saved, "seal the settings");
  }
  return memory;
}

Result<Handover> take_handover(const Fd& memory) {
  Result<std::string> content = whole_content(memory);
  if (!content) return std::unexpected(std::move(content).error().in("take the settings over"));
  std::string_view text = *content;
  Handover handover;
  handover.log = take_line(text) == to_syslog ? LogTarget::syslog : LogTarget::standard_error;
  handover.host = take_line(text);
  Configuration configuration;
  Checked<void> applied =
      apply_text(configuration, text, "handed-over settings", FileScope::start_up, no_more_files);
  if (!applied) return fail(Errc::corrupt, to_string(applied.error().front()));
  handover.settings = std::move(configuration.settings);
  return handover;
}

}  // namespace pop
