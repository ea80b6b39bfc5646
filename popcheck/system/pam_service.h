#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck/system/host_view.h"

namespace pop {

enum class PamGroup : std::uint8_t { auth, account, password, session };

/// One line of a service, with those of included files in their place.
struct PamLine {
  PamGroup group = PamGroup::auth;
  std::string control;  // "required", "sufficient", "[success=1 default=ignore]"
  std::string module;   // as it stands: "pam_unix.so", or a path
  std::vector<std::string> arguments;
  std::string file;
  bool may_be_missing = false;  // "-auth": said to be no matter where the module is not installed
};

struct PamService {
  std::vector<PamLine> lines;
  std::vector<std::string> files;     // that were read, the service's own first
  std::vector<std::string> mistakes;  // "FILE: what", not to be understood or not there
  bool found = false;                 // false: PAM would take the service "other"
};

/// A service as Linux-PAM puts it together from /etc/pam.d and the places behind it.
[[nodiscard]] PamService read_pam_service(const HostView& view, const std::string& name);

}  // namespace pop
