// The client's end of libsasl2, and the two mechanisms that are no more than a password.

#include "auth/sasl_client.h"

#include <sasl/sasl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "auth/sasl_modules.h"
#include "base/text.h"

namespace pop {
namespace {

using Proof = SaslMechanism::Proof;

constexpr const char* service = "pop";  // RFC 5034 section 4

int answer_option(void*, const char*, const char*, const char**, unsigned*) {
  return SASL_FAIL;
}

/// The library, while anybody uses it: its modules go with it.
class Library {
 public:
  Library() : ready_{::sasl_client_init(callbacks_.data()) == SASL_OK} {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (ready_) ::sasl_client_done();
  }
  [[nodiscard]] bool is_ready() const { return ready_; }

 private:
  std::array<sasl_callback_t, 5> callbacks_ = sasl_global_callbacks(answer_option);
  bool ready_;
};

std::shared_ptr<Library> library_in_use() {
  static std::weak_ptr<Library> used;
  std::shared_ptr<Library> library = used.lock();
  if (!library) used = library = std::make_shared<Library>();
  return library;
}

/// RFC 4616: all in one message.
class PlainClient final : public SaslClient {
 public:
  explicit PlainClient(SaslLogin login) : login_{std::move(login)} {}

  Result<std::optional<Secret>> begin() override {
    std::string text;
    text.reserve(login_.user.size() + login_.password.octets().size() + 2);
    (((text += '\0') += login_.user) += '\0') += login_.password.octets();
    Secret message{text};
    wipe(text);
    done_ = true;
    return std::optional<Secret>{std::move(message)};
  }
  Result<Secret> answer(std::string_view) override {
    return fail(Errc::denied, "SASL: PLAIN knows no challenge");
  }
  bool is_done() const override { return done_; }

 private:
  SaslLogin login_;
  bool done_ = false;
};

/// Asked for one after the other; the words of the questions mean nothing.
class LoginClient final : public SaslClient {
 public:
  explicit LoginClient(SaslLogin login) : login_{std::move(login)} {}

  Result<std::optional<Secret>> begin() override { return std::optional<Secret>{}; }
  Result<Secret> answer(std::string_view) override {
    ++answered_;
    if (answered_ == 1) return Secret{login_.user};
    if (answered_ == 2) return login_.password.clone();
    return fail(Errc::denied, "SASL: LOGIN has two questions");
  }
  bool is_done() const override { return answered_ == 2; }

 private:
  SaslLogin login_;
  int answered_ = 0;
};

struct DisposeConnection {
  void operator()(sasl_conn_t* connection) const noexcept { ::sasl_dispose(&connection); }
};

class LibraryClient final : public SaslClient {
 public:
  explicit LibraryClient(SaslLogin login) : login_{std::move(login)} {
    const std::string_view octets = login_.password.octets();
    password_.assign(sizeof(sasl_secret_t) + octets.size(), '\0');
    auto* const secret = reinterpret_cast<sasl_secret_t*>(password_.data());
    secret->len = octets.size();
    std::memcpy(secret->data, octets.data(), octets.size());
  }
  LibraryClient(const LibraryClient&) = delete;
  LibraryClient& operator=(const LibraryClient&) = delete;
  ~LibraryClient() override { wipe(password_); }

  Result<void> open();
  Result<std::optional<Secret>> begin() override;
  Result<Secret> answer(std::string_view challenge) override;
  bool is_done() const override { return done_; }

 private:
  static int tell_name(void* context, int id, const char** name, unsigned* size);
  static int tell_password(sasl_conn_t*, void* context, int id, sasl_secret_t** password);
  Result<void> judge(int status);

