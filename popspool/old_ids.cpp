#include "popspool/old_ids.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "conf/service_address.h"
#include "mail/server_ids.h"
#include "store/maildir_location.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_list = std::uint64_t{1} << 30;
constexpr std::size_t largest_cyrus_header = std::size_t{256} * 1024;

Result<std::string> content_of(const Fd& file, const std::string& name) {
  std::string content;
  std::vector<char> piece(std::size_t{256} * 1024);
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    const int saved = errno;
    if (got < 0 && saved == EINTR) continue;
    if (got < 0) return fail_errno(saved, "read " + escaped(name));
    if (got == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(got));
    if (content.size() > largest_list) return fail(Errc::limit, escaped(name) + " is too large");
  }
}

/// Of the administrator; may be a pipe.
Result<std::string> read_file(const std::string& path) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!file.is_open()) return fail_errno(errno, "open " + escaped(path));
  return content_of(file, path);
}

/// Of a user, who may have made a pipe that never ends.
Result<std::string> read_regular_file(Disk& disk, int directory, const std::string& path) {
  const Result<Fd> file = disk.open(directory, path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular()) {
    return fail(Errc::denied, "open " + escaped(path) + ": this is no regular file");
  }
  return content_of(*file, path);
}

/// `text` with each %s replaced.
std::string with_name(std::string_view text, std::string_view name) {
  std::string whole;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find("%s"), text.size());
    whole += text.substr(0, at);
    if (at < text.size()) whole += name;
    text.remove_prefix(std::min(at + 2, text.size()));
  }
  return whole;
}

bool has_name(const fs::path& directory, const char* name) {
  std::error_code error;
  return fs::is_directory(directory / name, error);
}

Result<ServerTls> tls_mode(const std::optional<std::string>& word) {
  if (!word || *word == "stls") return ServerTls::stls;
  if (*word == "implicit") return ServerTls::implicit;
  if (*word == "none") return ServerTls::none;
  return fail(Errc::usage, "--tls: \"" + escaped(*word) + "\" is none of stls, implicit and none");
}

std::string names_of_forms() {
  std::string names = "export";
  for (const ServerForm& form : server_forms()) names += ", " + std::string{form.name};
  return names;
}

}  // namespace

void declare_old_ids(Arguments& arguments, OldIdsArguments& old) {
  arguments.option("--format", old.format, "FORM", "Whose ids: " + names_of_forms());
  arguments.option("--from", old.from, "PATH",
                   "The export file, the list, or the old maildrop; %s is the user");
  arguments.option("--uidl-format", old.uidl_format, "TEMPLATE", "Dovecot's pop3_uidl_format");
  arguments.option("--uidvalidity", old.uidvalidity, "NUMBER",
                   "UIDVALIDITY of a directory of Cyrus");
  arguments.option("--server", old.server, "HOST[:PORT]", "Ask the old server itself, over POP3");
  arguments.option("--tls", old.tls, "MODE", "stls, which is usual, implicit or none");
  arguments.option("--ca", old.ca_file, "FILE", "Trust the certificates in this file, no others");
  arguments.option("--login", old.login, "NAME", "Log in under this name; %s is the user");
  arguments.option("--password-file", old.password_file, "FILE",
                   "Lines USER:PASSWORD; without it one password for all is asked for");
}

