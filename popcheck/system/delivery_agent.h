#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck/system/host_view.h"

namespace pop {

enum class LockMethod : std::uint8_t { dotlock, fcntl, flock };
[[nodiscard]] std::string_view word_of(LockMethod method);
/// "dotlock, fcntl"; "none".
[[nodiscard]] std::string to_string(const std::vector<LockMethod>& methods);

/// A program that writes spools, as its configuration has it.
struct DeliveryAgent {
  std::string name;               // "Postfix"
  std::string file;               // where it is configured
  std::string lock_setting;       // what names the methods there, "" where nothing does
  std::vector<LockMethod> locks;  // in the order in which they are taken
  std::string lock_suffix = ".lock";
  /// It removes a dotlock of this age; nothing: never, or after hours.
  std::optional<std::chrono::seconds> breaks_after{};
  /// Where it puts mail; empty: where the system's spools are, /var/mail.
  std::filesystem::path spool_dir{};
  /// In users' home directories, below them; empty: not there. With a '/' at its end it is a
  /// Maildir.
  std::string in_home{};
  /// What takes dotlock and fcntl, in this order; "" where that is its only way.
  std::string good_setting{};
};

/// Those that are configured on this host: Postfix, Exim, procmail, maildrop, Dovecot and
/// sendmail's mail.local. Their files are understood as far as plain settings go: what conditions
/// or macros in them decide is taken as it stands.
[[nodiscard]] std::vector<DeliveryAgent> delivery_agents(const HostView& view);

}  // namespace pop
