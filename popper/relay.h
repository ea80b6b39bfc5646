#pragma once

#include <string>

#include "base/fd.h"

namespace pop {

struct RelayEnds {
  Fd client;          // a socket
  Fd program;         // a socket
  std::string ahead;  // from the client, goes first
};

/// Hands on octets both ways, a piece at a time, until both directions have ended. An end of input
/// is handed on, too. Blocks; returns also when either side breaks.
void relay(RelayEnds ends);

}  // namespace pop
