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

constexpr char separator = '\t';  // that no field holds

std::string line_of(const ListenAddress& listener) {
  const OldDevices& old = *listener.old_devices;
  std::string line = to_string(listener) + separator + to_string(old.until) + separator;
  for (const char c : old.networks) line += c == separator ? ' ' : c;
  for (const std::string& user : old.users) line += separator + user;
  return line;
}

// Two lines of our own, one for each listener for old devices, an empty one, then the settings in
// the classic grammar.
std::string text_of(const Handover& handover) {
  std::string text{handover.log == LogTarget::syslog ? to_syslog : to_standard_error};
  text += "\n" + handover.host + "\n";
  for (const ListenAddress& listener : handover.for_old_devices) text += line_of(listener) + "\n";
  return text + "\n" + render_classic(handover.settings);
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

std::string take_until(std::string_view& text, char end_mark) {
  const std::size_t end = std::min(text.find(end_mark), text.size());
  std::string piece{text.substr(0, end)};
  text.remove_prefix(std::min(end + 1, text.size()));
  return piece;
}

std::string take_line(std::string_view& text) {
  return take_until(text, '\n');
}

Result<ListenAddress> listener_in(std::string_view line) {
  const Judged<ListenAddress> address = parse_listen_address(take_until(line, separator));
  const std::optional<std::chrono::sys_days> until = parse_day(take_until(line, separator));
  if (!address || !until) return fail(Errc::corrupt, "a listener that cannot be read");
  ListenAddress listener = *address;
  OldDevices& old = listener.old_devices.emplace();
  old.until = *until;
  old.networks = take_until(line, separator);
  while (!line.empty()) old.users.push_back(take_until(line, separator));
  return listener;
}

void forget(std::string& secret) {
  wipe(secret);
  secret.clear();
}

Result<std::string> no_more_files(const std::string& path) {
  return fail(Errc::denied, "a handed-over configuration names " + path);
}

}  // namespace

std::vector<ListenAddress> for_old_devices(const std::vector<ListenAddress>& listeners) {
  std::vector<ListenAddress> old;
  for (const ListenAddress& listener : listeners) {
    if (listener.old_devices) old.push_back(listener);
  }
  return old;
}

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
  for (std::string line = take_line(text); !line.empty(); line = take_line(text)) {
    Result<ListenAddress> listener = listener_in(line);
    if (!listener) return std::unexpected(listener.error());
    handover.for_old_devices.push_back(std::move(*listener));
  }
  Configuration configuration;
  Checked<void> applied =
      apply_text(configuration, text, "handed-over settings", FileScope::start_up, no_more_files);
  if (!applied) return fail(Errc::corrupt, to_string(applied.error().front()));
  handover.settings = std::move(configuration.settings);
  return handover;
}

}  // namespace pop
