// credential_driver: changes a credential file, or tells its state.
//
//   credential_driver init FILE       with twelve users, all "old"
//   credential_driver change FILE     all of them become "new" in one step
//   credential_driver careless FILE   the same by overwriting the file, as nobody should
//   credential_driver state FILE      prints "old" or "new"; anything else is a fault
//
// Exit status 0: done. strike counts system calls from the first getpgid(2) on.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"

namespace pop {
namespace {

constexpr int users = 12;

std::string name_of(int user) {
  return "user" + std::to_string(user);
}

std::vector<CredentialChange> all_become(const std::string& state) {
  std::vector<CredentialChange> changes;
  for (int user = 0; user < users; ++user) {
    Credential credential;
    credential.password_hash = state + std::string(100, 'x');
    credential.apop_secret = Secret{state};
    changes.push_back({name_of(user), std::move(credential)});
  }
  return changes;
}

int complain(const Error& error) {
  std::fprintf(stderr, "credential_driver: %s\n", error.text.c_str());
  return 1;
}

int end(const Result<void>& done) {
  return done ? 0 : complain(done.error());
}

Result<void> overwrite_with_new(const std::filesystem::path& file) {
  std::filesystem::path beside = file;
  beside += ".copy";
  std::filesystem::copy_file(file, beside, std::filesystem::copy_options::overwrite_existing);
  Result<void> changed = CredentialDbWriter::apply(system_disk(), beside, all_become("new"));
  const Result<Secret> bytes = CredentialDbWriter::read_bytes(system_disk(), beside);
  if (!changed || !bytes) return changed ? std::unexpected(bytes.error()) : changed;
  (void)::getpgid(0);
  const Result<Fd> target = system_disk().open(AT_FDCWD, file.native(), O_WRONLY | O_TRUNC);
  if (!target) return std::unexpected(target.error());
  const std::string_view all = bytes->octets();
  const std::size_t half = all.size() / 2;
  changed = system_disk().write(*target, all.substr(0, half), FileBytes{0});
  return changed ? system_disk().write(*target, all.substr(half), FileBytes{half}) : changed;
}

int tell_state(const std::filesystem::path& file) {
  std::string state;
  int seen = 0;
  const Result<void> walked =
      CredentialDb{file}.walk([&](std::string_view, Result<Credential> credential) -> Result<void> {
        if (!credential) return std::unexpected(credential.error());
        ++seen;
        const std::string_view one = credential->apop_secret->octets();
        if (state.empty()) state = one;
        if (state == one && credential->password_hash.starts_with(state)) return {};
        return fail(Errc::corrupt, "two states in one file");
      });
  if (!walked) return complain(walked.error());
  if (seen != users) return complain({Errc::corrupt, "users are missing"});
  std::puts(state.c_str());
  return 0;
}

int run(std::string_view what, const std::filesystem::path& file) {
  if (what == "init") {
    const Result<void> made = CredentialDbWriter::create(system_disk(), file);
    return made ? end(CredentialDbWriter::apply(system_disk(), file, all_become("old")))
                : end(made);
  }
  if (what == "change") {
    std::vector<CredentialChange> changes = all_become("new");
    (void)::getpgid(0);
    return end(CredentialDbWriter::apply(system_disk(), file, std::move(changes)));
  }
  if (what == "careless") return end(overwrite_with_new(file));
  return what == "state" ? tell_state(file) : 2;
}

}  // namespace
}  // namespace pop

int main(int argc, char** argv) {
  return argc == 3 ? pop::run(argv[1], argv[2]) : 2;
}
