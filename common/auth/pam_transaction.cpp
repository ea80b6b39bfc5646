#include "auth/pam_transaction.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "auth/pam_conversation.h"
#include "base/text.h"

namespace pop {

/// What the modules may ask for, and what they said. PAM keeps its address.
struct PamTransaction::Dialogue {
  Attempt attempt;
  std::string messages;
};

namespace {

constexpr std::size_t most_of_messages = 1000;

void collect(std::string& messages, const char* text) {
  if (text == nullptr || *text == '\0' || messages.size() > most_of_messages) return;
  if (!messages.empty()) messages += "; ";
  messages += escaped(trimmed(text));
}

/// False: no memory, or a kind of question that has no answer here.
template <class Dialogue>
bool answer_one(Dialogue& dialogue, const pam_message& question, pam_response& reply) {
  switch (question.msg_style) {
    case PAM_PROMPT_ECHO_OFF:
      reply.resp = copy_for_module(dialogue.attempt.password.octets());
      return reply.resp != nullptr;
    case PAM_PROMPT_ECHO_ON:
      reply.resp = copy_for_module(dialogue.attempt.user);
      return reply.resp != nullptr;
    case PAM_ERROR_MSG:
    case PAM_TEXT_INFO:
      collect(dialogue.messages, question.msg);
      return true;
    default:
      return false;
  }
}

bool is_verdict(int status) {
  switch (status) {
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
    case PAM_ACCT_EXPIRED:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
    case PAM_CRED_EXPIRED:
      return true;
    default:
      return false;
  }
}

Errc code_of_account(int status) {
  if (status == PAM_ACCT_EXPIRED) return Errc::account_expired;
  if (status == PAM_NEW_AUTHTOK_REQD || status == PAM_AUTHTOK_EXPIRED) {
    return Errc::password_expired;
  }
  return is_verdict(status) ? Errc::denied : Errc::io;
}

/// This process's supplementary groups, which modules such as pam_group add to.
class GroupsKept {
 public:
  GroupsKept() : groups_{now()} {}
  GroupsKept(const GroupsKept&) = delete;
  GroupsKept& operator=(const GroupsKept&) = delete;
  ~GroupsKept() {
    if (now() != groups_) (void)::setgroups(groups_.size(), groups_.data());
  }

 private:
  static std::vector<gid_t> now() {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    return groups;
  }

  std::vector<gid_t> groups_;
};

}  // namespace

PamTransaction::PamTransaction(std::unique_ptr<Dialogue> dialogue, pam_handle* handle)
    : dialogue_{std::move(dialogue)}, handle_{handle} {}

PamTransaction::PamTransaction(PamTransaction&& other) noexcept
    : dialogue_{std::move(other.dialogue_)},
      handle_{std::exchange(other.handle_, nullptr)},
      last_{other.last_},
      has_authenticated_{other.has_authenticated_},
      end_flags_{other.end_flags_} {}

PamTransaction::~PamTransaction() {
  if (handle_ != nullptr) pam_end(handle_, last_ | end_flags_);
}

Result<PamTransaction> PamTransaction::start(Attempt attempt) {
  auto dialogue = std::make_unique<Dialogue>(Dialogue{std::move(attempt), {}});
  const Attempt& asked = dialogue->attempt;
  // PAM takes both as C strings: what a NUL cuts off would not be checked.
  if (asked.password.octets().find('\0') != std::string_view::npos ||
      asked.password.octets().size() >= PAM_MAX_RESP_SIZE) {
    return fail(Errc::denied, "PAM: the password is too long or holds a NUL octet");
  }
  const pam_conv conversation{&converse_with_pam<Dialogue, answer_one<Dialogue>>, dialogue.get()};
  pam_handle_t* handle = nullptr;
  const int started = pam_start(asked.service.c_str(), asked.user.c_str(), &conversation, &handle);
  if (started != PAM_SUCCESS) {
    return fail(Errc::io,
                "PAM: service " + escaped(asked.service) + ": " + pam_strerror(handle, started));
  }
  PamTransaction transaction{std::move(dialogue), handle};
  void (*delay)(int, unsigned, void*) = no_pam_delay;
  if (pam_set_item(handle, PAM_RHOST, asked.address.c_str()) != PAM_SUCCESS ||
      pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(delay)) != PAM_SUCCESS) {
    return fail(Errc::io, "PAM: cannot be told where the client is");
  }
  return transaction;
}