Result<OldIds> OldIds::prepare(const OldIdsArguments& arguments, bool reads_stdin,
                               Terminal& terminal) {
  OldIds old;
  if (arguments.server && (arguments.format || arguments.from)) {
    return fail(Errc::usage, "--server goes with neither --format nor --from");
  }
  if (!arguments.server &&
      (arguments.tls || arguments.ca_file || arguments.login || arguments.password_file)) {
    return fail(Errc::usage, "--tls, --ca, --login and --password-file want --server");
  }
  if (arguments.names_none()) {
    return fail(Errc::usage, "--format, --from or --server must tell where the ids come from");
  }
  if (arguments.server) {
    Result<void> prepared = old.prepare_server(arguments, reads_stdin, terminal);
    if (!prepared) return std::unexpected(std::move(prepared).error());
    return old;
  }
  old.from_ = arguments.from;
  if (arguments.format && *arguments.format != "export") {
    old.form_ = find_form(*arguments.format);
    if (old.form_ == nullptr) {
      return fail(Errc::usage, "--format: \"" + escaped(*arguments.format) + "\" is none of " +
                                   names_of_forms());
    }
  } else if (!old.from_) {
    return fail(Errc::usage, "--format export wants --from");
  }
  if (arguments.uidl_format) {
    if (old.form_ == nullptr || old.form_->name != "dovecot") {
      return fail(Errc::usage, "--uidl-format is for --format dovecot");
    }
    const Result<UidlTemplate> shape = UidlTemplate::parse(*arguments.uidl_format);
    if (!shape) return std::unexpected(Error{shape.error()}.in("--uidl-format"));
    old.uidl_format_ = *arguments.uidl_format;
  }
  if (arguments.uidvalidity) {
    const std::optional<std::uint64_t> number = decimal(*arguments.uidvalidity);
    if (!number || *number == 0 || *number > 0xFFFFFFFF) {
      return fail(Errc::usage, "--uidvalidity: no number from 1 to 4294967295");
    }
    if (old.form_ == nullptr || old.form_->name != "cyrus") {
      return fail(Errc::usage, "--uidvalidity is for --format cyrus");
    }
    old.uidvalidity_ = static_cast<std::uint32_t>(*number);
  }
  if (old.form_ == nullptr && old.from_->find("%s") == std::string::npos) {
    const Result<std::string> content = read_file(*old.from_);
    if (!content) return std::unexpected(content.error());
    Result<std::map<std::string, IdListing>> parsed = parse_export(*content);
    if (!parsed) return std::unexpected(std::move(parsed).error().in(escaped(*old.from_)));
    old.exports_ = std::move(*parsed);
  }
  return old;
}

Result<void> OldIds::prepare_server(const OldIdsArguments& arguments, bool reads_stdin,
                                    Terminal& terminal) {
  const Judged<ServiceAddress> address = parse_service_address(*arguments.server);
  if (!address) return fail(Errc::usage, "--server: " + address.error());
  const Result<ServerTls> tls = tls_mode(arguments.tls);
  if (!tls) return std::unexpected(tls.error());
  server_ = OldServer{
      .host = address->host, .port = address->port, .tls = *tls, .ca_file = arguments.ca_file};
  if (arguments.login) login_ = *arguments.login;
  if (arguments.password_file) return read_passwords(*arguments.password_file);
  if (reads_stdin) {
    return fail(Errc::usage, "--stdin and the password cannot both be read from standard input");
  }
  Result<Secret> password =
      ::isatty(STDIN_FILENO) == 1
          ? terminal.ask_secret("Password at " + escaped(address->host) + ": ")
          : terminal.read_secret_line();
  if (!password) return std::unexpected(std::move(password).error().in("the password"));
  password_ = std::move(*password);
  return {};
}

Result<void> OldIds::read_passwords(const std::string& file) {
  Result<std::string> content = read_file(file);
  if (!content) return std::unexpected(std::move(content).error());
  std::string_view rest = *content;
  Result<void> done;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == line.npos) {
      done = fail(Errc::corrupt,
                  escaped(file) + ": line " + std::to_string(number) + " is not USER:PASSWORD");
      break;
    }
    passwords_.insert_or_assign(std::string{line.substr(0, colon)}, Secret{line.substr(colon + 1)});
  }
  wipe(*content);
  return done;
}

void OldIds::keep_password_of(const TargetRun& run) {
  std::erase_if(passwords_, [&](const auto& each) { return each.first != run.user.name; });
}

std::string OldIds::path_of(const TargetRun& run) const {
  return with_name(*from_, run.user.name);
}

