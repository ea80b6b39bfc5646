#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// The server's part of Kerberos 5 (RFC 4120 section 3.2), through libkrb5, which is loaded for it.
class KerberosAcceptor {
 public:
  struct Set {
    std::string service;                // "pop"
    std::filesystem::path keytab;       // empty: the library's default
    std::filesystem::path replay_file;  // is there, and this process will be able to write it
    /// Authenticators made before are refused: which of them were used nobody remembers.
    std::chrono::sys_seconds not_before{};
  };
  /// The keytab in this process's memory that load() copies keys into, for other libraries.
  static constexpr const char* keys_in_memory = "MEMORY:popper";

  /// Reads the library's configuration and copies the keys of the service into memory; afterwards
  /// only replay_file and the configuration are opened. Errc::not_found without library, keytab or
  /// key of the service.
  [[nodiscard]] static Result<KerberosAcceptor> load(const Set& set);

  KerberosAcceptor(KerberosAcceptor&&) noexcept;
  KerberosAcceptor& operator=(KerberosAcceptor&&) = delete;
  ~KerberosAcceptor();

  /// What became of a client's AP-REQ.
  struct Outcome {
    enum class Kind : std::uint8_t { accepted, refused } kind = Kind::refused;
    std::string reply;      // AP-REP, empty when the client wants none; or KRB-ERROR
    std::string principal;  // of the client, "jo@EXAMPLE.ORG"; accepted only
    std::string user;       // whom the library maps it to; accepted only
    std::string why;        // refused only, for the log
  };
  /// An AP-REQ is accepted once, by whatever acceptor that has the same replay_file. Reads and
  /// writes that file; asks nobody.
  [[nodiscard]] Outcome judge(std::string_view ap_req);

 private:
  class Library;
  explicit KerberosAcceptor(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace pop
