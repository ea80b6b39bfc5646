#include "popper/group_services.h"

#include <grp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace pop {
namespace {

// They answer from files and from processes of this host.
constexpr std::array<std::string_view, 4> quick_services{"compat", "db", "files", "systemd"};

// "[NOTFOUND=return]" is what to do next, and not a service.
bool is_service(const std::string& word) {
  return word.find_first_of("[]=/") == std::string::npos;
}

std::vector<std::string> group_services() {
  std::vector<std::string> services;
  std::ifstream file{"/etc/nsswitch.conf"};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line.substr(0, line.find('#'))};
    std::string database;
    words >> database;
    if (database != "group:" && database != "initgroups:") continue;
    for (std::string word; words >> word;) {
      if (is_service(word)) services.push_back(word);
    }
  }
  return services;
}

bool is_quick(const std::string& service) {
  return std::ranges::find(quick_services, service) != quick_services.end();
}

// The C library keeps what it has loaded and found out. systemd's service does not even look for
// groups of root and of nobody; that the name may be unknown does not matter.
void ask_for_groups() {
  int count = 0;
  (void)::getgrouplist("popper", 0, nullptr, &count);
}

}  // namespace

std::vector<SharedLibrary> load_group_services() {
  std::vector<SharedLibrary> libraries;
  const std::vector<std::string> services = group_services();
  if (std::ranges::all_of(services, is_quick)) {
    ask_for_groups();
    return libraries;
  }
  // What is a part of the C library cannot be loaded, and need not. What else is not there does not
  // matter here, either: getgrouplist(3) decides.
  for (const std::string& service : services) {
    Result<SharedLibrary> library = SharedLibrary::load(("libnss_" + service + ".so.2").c_str());
    if (library) libraries.push_back(std::move(*library));
  }
  return libraries;
}

}  // namespace pop
