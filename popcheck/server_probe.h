#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "popcheck/probe_report.h"

namespace pop {

enum class ProbeTls : std::uint8_t {
  automatic,  // implicit at port 995, else STLS where it is offered
  stls,
  implicit,
  none  // passwords go out in clear
};

/// What is asked of a server.
struct ProbePlan {
  std::string host;
  std::uint16_t port = 0;
  ProbeLevel level = ProbeLevel::quick;
  ProbeTls tls = ProbeTls::automatic;
  std::string server_name;                 // in its certificate; usually the host
  std::optional<std::string> ca_file;      // PEM; nothing: authorities that this system trusts
  std::optional<std::string> certificate;  // PEM file that must be the one served
  std::uint64_t days_warning = 21, days_critical = 7;
  std::optional<std::chrono::microseconds> slow, too_slow;  // until the greeting
  std::chrono::milliseconds time{30'000};

  // From here on for login and full.
  std::string user;
  Secret password;
  std::optional<std::string>
      mechanism;  // "USER", "APOP" or one of SASL; nothing: all that are offered
  /// For full: takes a message at its standard input and delivers it to the account. Empty: none.
  std::vector<std::string> deliver_by;
  std::string address;  // in To:
};

/// Asks, and tells what was found. Never longer than the plan's time; the resolver may be left at work.
/// The password goes over TLS with a certificate that is in order, or in clear with
/// ProbeTls::none, and never else. The program ignores SIGPIPE.
[[nodiscard]] ProbeReport probe_server(const ProbePlan& plan);

}  // namespace pop
