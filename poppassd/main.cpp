#include <string_view>

#include "poppassd/roles.h"
#include "poppassd/start.h"

int main(int count, char** arguments) {
  const std::string_view role = count == 2 ? arguments[1] : "";
  if (role == pop::front_role) return pop::run_front();
  if (role == pop::changer_role) return pop::run_changer();
  return pop::start_poppassd({arguments + 1, arguments + count});
}
