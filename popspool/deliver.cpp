// Whoever calls this has the only other copy of the message and acts on the exit status: what may
// be better next time says "try again", wrong settings included, for a slip in them must not send
// everybody's mail back.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/text.h"
#include "popspool/popspool.h"
#include "store/delivery.h"
#include "store/maildrop_location.h"
#include "tool/counted.h"

namespace pop {
namespace {

/// The message as the agent hands it over, and whether it is one that is sent back.
class Message {
 public:
  Result<std::size_t> read(std::span<char> buffer) {
    for (;;) {
      const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (got >= 0) {
        size_ += {static_cast<std::uint64_t>(got)};
        is_whole_ = got == 0;
        return static_cast<std::size_t>(got);
      }
      const int saved = errno;
      if (saved != EINTR) return fail_errno(saved, "read standard input");
    }
  }
  [[nodiscard]] FileBytes size() const { return size_; }
  /// No other failure has anything to do with the message itself.
  [[nodiscard]] bool is_refused(const DeliveryRequest& request) const {
    return (request.largest && size_ > *request.largest) || (is_whole_ && size_.count == 0);
  }

 private:
  FileBytes size_;
  bool is_whole_ = false;
};

Result<DeliveryRequest> request_of(const DeliverArguments& arguments) {
  DeliveryRequest request;
  request.sender = arguments.sender.value_or("");
  if (!arguments.size_limit) return request;
  const std::optional<std::uint64_t> limit = decimal(*arguments.size_limit);
  if (!limit || *limit == 0) {
    return fail(Errc::usage,
                "--size-limit \"" + escaped(*arguments.size_limit) + "\" is no number of octets");
  }
  request.largest = FileBytes{*limit};
  return request;
}

void tell(const TargetRun& run, const std::string& path, FileBytes size, std::string_view verb) {
  run.output.add("path", {path});
  run.output.add("bytes", {size.count});
  if (run.flags.verbosity != Verbosity::verbose && run.flags.mode == RunMode::real) return;
  run.output.print(std::string{verb} + " " + counted(size.count, "byte") + " to " + path + "\n");
}

/// A delivery would make the spool's directory first.
bool lacks_hash_directory(const TargetRun& run, const std::filesystem::path& spool) {
  const Settings& settings = run.context.settings;
  if (settings.hash_spool == 0 || !settings.check_hash_dir) return false;
  const Result<FileStatus> there = run.context.disk.status(AT_FDCWD, spool.parent_path());
  return !there && there.error().code == Errc::not_found;
}

Result<std::filesystem::path> place_of(const TargetRun& run) {
  Result<std::filesystem::path> spool = spool_path(run.context.settings, run.user);
  if (!spool || lacks_hash_directory(run, *spool)) return spool;
  const Result<MaildropLocation> location =
      locate_maildrop(run.context.disk, run.context.settings, run.user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(run.context, run.user, *location);
  if (!format) return std::unexpected(format.error());
  return spool;
}

/// -n: reads the message, and looks where it would go.
Result<void> describe(const TargetRun& run, const DeliveryRequest& request, Message& message) {
  const Result<std::filesystem::path> place = place_of(run);
  if (!place) return std::unexpected(place.error());
  std::string piece(std::size_t{64} * 1024, '\0');
  Result<std::size_t> got{1};
  while (got && *got > 0) got = message.read(piece);
  if (!got) return std::unexpected(got.error());
  if (message.is_refused(request)) {
    return fail(Errc::limit, "the message is empty, or larger than --size-limit");
  }
  tell(run, place->native(), message.size(), "would deliver");
  return {};
}

Result<void> deliver_to(const TargetRun& run, const DeliveryRequest& request, Message& message) {
  if (run.flags.mode == RunMode::dry_run) return describe(run, request, message);
  const Result<DeliveredMail> done =
      deliver(run.context, run.user, request,
              [&message](std::span<char> buffer) { return message.read(buffer); });
  if (!done) return std::unexpected(done.error());
  if (!done->remark.empty()) run.output.complain(done->remark);
  tell(run, done->path, done->size, "delivered");
  return {};
}

/// As mail transfer agents understand it. The command line has been looked at before: a later
/// complaint of wrong usage means the settings.
ExitStatus for_transfer(ExitStatus status) {
  switch (status) {
    case ExitStatus::ok:
    case ExitStatus::no_user:
    case ExitStatus::cannot_create:
      return status;
    default:
      return ExitStatus::temp_fail;
  }
}

/// Shared directories must not belong to whoever's mail comes first, so root makes them.
Result<void> prepare(const Settings& settings, const MailTarget& target) {
  if (::geteuid() != 0) return {};
  return make_hash_directories(system_disk(), settings, target.user);
}

}  // namespace

ExitStatus run_deliver(const DeliverArguments& arguments, const ToolRun& run) {
  Result<DeliveryRequest> request = request_of(arguments);
  if (!request) return give_up(run.terminal, request.error());
  request->last_check = [parent = ::getpid()]() -> Result<void> {
    if (::getppid() == parent) return {};
    return fail(Errc::busy, "nobody waits for the delivery any more");
  };
  const std::expected<Configuration, ExitStatus> read = read_configuration(run);
  if (!read) return for_transfer(read.error());
  const bool dry = run.flags.mode == RunMode::dry_run;
  const auto work = [&](const TargetRun& target) -> Result<ExitStatus> {
    Message message;
    const Result<void> done = deliver_to(target, *request, message);
    if (done) return ExitStatus::ok;
    target.output.complain(done.error().text);
    return message.is_refused(*request) ? ExitStatus::cannot_create : ExitStatus::temp_fail;
  };
  const auto prepare_it = [&](const MailTarget& target) {
    return dry ? Result<void>{} : prepare(read->settings, target);
  };
  const ExitStatus status =
      run_on_targets({.name = "deliver",
                      .task = "deliver",
                      .work = work,
                      .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
                      .missing = MissingPath::new_maildrop,
                      .prepare = prepare_it,
                      .input = run.terminal.input()},
                     {.named = arguments.users}, read->settings, run);
  return for_transfer(status);
}

}  // namespace pop
