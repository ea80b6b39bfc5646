#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "popauth/popauth.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/tool_streams.h"

namespace pop::test {

struct ToolOutcome {
  ExitStatus status;
  std::string out, err;
};

/// A credential file and a way to call popauth on it.
class PopauthSite {
 public:
  [[nodiscard]] ToolOutcome call(std::vector<std::string> arguments,
                                 std::string_view input = "") const {
    arguments.insert(arguments.end(), {"--credential-file", file().native()});
    return plain_call(std::move(arguments), input);
  }
  [[nodiscard]] static ToolOutcome plain_call(std::vector<std::string> arguments,
                                              std::string_view input = "") {
    const ToolStreams streams{input};
    Terminal terminal{"popauth", streams.streams()};
    const ExitStatus status = run_popauth(std::move(arguments), terminal, system_disk());
    return {status, streams.out(), streams.err()};
  }
  void done(std::vector<std::string> arguments, std::string_view input = "") const {
    const ToolOutcome outcome = call(std::move(arguments), input);
    CAPTURE(outcome.out, outcome.err);
    CHECK(outcome.err.empty());
    REQUIRE(outcome.status == ExitStatus::ok);
  }
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "credentials.gdbm"; }
  [[nodiscard]] std::filesystem::path path(std::string_view name) const {
    return directory_ / name;
  }
  [[nodiscard]] Credential stored(std::string_view user) const {
    Result<std::optional<Credential>> found = CredentialDb{file()}.find(user);
    REQUIRE(found);
    REQUIRE(found->has_value());
    return std::move(**found);
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace pop::test
