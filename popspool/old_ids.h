#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "popspool/id_listing.h"
#include "popspool/maildrop_facts.h"
#include "popspool/pop3_client.h"
#include "popspool/server_forms.h"
#include "popspool/target_runner.h"

namespace pop {

/// Where the unique-ids of another server come from, as the command line says it.
struct OldIdsArguments {
  std::optional<std::string> format, from, uidl_format, uidvalidity;
  std::optional<std::string> server, tls, ca_file, login, password_file;

  [[nodiscard]] bool names_none() const { return !format && !from && !server; }
};
void declare_old_ids(Arguments& arguments, OldIdsArguments& old);

/// One message of the other server's listing.
struct OldMessage {
  ListedId listed;
  std::optional<std::size_t> message;  // which message of the maildrop it is known to be
};

/// Gives the ids of one maildrop after the other. What the administrator alone may read has been
/// read when it is made; of() runs as the maildrop's owner.
class OldIds {
 public:
  /// Reads an export file, passwords, and asks for one where none was given. Errc::usage: the
  /// arguments contradict each other.
  [[nodiscard]] static Result<OldIds> prepare(const OldIdsArguments& arguments, bool reads_stdin,
                                              Terminal& terminal);

  /// Forgets all passwords but the target's. Call it before the process looks at anything of his.
  void keep_password_of(const TargetRun& run);

  /// In the other server's order, without messages for which it gave no id that can be told;
  /// untold() counts these afterwards. `facts` are the target's own.
  [[nodiscard]] Result<std::vector<OldMessage>> of(const TargetRun& run,
                                                   const MaildropIdFacts& facts);
  [[nodiscard]] std::size_t untold() const { return untold_; }

  /// Whether of() asks a server, which takes its time, and looks at no facts.
  [[nodiscard]] bool asks_server() const { return server_.has_value(); }
  /// Whether of() looks at no facts.
  [[nodiscard]] bool is_told() const { return form_ == nullptr; }

 private:
  OldIds() = default;
  [[nodiscard]] Result<void> prepare_server(const OldIdsArguments& arguments, bool reads_stdin,
                                            Terminal& terminal);
  [[nodiscard]] Result<void> read_passwords(const std::string& file);
  [[nodiscard]] std::string path_of(const TargetRun& run) const;
  [[nodiscard]] Result<std::vector<OldMessage>> ask(const TargetRun& run);
  [[nodiscard]] Result<std::vector<OldMessage>> exported(const TargetRun& run);
  [[nodiscard]] Result<std::vector<OldMessage>> by_form(const TargetRun& run,
                                                        const MaildropIdFacts& facts);
  [[nodiscard]] Result<std::vector<OldMessage>> of_cyrus_directory(const TargetRun& run,
                                                                   const std::string& path);
  [[nodiscard]] Result<std::vector<OldMessage>> given(const MaildropIdFacts& facts,
                                                      const std::optional<FileList>& list,
                                                      bool are_own);

  const ServerForm* form_ = nullptr;
  std::optional<std::string> from_;
  std::string uidl_format_;
  std::optional<std::uint32_t> uidvalidity_;
  std::optional<std::map<std::string, IdListing>> exports_;  // of one file for all
  std::optional<OldServer> server_;
  std::string login_ = "%s";
  std::map<std::string, Secret> passwords_;  // by user
  std::optional<Secret> password_;           // for all
  std::size_t untold_ = 0;
};

/// The list of its own kind that `form` keeps in the target's Maildir, or that `path` names;
/// nullopt: the form has none, or it is not there and not needed.
[[nodiscard]] Result<std::optional<FileList>> list_of_form(const TargetRun& run,
                                                           const ServerForm& form,
                                                           const MailUser& user, MailFormat format,
                                                           const std::optional<std::string>& path);

}  // namespace pop
