#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/signals.h"
#include "popper/gate.h"
#include "popper/inetd.h"
#include "popper/keeper.h"
#include "popper/kerberos.h"
#include "popper/notify/notifier.h"
#include "popper/resolver.h"
#include "popper/start.h"

namespace {

/// What this program is when the master executes it anew.
struct RoleProgram {
  std::string_view argument;
  int (*run)();
};
constexpr std::array role_programs{
    RoleProgram{pop::gate_role, pop::run_gate},
    RoleProgram{pop::keeper_role, pop::run_keeper},
    RoleProgram{pop::resolver_role, pop::run_resolver},
    RoleProgram{pop::kerberos_role, pop::run_kerberos_acceptor},
    RoleProgram{pop::notifier_role, pop::run_notifier},
    RoleProgram{pop::single_role, pop::run_single},
};

}  // namespace

int main(int count, char** arguments) {
  pop::hear_of_children();
  const std::string_view first = count == 2 ? arguments[1] : "";
  const auto role = std::ranges::find(role_programs, first, &RoleProgram::argument);
  if (role != role_programs.end()) ::_exit(role->run());
  return pop::start_popper({arguments + 1, arguments + count});
}
