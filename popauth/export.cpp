#include "auth/credential_record.h"
#include "base/text.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {

ExitStatus run_export(const std::vector<std::string>& users, const CredentialSite& site,
                      const ToolRun& run) {
  const ListedUsers found = find_users("export", users, site, run);
  if (run.terminal.out_is_terminal() && run.flags.verbosity != Verbosity::quiet) {
    run.terminal.complain("export: warning: these are secrets; keep them as you keep the file");
  }
  Json::Array array;
  for (const ListedUser& user : found.users) {
    const Secret record = encode_credential(user.name, user.credential);
    if (run.flags.form == OutputForm::text) {
      run.terminal.print(record.octets());
    } else {
      array.push_back(
          {Json::Object{{"user", {user.name}}, {"record", {std::string{record.octets()}}}}});
    }
  }
  if (run.flags.form == OutputForm::json) run.terminal.print(to_text({std::move(array)}));
  return found.status;
}

}  // namespace pop
