#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "conf/configuration.h"
#include "popcheck/system/host_finding.h"
#include "popcheck/system/host_view.h"

namespace pop {

/// What a check looks at.
struct CheckedHost {
  const HostView& view;
  const Settings& settings;
  std::span<const ListenAddress> listeners;  // as the configuration has them; may be none
  std::filesystem::path config_file;
  Clock& clock;
};

// Each looks at one thing and changes nothing; none throws for what a host may be like. All block
// on the disk, those that name users on directory services.

[[nodiscard]] HostFindings check_spool_directory(const CheckedHost& host);
[[nodiscard]] HostFindings check_directories(const CheckedHost& host);
[[nodiscard]] HostFindings check_file_systems(const CheckedHost& host);
[[nodiscard]] HostFindings check_space(const CheckedHost& host);
[[nodiscard]] HostFindings check_quotas(const CheckedHost& host);
[[nodiscard]] HostFindings check_spools(const CheckedHost& host);
[[nodiscard]] HostFindings check_leftovers(const CheckedHost& host);
[[nodiscard]] HostFindings check_delivery_locks(const CheckedHost& host);
[[nodiscard]] HostFindings check_configuration_file(const CheckedHost& host);
[[nodiscard]] HostFindings check_credentials(const CheckedHost& host);
[[nodiscard]] HostFindings check_popauth(const CheckedHost& host);
[[nodiscard]] HostFindings check_pam(const CheckedHost& host);
[[nodiscard]] HostFindings check_service_users(const CheckedHost& host);
[[nodiscard]] HostFindings check_shells(const CheckedHost& host);
[[nodiscard]] HostFindings check_certificates(const CheckedHost& host);
[[nodiscard]] HostFindings check_services(const CheckedHost& host);
[[nodiscard]] HostFindings check_ports(const CheckedHost& host);
[[nodiscard]] HostFindings check_syslog(const CheckedHost& host);

struct SystemCheck {
  std::string_view name;  // documented and stable
  HostFindings (*look)(const CheckedHost& host);
};
/// In the order in which they are made.
[[nodiscard]] std::span<const SystemCheck> system_checks();

}  // namespace pop