Result<std::vector<OldMessage>> OldIds::of(const TargetRun& run, const MaildropIdFacts& facts) {
  if (server_) return ask(run);
  return form_ == nullptr ? exported(run) : by_form(run, facts);
}

Result<std::vector<OldMessage>> OldIds::ask(const TargetRun& run) {
  const auto own = passwords_.find(run.user.name);
  if (own == passwords_.end() && !password_) {
    return fail(Errc::not_found, "the password file has no line of " + escaped(run.user.name));
  }
  const Secret& password = own != passwords_.end() ? own->second : *password_;
  Result<IdListing> listing = ask_server(*server_, with_name(login_, run.user.name), password);
  if (!listing) return std::unexpected(std::move(listing).error());
  std::vector<OldMessage> old;
  for (ListedId& message : *listing) old.push_back({std::move(message), std::nullopt});
  return old;
}

Result<std::vector<OldMessage>> OldIds::exported(const TargetRun& run) {
  std::map<std::string, IdListing> own;
  if (!exports_) {
    const std::string path = path_of(run);
    const Result<std::string> content = read_regular_file(run.context.disk, AT_FDCWD, path);
    if (!content) return std::unexpected(content.error());
    Result<std::map<std::string, IdListing>> parsed = parse_export(*content);
    if (!parsed) return std::unexpected(std::move(parsed).error().in(escaped(path)));
    own = std::move(*parsed);
  }
  const std::map<std::string, IdListing>& exports = exports_ ? *exports_ : own;
  auto found = exports.find(escaped(run.target.name));
  if (found == exports.end()) found = exports.find(escaped(run.user.name));
  if (found == exports.end()) {
    return fail(Errc::not_found, "the export file has nothing of this maildrop");
  }
  std::vector<OldMessage> old;
  for (const ListedId& message : found->second) old.push_back({message, std::nullopt});
  return old;
}

Result<std::vector<OldMessage>> OldIds::by_form(const TargetRun& run,
                                                const MaildropIdFacts& facts) {
  std::error_code error;
  const std::string path = from_ ? path_of(run) : std::string{};
  const bool is_directory = from_ && fs::is_directory(path, error);
  const bool is_maildir = is_directory && (has_name(path, "cur") || has_name(path, "new"));
  if (is_directory && !is_maildir && form_->name.starts_with("cyrus")) {
    return of_cyrus_directory(run, path);
  }
  if (uidvalidity_) {
    return fail(Errc::usage, "--uidvalidity is for a directory of Cyrus, and --from names none");
  }
  const bool is_list =
      from_ && !is_directory && !form_->list_file.empty() && facts.format == MailFormat::maildir;
  if (!from_ || is_list) {
    const Result<std::optional<FileList>> list = list_of_form(
        run, *form_, run.user, facts.format, is_list ? std::optional{path} : std::nullopt);
    if (!list) return std::unexpected(list.error());
    return given(facts, *list, true);
  }
  // Another maildrop, with the same mail in it.
  Settings settings = run.context.settings;
  settings.mail_format = MailFormat::by_place;
  MailUser there = run.user;
  there.maildrop = fs::absolute(path, error).lexically_normal();
  if (!there.maildrop.has_filename()) there.maildrop = there.maildrop.parent_path();
  there.folder.clear();
  if (!fs::exists(there.maildrop, error)) {
    return fail(Errc::not_found, escaped(path) + ": there is no maildrop");
  }
  const MaildropContext context{settings, run.context.disk, run.context.clock};
  const Result<ViewedFacts> old = view_facts(context, there);
  if (!old) return std::unexpected(old.error());
  const TargetRun there_run{.target = run.target,
                            .user = there,
                            .context = context,
                            .flags = run.flags,
                            .is_alone = run.is_alone,
                            .output = run.output};
  const Result<std::optional<FileList>> list =
      list_of_form(there_run, *form_, there, old->facts.format, std::nullopt);
  if (!list) return std::unexpected(list.error());
  return given(old->facts, *list, false);
}