Result<void> PamTransaction::authenticate() {
  last_ = pam_authenticate(handle_, PAM_DISALLOW_NULL_AUTHTOK);
  dialogue_->attempt.password = {};
  if (last_ != PAM_SUCCESS) {
    return std::unexpected(refusal("authenticate", is_verdict(last_) ? Errc::denied : Errc::io));
  }
  has_authenticated_ = true;
  return check_user();
}

Result<void> PamTransaction::check_user() const {
  const void* item = nullptr;
  if (pam_get_item(handle_, PAM_USER, &item) != PAM_SUCCESS || item == nullptr) {
    return fail(Errc::io, "PAM: forgot the user");
  }
  if (dialogue_->attempt.user == static_cast<const char*>(item)) return {};
  return fail(Errc::denied, "PAM: a module changed the user's name");
}

Result<void> PamTransaction::check_account(ExpiredPassword expired) {
  last_ = pam_acct_mgmt(handle_, PAM_DISALLOW_NULL_AUTHTOK);
  if (last_ == PAM_SUCCESS) return check_user();
  if (last_ == PAM_NEW_AUTHTOK_REQD && expired == ExpiredPassword::accept) return check_user();
  return std::unexpected(refusal("account", code_of_account(last_)));
}

Result<void> PamTransaction::pass_credentials() {
  if (!has_authenticated_) return {};
  const GroupsKept groups;
  for (const int what : {int{PAM_ESTABLISH_CRED}, int{PAM_DELETE_CRED}}) {
    if (Result<void> done = change_credentials(what); !done) return done;
  }
  return {};
}

Result<void> PamTransaction::change_credentials(int what) {
  last_ = pam_setcred(handle_, what);
  if (last_ == PAM_SUCCESS) return {};
  return std::unexpected(
      refusal(what == PAM_DELETE_CRED ? "delete credentials" : "set credentials", Errc::io));
}

std::string PamTransaction::take_messages() {
  return std::exchange(dialogue_->messages, {});
}

Error PamTransaction::refusal(const char* doing, Errc code) {
  std::string text = std::string{"PAM "} + doing + ": " + pam_strerror(handle_, last_);
  if (const std::string said = take_messages(); !said.empty()) text += " (" + said + ")";
  if (last_ == PAM_MODULE_UNKNOWN) text += "; popcheck system tells which module is missing";
  return {code, std::move(text)};
}

PamSession::PamSession(PamTransaction transaction) : transaction_{std::move(transaction)} {
  transaction_.end_flags_ = int{PAM_DATA_SILENT};
}

Result<void> PamSession::begin() {
  Result<void> begun = open();
  if (!begun) transaction_.end_flags_ = 0;
  return begun;
}

Result<void> PamSession::open() {
  const Result<void> set = transaction_.change_credentials(PAM_ESTABLISH_CRED);
  if (!set && transaction_.has_authenticated_) return set;
  int& status = transaction_.last_;
  status = pam_open_session(transaction_.handle_, 0);
  if (status == PAM_SUCCESS) return {};
  const Error error =
      transaction_.refusal("open session", is_verdict(status) ? Errc::denied : Errc::io);
  (void)transaction_.change_credentials(PAM_DELETE_CRED);
  return std::unexpected(error);
}

Result<void> PamSession::end() {
  int& status = transaction_.last_;
  status = pam_close_session(transaction_.handle_, 0);
  Result<void> closed;
  if (status != PAM_SUCCESS) {
    closed = std::unexpected(transaction_.refusal("close session", Errc::io));
  }
  const Result<void> deleted = transaction_.change_credentials(PAM_DELETE_CRED);
  transaction_.end_flags_ = 0;
  return closed ? deleted : closed;
}

}  // namespace pop
