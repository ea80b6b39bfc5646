// Whoever calls this has the only other copy of the message and acts on the exit status: what may
// be better next time says "try again", wrong settings included, for a slip in them must not send
// everybody's mail back.

#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "popspool/popspool.h"
#include "store/delivery.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

Result<std::size_t> read_standard_input(std::span<char> buffer) {
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    const int saved = errno;
    if (saved != EINTR) return fail_errno(saved, "read standard input");
  }
}

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
  run.output.print(std::string{verb} + " " + std::to_string(size.count) + " bytes to " + path +
                   "\n");
}

/// -n: reads the message, and looks where it would go.
Result<ExitStatus> describe(const TargetRun& run, const DeliveryRequest& request) {
  const Result<MaildropLocation> location =
      locate_maildrop(run.context.disk, run.context.settings, run.user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(run.context, run.user, *location);
  if (!format) return std::unexpected(format.error());
  std::string piece(std::size_t{64} * 1024, '\0');
  FileBytes size;
  for (;;) {
    const Result<std::size_t> got = read_standard_input(piece);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    size += {*got};
  }
  if (request.largest && size > *request.largest) {
    return fail(Errc::limit,
                "the message is larger than " + std::to_string(request.largest->count) + " octets");
  }
  tell(run, location->spool.path(), size, "would deliver");
  return ExitStatus::ok;
}

Result<ExitStatus> deliver_to(const TargetRun& run, const DeliveryRequest& request) {
  if (run.flags.mode == RunMode::dry_run) return describe(run, request);
  const Result<DeliveredMail> done = deliver(run.context, run.user, request, read_standard_input);
  if (!done) return std::unexpected(done.error());
  tell(run, done->path, done->size, "delivered");
  return ExitStatus::ok;
}

/// As mail transfer agents understand it.
ExitStatus for_transfer(ExitStatus status) {
  switch (status) {
    case ExitStatus::ok:
    case ExitStatus::no_user:
    case ExitStatus::usage:
    case ExitStatus::cannot_create:
      return status;
    case ExitStatus::no_input:
      return ExitStatus::no_user;  // a path
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
  const Result<DeliveryRequest> request = request_of(arguments);
  if (!request) return give_up(run.terminal, request.error());
  const std::expected<Configuration, ExitStatus> read = read_configuration(run);
  if (!read) return for_transfer(read.error());
  const auto work = [&](const TargetRun& target) -> Result<ExitStatus> {
    Result<ExitStatus> done = deliver_to(target, *request);
    if (done) return done;
    target.output.complain(done.error().text);
    return done.error().code == Errc::limit ? ExitStatus::cannot_create : ExitStatus::temp_fail;
  };
  const bool dry = run.flags.mode == RunMode::dry_run;
  const ExitStatus status = run_on_targets(
      {.name = "deliver",
       .task = "deliver",
       .work = work,
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
       .prepare = [&](MailTarget& target) { return prepare(read->settings, target); },
       .input = run.terminal.input()},
      {.named = arguments.users}, read->settings, run);
  return for_transfer(status);
}

}  // namespace pop