  std::shared_ptr<Library> library_ = library_in_use();  // longer than the connection
  SaslLogin login_;
  std::vector<char> password_;  // as a sasl_secret_t
  std::array<sasl_callback_t, 4> callbacks_{};
  sasl_channel_binding_t binding_{};
  std::unique_ptr<sasl_conn_t, DisposeConnection> connection_;
  bool done_ = false;
};

int LibraryClient::tell_name(void* context, int, const char** name, unsigned* size) {
  const std::string& user = static_cast<LibraryClient*>(context)->login_.user;
  *name = user.c_str();
  if (size != nullptr) *size = static_cast<unsigned>(user.size());
  return SASL_OK;
}

int LibraryClient::tell_password(sasl_conn_t*, void* context, int, sasl_secret_t** password) {
  *password =
      reinterpret_cast<sasl_secret_t*>(static_cast<LibraryClient*>(context)->password_.data());
  return SASL_OK;
}

Result<void> LibraryClient::open() {
  if (!library_->is_ready()) return fail(Errc::io, "SASL: libsasl2 does not begin");
  // No SASL_CB_USER: nobody acts for somebody else.
  callbacks_ = {sasl_callback(SASL_CB_AUTHNAME, tell_name, this),
                sasl_callback(SASL_CB_PASS, tell_password, this),
                sasl_callback(SASL_CB_GETOPT, answer_option),
                sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr}};
  sasl_conn_t* raw = nullptr;
  if (::sasl_client_new(service, login_.host.c_str(), nullptr, nullptr, callbacks_.data(), 0,
                        &raw) != SASL_OK) {
    return fail(Errc::io, "SASL: libsasl2 begins no exchange");
  }
  connection_.reset(raw);
  sasl_security_properties_t security{};  // no layer: TLS is for that
  security.maxbufsize = 0xffff;
  if (::sasl_setprop(raw, SASL_SEC_PROPS, &security) != SASL_OK) {
    return fail(Errc::io, "SASL: libsasl2 takes no security properties");
  }
  if (!login_.mechanism->binds_channel) return {};
  if (!login_.binding) return fail(Errc::usage, "SASL: there is nothing to bind the login to");
  const std::string_view data = login_.binding->data.octets();
  binding_ = {login_.binding->kind.c_str(), 1, data.size(),
              reinterpret_cast<const unsigned char*>(data.data())};
  if (::sasl_setprop(raw, SASL_CHANNEL_BINDING, &binding_) == SASL_OK) return {};
  return fail(Errc::io, "SASL: libsasl2 takes no channel binding");
}

Result<void> LibraryClient::judge(int status) {
  done_ = status == SASL_OK;
  if (status == SASL_OK || status == SASL_CONTINUE) return {};
  const std::string why = escaped(::sasl_errdetail(connection_.get()), 200);
  return fail(status == SASL_NOMECH ? Errc::usage : Errc::denied, why);
}

Result<std::optional<Secret>> LibraryClient::begin() {
  const char* out = nullptr;
  unsigned size = 0;
  const char* chosen = nullptr;
  const std::string name{login_.mechanism->name};
  const int status =
      ::sasl_client_start(connection_.get(), name.c_str(), nullptr, &out, &size, &chosen);
  if (Result<void> good = judge(status); !good) return std::unexpected(std::move(good).error());
  if (login_.mechanism->first == SaslMechanism::First::server) return std::optional<Secret>{};
  return std::optional<Secret>{Secret{{out == nullptr ? "" : out, size}}};
}

Result<Secret> LibraryClient::answer(std::string_view challenge) {
  if (done_ && challenge.empty()) return Secret{};
  const char* out = nullptr;
  unsigned size = 0;
  const int status =
      ::sasl_client_step(connection_.get(), challenge.data(),
                         static_cast<unsigned>(challenge.size()), nullptr, &out, &size);
  if (Result<void> good = judge(status); !good) return std::unexpected(std::move(good).error());
  return Secret{{out == nullptr ? "" : out, size}};
}

}  // namespace

bool can_log_in_by(const SaslMechanism& mechanism) {
  if (mechanism.proof == Proof::password) return true;
  return mechanism.proof == Proof::secret && is_sasl_module_installed(mechanism);
}

Result<std::unique_ptr<SaslClient>> make_sasl_client(SaslLogin login) {
  const SaslMechanism& mechanism = *login.mechanism;
  if (!can_log_in_by(mechanism)) {
    return fail(Errc::usage, "SASL: no login by " + std::string{mechanism.name} + " from here");
  }
  if (mechanism.name == "PLAIN") return std::make_unique<PlainClient>(std::move(login));
  if (mechanism.name == "LOGIN") return std::make_unique<LoginClient>(std::move(login));
  auto client = std::make_unique<LibraryClient>(std::move(login));
  if (Result<void> opened = client->open(); !opened) {
    return std::unexpected(std::move(opened).error());
  }
  return client;
}

}  // namespace pop