Result<std::vector<OldMessage>> OldIds::given(const MaildropIdFacts& facts,
                                              const std::optional<FileList>& list, bool are_own) {
  const FormInput input{
      .facts = facts, .list = list ? &*list : nullptr, .uidl_format = uidl_format_};
  const Result<std::vector<GivenId>> ids = form_->ids(input);
  if (!ids) return std::unexpected(Error{ids.error()}.in(form_->name));
  std::vector<OldMessage> old;
  for (const GivenId& each : *ids) {
    if (each.id.empty()) continue;
    OldMessage message{facts.messages[each.message].listed, std::nullopt};
    message.listed.id = each.id;
    if (are_own) message.message = each.message;
    old.push_back(std::move(message));
  }
  untold_ = facts.messages.size() - std::min(old.size(), facts.messages.size());
  return old;
}

/// Files "1.", "2." and so on: a message each, named by its UID.
Result<std::vector<OldMessage>> OldIds::of_cyrus_directory(const TargetRun& run,
                                                           const std::string& path) {
  const bool wants_validity = form_->name == "cyrus";
  if (wants_validity && !uidvalidity_) {
    return fail(Errc::usage, "a directory of Cyrus wants --uidvalidity");
  }
  std::map<std::uint64_t, OldMessage> by_uid;
  std::error_code error;
  for (fs::directory_iterator entries{path, error}; !error && entries != fs::directory_iterator{};
       entries.increment(error)) {
    const std::string name = entries->path().filename().native();
    const std::optional<std::uint64_t> uid =
        name.ends_with('.') ? decimal(std::string_view{name}.substr(0, name.size() - 1))
                            : std::nullopt;
    if (!uid || *uid == 0) continue;
    const Result<Fd> file = run.context.disk.open(AT_FDCWD, entries->path().native(), O_RDONLY);
    if (!file) return std::unexpected(file.error());
    const Result<FileStatus> status = run.context.disk.status(*file);
    if (!status) return std::unexpected(status.error());
    std::string header(largest_cyrus_header, '\0');
    const Result<std::size_t> got = run.context.disk.read(*file, header, {0});
    if (!got) return std::unexpected(got.error());
    header.resize(*got);
    const std::string id = wants_validity
                               ? std::to_string(*uidvalidity_) + "." + std::to_string(*uid)
                               : std::to_string(*uid);
    by_uid[*uid].listed = {id, status->size.count, recipe_id(UniqueIdRecipe::native, {}, header)};
  }
  if (error) return fail_errno(error.value(), "list " + escaped(path));
  std::vector<OldMessage> old;
  for (auto& [uid, message] : by_uid) old.push_back(std::move(message));
  return old;
}

Result<std::optional<FileList>> list_of_form(const TargetRun& run, const ServerForm& form,
                                             const MailUser& user, MailFormat format,
                                             const std::optional<std::string>& path) {
  if (form.list_file.empty() || format != MailFormat::maildir) return std::nullopt;
  const std::string name = path ? *path : std::string{form.list_file};
  const auto parsed = [&](const Result<std::string>& content) -> Result<std::optional<FileList>> {
    if (!content) return std::unexpected(content.error());
    Result<FileList> list = form.parse_list(*content);
    if (!list) return std::unexpected(std::move(list).error().in(escaped(name)));
    return std::optional{std::move(*list)};
  };
  if (path) return parsed(read_regular_file(run.context.disk, AT_FDCWD, *path));
  const Result<MaildropLocation> location =
      locate_maildrop(run.context.disk, run.context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(run.context.disk, run.context.settings, user, *location);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return std::optional{FileList{}};
  Result<std::string> content =
      read_regular_file(run.context.disk, (*maildir)->root->fd.get(), name);
  if (!content) {
    return std::unexpected(std::move(content).error().in((*maildir)->root->path.native()));
  }
  return parsed(content);
}

}  // namespace pop
