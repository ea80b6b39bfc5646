#include <string_view>

#include "popper/gate.h"
#include "popper/keeper.h"
#include "popper/start.h"

int main(int count, char** arguments) {
  const std::string_view first = count == 2 ? arguments[1] : "";
  if (first == pop::gate_role) ::_exit(pop::run_gate());
  if (first == pop::keeper_role) ::_exit(pop::run_keeper());
  return pop::start_popper({arguments + 1, arguments + count});
}
