// The server's end of libsasl2. Its plug-ins ask for secrets by "auxiliary properties", which
// ours takes from the credential file, and for nothing else.

#include "auth/sasl_server.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "auth/account.h"
#include "auth/sasl_modules.h"
#include "auth/saslprep.h"
#include "base/base64.h"
#include "base/text.h"

namespace pop {
namespace {

using Proof = SaslMechanism::Proof;

constexpr const char* service = "pop";  // RFC 5034 section 4
constexpr const char* plugin_name = "popper";
// Of one encoded piece, as the client is told.
constexpr unsigned largest_layer_piece = 0xffff;
constexpr std::size_t longest_name = 1024;

// As the plug-ins of libsasl2 ask for them; SCRAM takes the first where both are there.
constexpr std::string_view plain_property = "*userPassword", keys_property = "*authPassword";

// Every question about the library's own configuration ends here.
int answer_option(void*, const char*, const char* option, const char** value, unsigned* size) {
  if (std::string_view{option} != "auxprop_plugin") return SASL_FAIL;
  *value = plugin_name;
  if (size != nullptr) *size = static_cast<unsigned>(std::strlen(plugin_name));
  return SASL_OK;
}

// --- One exchange

struct DisposeConnection {
  void operator()(sasl_conn_t* connection) const noexcept { ::sasl_dispose(&connection); }
};

/// The library's connection, and what it refers to for as long as it lives.
struct Connection {
  std::array<sasl_callback_t, 4> callbacks{};
  std::unique_ptr<sasl_conn_t, DisposeConnection> handle;

  [[nodiscard]] sasl_conn_t* get() const { return handle.get(); }
};

template <class Value>
const Value* property(sasl_conn_t* connection, int which) {
  const void* value = nullptr;
  if (::sasl_getprop(connection, which, &value) != SASL_OK) return nullptr;
  return static_cast<const Value*>(value);
}

std::string text_property(sasl_conn_t* connection, int which) {
  const char* const text = property<char>(connection, which);
  return text == nullptr ? "" : text;
}

unsigned size_of(std::string_view octets) {
  return static_cast<unsigned>(octets.size());
}

class LibraryLayer final : public SaslLayer {
 public:
  LibraryLayer(std::shared_ptr<Connection> connection, std::uint32_t bits)
      : connection_{std::move(connection)}, bits_{bits} {
    const unsigned* const most = property<unsigned>(connection_->get(), SASL_MAXOUTBUF);
    most_at_once_ = most == nullptr || *most == 0 ? 1024 : *most;
  }

  Result<std::string> encode(std::string_view octets) override {
    std::string encoded;
    while (!octets.empty()) {
      const std::string_view piece = octets.substr(0, most_at_once_);
      const char* out = nullptr;
      unsigned size = 0;
      if (::sasl_encode(connection_->get(), piece.data(), size_of(piece), &out, &size) != SASL_OK) {
        return fail(Errc::io, "SASL: the security layer cannot encode");
      }
      encoded.append(out, size);
      octets.remove_prefix(piece.size());
    }
    return encoded;
  }

  Result<std::string> decode(std::string_view octets) override {
    const char* out = nullptr;
    unsigned size = 0;
    if (::sasl_decode(connection_->get(), octets.data(), size_of(octets), &out, &size) != SASL_OK) {
      return fail(Errc::corrupt, "SASL: what came is not of the security layer");
    }
    return std::string{out == nullptr ? "" : out, size};
  }

  std::uint32_t bits() const override { return bits_; }

 private:
  std::shared_ptr<Connection> connection_;
  std::uint32_t bits_;
  std::size_t most_at_once_;
};

class LibraryExchange final : public SaslExchange {
 public:
  struct Sources {
    const Settings& settings;
    const LoginNames& names;
    const CredentialDb& credentials;
    const MadeUpKeys& made_up_keys;
  };

  LibraryExchange(SaslRequest request, const Sources& sources)
      : request_{std::move(request)}, sources_{sources} {}

  Result<void> open(const std::string& host);
  Result<std::optional<std::string>> step(const Secret* response) override;
  std::string user() const override { return user_; }
  bool is_proven() const override { return proven_; }
  bool is_read_only() const override { return request_.mechanism->proof == Proof::none; }
  std::unique_ptr<SaslLayer> take_layer() override;

  /// For the library, which asks for these.
  int look_up(sasl_server_params_t& parameters, std::string_view user);
  int put_name(std::string_view typed, char* out, unsigned room, unsigned* out_size);

 private:
  Result<void> check_binding(const Secret* response) const;
  Result<void> use_binding(std::string_view kind);
  Result<std::optional<std::string>> judge(int status, const char* out, unsigned size);
  Secret value_of(std::string_view name, const CredentialDb::Found& found,
                  std::string_view user) const;
  std::string prepared(std::string_view name) const;
  Secret keys_text(ScramHash hash, const ScramKeys& keys) const;
  ScramHash scram_hash() const;

  SaslRequest request_;
  Sources sources_;
  sasl_channel_binding_t binding_{};
  std::shared_ptr<Connection> connection_;
  std::string user_;
  std::optional<Error> trouble_;  // with the credential file
  bool begun_ = false;
  bool proven_ = false;
};

// The library would cut blanks off, and who guesses would be another user to our counts each time.
bool may_be_name(std::string_view name) {
  return name.size() <= longest_name && std::ranges::none_of(name, [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet <= ' ' || octet == 0x7f;
         });
}

// RFC 5802 section 5.1 asks it of both ends; a user who is known by another form would be another
// one to our counts.
std::string LibraryExchange::prepared(std::string_view name) const {
  if (!request_.mechanism->name.starts_with("SCRAM")) return std::string{name};
  return std::string{saslprep(Secret{name}).octets()};
}

int LibraryExchange::put_name(std::string_view typed, char* out, unsigned room,
                              unsigned* out_size) {
  const std::string name = typed.size() <= longest_name ? prepared(typed) : "";
  if (!may_be_name(typed) || !may_be_name(name)) return SASL_BADPARAM;
  if (name.size() >= room) return SASL_BUFOVER;
  name.copy(out, name.size());
  out[name.size()] = '\0';
  *out_size = size_of(name);
  if (user_.empty()) user_ = name;
  return SASL_OK;
}

int take_name(sasl_conn_t*, void* context, const char* in, unsigned size, unsigned, const char*,
              char* out, unsigned room, unsigned* out_size) {
  return static_cast<LibraryExchange*>(context)->put_name({in, size}, out, room, out_size);
}

// Nobody may act for somebody else.
int refuse_proxies(sasl_conn_t*, void*, const char* wanted, unsigned wanted_size,
                   const char* proven, unsigned proven_size, const char*, unsigned, propctx*) {
  const bool is_same =
      std::string_view{wanted, wanted_size} == std::string_view{proven, proven_size};
  return is_same ? SASL_OK : SASL_NOAUTHZ;
}

// --- Secrets for the library

LibraryExchange* exchange_of(const sasl_utils_t& utils) {
  sasl_callback_ft function = nullptr;
  void* context = nullptr;
  if (utils.getcallback(utils.conn, SASL_CB_CANON_USER, &function, &context) != SASL_OK) {
    return nullptr;
  }
  return static_cast<LibraryExchange*>(context);
}

int look_properties_up(void*, sasl_server_params_t* parameters, unsigned, const char* user,
                       unsigned size) {
  LibraryExchange* const exchange = exchange_of(*parameters->utils);
  return exchange == nullptr ? SASL_FAIL : exchange->look_up(*parameters, {user, size});
}

int make_plugin(const sasl_utils_t*, int, int* version, sasl_auxprop_plug_t** plugin, const char*) {
  static std::string name{plugin_name};
  static sasl_auxprop_plug_t ours{};
  ours.name = name.data();
  ours.auxprop_lookup = look_properties_up;
  *version = SASL_AUXPROP_PLUG_VERSION;
  *plugin = &ours;
  return SASL_OK;
}

int LibraryExchange::look_up(sasl_server_params_t& parameters, std::string_view user) {
  const std::string name = sources_.names.treat(user).user;
  const bool can_be_there = is_safe_user_name(name);
  const Result<CredentialDb::Found> found =
      sources_.credentials.find_with_made_up_keys(can_be_there ? name : "");
  if (!found) {
    trouble_ = Error{Errc::io, found.error().text};
    return SASL_FAIL;
  }
  const propval* const asked = parameters.utils->prop_get(parameters.propctx);
  for (const propval* one = asked; one != nullptr && one->name != nullptr; ++one) {
    const Secret value = value_of(one->name, *found, name);
    if (value.empty()) continue;
    const std::string_view octets = value.octets();
    parameters.utils->prop_set(parameters.propctx, one->name, octets.data(),
                               static_cast<int>(octets.size()));
  }
  return SASL_OK;
}

// Whoever has none gets one that nobody knows, and it is made for the others too, so that it takes
// no time that tells.
Secret LibraryExchange::value_of(std::string_view name, const CredentialDb::Found& found,
                                 std::string_view user) const {
  const std::optional<Credential>& record = found.credential;
  const bool is_scram = request_.mechanism->name.starts_with("SCRAM");
  if (name == plain_property && !is_scram) {
    Secret nobodys{to_base64(random_secret(16).octets())};
    return record && record->has_apop_secret() ? record->apop_secret->clone() : std::move(nobodys);
  }
  if (name != keys_property || !is_scram) return {};
  const ScramHash hash = scram_hash();
  const ScramKeys nobodys =
      sources_.made_up_keys.of(user, hash, found.made_up_keys ? &*found.made_up_keys : nullptr);
  if (!record) return keys_text(hash, nobodys);
  const std::optional<ScramKeys>& keys =
      hash == ScramHash::sha_1 ? record->scram_sha_1 : record->scram_sha_256;
  return keys_text(hash, keys ? *keys : nobodys);
}

ScramHash LibraryExchange::scram_hash() const {
  return request_.mechanism->name.starts_with("SCRAM-SHA-256") ? ScramHash::sha_256
                                                               : ScramHash::sha_1;
}

// "SCRAM-SHA-1$ITERATIONS:SALT$STORED-KEY:SERVER-KEY", as RFC 5803 has it.
Secret LibraryExchange::keys_text(ScramHash hash, const ScramKeys& keys) const {
  std::string text;
  text.reserve(512);
  text += hash == ScramHash::sha_1 ? "SCRAM-SHA-1$" : "SCRAM-SHA-256$";
  text += std::to_string(keys.iterations) + ":" + to_base64(keys.salt) + "$";
  std::string stored = to_base64(keys.stored_key.octets());
  std::string server = to_base64(keys.server_key.octets());
  text += stored;
  text += ':';
  text += server;
  Secret secret{text};
  for (std::string* copy : {&text, &stored, &server}) wipe(*copy);
  return secret;
}

// --- Channel binding

// RFC 5802 section 7: what the client's first message begins with. The library looks at it only
// after it has believed it, so it must never see a kind of binding that we have not got.
Result<void> LibraryExchange::check_binding(const Secret* response) const {
  if (!request_.mechanism->name.starts_with("SCRAM")) return {};
  const std::string_view message = response == nullptr ? "" : response->octets();
  // The library would take what comes next for the first message, and we would not have seen it.
  if (message.empty()) return fail(Errc::denied, "SASL: an empty first message");
  const bool binds = message.starts_with("p=");
  if (binds != request_.mechanism->binds_channel || message.starts_with("p") != binds) {
    return fail(Errc::denied, "SASL: the mechanism's name and its channel binding do not agree");
  }
  const SaslMechanism* const plus =
      find_sasl_mechanism(std::string{request_.mechanism->name} + "-PLUS");
  if (message.starts_with("y") && plus != nullptr &&
      may_use(*plus, sources_.settings, request_.channel)) {
    return fail(Errc::denied,
                "SASL: the client was not told of channel binding; somebody on the "
                "way may have hidden it");
  }
  return {};
}

Result<void> LibraryExchange::use_binding(std::string_view kind) {
  const auto found = std::ranges::find(request_.bindings, kind, &SaslBinding::kind);
  if (found == request_.bindings.end()) {
    return fail(Errc::denied, "SASL: this connection has no channel binding of that kind");
  }
  const std::string_view data = found->data.octets();
  binding_ = {found->kind.c_str(), 0, data.size(),
              reinterpret_cast<const unsigned char*>(data.data())};
  if (::sasl_setprop(connection_->get(), SASL_CHANNEL_BINDING, &binding_) == SASL_OK) return {};
  return fail(Errc::io, "SASL: libsasl2 takes no channel binding");
}

std::string_view binding_kind_in(std::string_view message) {
  message.remove_prefix(std::min<std::size_t>(message.size(), 2));
  return message.substr(0, message.find(','));
}

// --- Steps

unsigned required_flags(const Settings& settings) {
  return (settings.sasl_no_plaintext ? SASL_SEC_NOPLAINTEXT : 0U) |
         (settings.sasl_no_active ? SASL_SEC_NOACTIVE : 0U) |
         (settings.sasl_no_dictionary ? SASL_SEC_NODICTIONARY : 0U) |
         (settings.sasl_forward_secrecy ? SASL_SEC_FORWARD_SECRECY : 0U) |
         (settings.sasl_no_anonymous ? SASL_SEC_NOANONYMOUS : 0U);
}

sasl_security_properties_t security_properties(const Settings& settings) {
  sasl_security_properties_t properties{};
  properties.min_ssf = static_cast<sasl_ssf_t>(settings.sasl_min_ssf);
  properties.max_ssf =
      settings.session_program.empty() ? static_cast<sasl_ssf_t>(settings.sasl_max_ssf) : 0;
  properties.maxbufsize = largest_layer_piece;
  properties.security_flags = required_flags(settings);
  return properties;
}

Result<void> LibraryExchange::open(const std::string& host) {
  connection_ = std::make_shared<Connection>();
  connection_->callbacks = {sasl_callback(SASL_CB_CANON_USER, take_name, this),
                            sasl_callback(SASL_CB_PROXY_POLICY, refuse_proxies, this),
                            sasl_callback(SASL_CB_GETOPT, answer_option),
                            sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr}};
  sasl_conn_t* raw = nullptr;
  if (::sasl_server_new(service, host.c_str(), nullptr, nullptr, nullptr,
                        connection_->callbacks.data(), SASL_SUCCESS_DATA, &raw) != SASL_OK) {
    return fail(Errc::io, "SASL: libsasl2 begins no exchange");
  }
  connection_->handle.reset(raw);
  const sasl_security_properties_t security = security_properties(sources_.settings);
  const sasl_ssf_t tls_bits = request_.channel.tls_bits;
  if (::sasl_setprop(raw, SASL_SSF_EXTERNAL, &tls_bits) != SASL_OK ||
      ::sasl_setprop(raw, SASL_SEC_PROPS, &security) != SASL_OK) {
    return fail(Errc::io, "SASL: libsasl2 takes no security properties");
  }
  return {};
}

Result<std::optional<std::string>> LibraryExchange::step(const Secret* response) {
  const std::string_view octets = response == nullptr ? "" : response->octets();
  const char* const in = response == nullptr ? nullptr : octets.data();
  const char* out = nullptr;
  unsigned size = 0;
  if (proven_) {
    if (octets.empty()) return std::nullopt;
    return fail(Errc::denied, "SASL: the client goes on after the last word");
  }
  if (std::exchange(begun_, true)) {
    const int status = ::sasl_server_step(connection_->get(), in == nullptr ? "" : in,
                                          size_of(octets), &out, &size);
    return judge(status, out, size);
  }
  if (response != nullptr && request_.mechanism->first == SaslMechanism::First::server) {
    return fail(Errc::denied, "SASL: an initial response to a mechanism that has none");
  }
  Result<void> good = check_binding(response);
  if (good && request_.mechanism->binds_channel) good = use_binding(binding_kind_in(octets));
  if (!good) return std::unexpected(std::move(good).error());
  const std::string name{request_.mechanism->name};
  const int status =
      ::sasl_server_start(connection_->get(), name.c_str(), in, size_of(octets), &out, &size);
  return judge(status, out, size);
}

Result<std::optional<std::string>> LibraryExchange::judge(int status, const char* out,
                                                          unsigned size) {
  if (status == SASL_CONTINUE) return std::string{out == nullptr ? "" : out, size};
  if (trouble_) return std::unexpected(*trouble_);
  if (status == SASL_NOMEM) return fail(Errc::io, "SASL: no memory");
  if (status != SASL_OK) {
    return fail(Errc::denied, escaped(::sasl_errdetail(connection_->get()), 200));
  }
  const std::string proven = text_property(connection_->get(), SASL_AUTHUSER);
  if (proven.empty() || text_property(connection_->get(), SASL_USERNAME) != proven) {
    return fail(Errc::denied, "SASL: acting for another user is not allowed");
  }
  user_ = proven;
  if (size == 0) return std::nullopt;
  proven_ = true;
  return std::string{out, size};
}

std::unique_ptr<SaslLayer> LibraryExchange::take_layer() {
  const sasl_ssf_t* const bits = property<sasl_ssf_t>(connection_->get(), SASL_SSF);
  if (bits == nullptr || *bits == 0) return nullptr;
  // It outlives us, whom they refer to.
  connection_->callbacks.front() = {SASL_CB_LIST_END, nullptr, nullptr};
  return std::make_unique<LibraryLayer>(connection_, *bits);
}

// --- EXTERNAL

/// RFC 4422 appendix A: the client has proved by its certificate who it is, and may name itself.
class CertificateExchange final : public SaslExchange {
 public:
  CertificateExchange(std::string identity, const LoginNames& names)
      : identity_{std::move(identity)}, user_{identity_}, names_{names} {}

  Result<std::optional<std::string>> step(const Secret* response) override {
    if (response != nullptr && !response->empty()) user_ = response->octets();
    if (names_.stands_for(user_, identity_)) return std::nullopt;
    return fail(Errc::denied, "SASL: the certificate is of " + escaped(identity_, 80));
  }
  std::string user() const override { return user_; }

 private:
  std::string identity_, user_;
  const LoginNames& names_;
};

void collect_name(server_sasl_mechanism_t* mechanism, sasl_info_callback_stage_t stage,
                  void* names) {
  if (stage != SASL_INFO_LIST_MECH || mechanism == nullptr || mechanism->plug == nullptr) return;
  static_cast<std::vector<std::string>*>(names)->emplace_back(mechanism->plug->mech_name);
}

// Somebody else's work: the Kerberos acceptor's, or oauth-helper's.
bool is_of_others(const SaslMechanism& mechanism) {
  return mechanism.proof == Proof::ticket || mechanism.proof == Proof::token;
}

std::string_view without_plus(std::string_view name) {
  constexpr std::string_view plus = "-PLUS";
  return name.substr(0, name.size() - (name.ends_with(plus) ? plus.size() : 0));
}

}  // namespace

SaslServer::SaslServer(const Settings& settings, std::string host)
    : settings_{settings},
      host_{std::move(host)},
      names_{settings},
      credentials_{settings.credential_file} {}

SaslServer::~SaslServer() {
  if (loaded_) ::sasl_server_done();
}

void SaslServer::load() {
  if (loaded_) return;
  loaded_.emplace();
  // Without a name of ours it looks for no configuration file.
  if (::sasl_auxprop_add_plugin(plugin_name, make_plugin) != SASL_OK) return;
  static const auto callbacks = sasl_global_callbacks(answer_option);
  if (::sasl_server_init(callbacks.data(), nullptr) != SASL_OK) return;
  ::sasl_server_plugin_info(nullptr, collect_name, &*loaded_);
}

bool SaslServer::has(const SaslMechanism& mechanism) const {
  if (mechanism.proof == Proof::password) return true;
  if (mechanism.proof == Proof::certificate) return settings_.tls_client_user != ClientUser::nobody;
  if (mechanism.proof == Proof::token) return !settings_.oauth_helper.empty();
  if (mechanism.proof == Proof::ticket) return false;
  if (!loaded_) return is_sasl_module_installed(mechanism);
  return std::ranges::find(*loaded_, without_plus(mechanism.name)) != loaded_->end();
}

bool SaslServer::has_anonymous_account() const {
  if (settings_.sasl_no_anonymous) return false;
  const Result<std::optional<Credential>> record = credentials_.find("anonymous");
  if (record && *record) return !(*record)->is_locked();
  return settings_.auth_source != AuthSource::credentials &&
         find_system_account("anonymous").has_value();
}

std::vector<std::string> SaslServer::usable() const {
  const bool has_secrets = credentials_.available();
  std::vector<std::string> names;
  for (const SaslMechanism& mechanism : sasl_mechanisms) {
    if (!is_wanted(mechanism, settings_) || !has(mechanism)) continue;
    if (mechanism.proof == Proof::secret && !has_secrets) continue;
    if (mechanism.proof == Proof::none && !has_anonymous_account()) continue;
    names.emplace_back(mechanism.name);
  }
  return names;
}

Result<std::unique_ptr<SaslExchange>> SaslServer::begin(SaslRequest request) {
  const SaslMechanism& mechanism = *request.mechanism;
  if (mechanism.proof == Proof::secret || mechanism.proof == Proof::none) load();
  if (mechanism.proof == Proof::password || is_of_others(mechanism) || !has(mechanism) ||
      !may_use(mechanism, settings_, request.channel)) {
    return fail(Errc::denied, "SASL: " + std::string{mechanism.name} + " is not offered here");
  }
  if (mechanism.proof == Proof::certificate) {
    return std::make_unique<CertificateExchange>(std::move(request.identity), names_);
  }
  auto exchange = std::make_unique<LibraryExchange>(
      std::move(request), LibraryExchange::Sources{settings_, names_, credentials_, made_up_keys_});
  if (Result<void> opened = exchange->open(host_); !opened) {
    return std::unexpected(std::move(opened).error());
  }
  return exchange;
}

std::string missing_sasl_modules(const Settings& settings) {
  std::string missing;
  for (const SaslMechanism& mechanism : sasl_mechanisms) {
    const bool needs_one = mechanism.proof == Proof::secret || mechanism.proof == Proof::none;
    if (!needs_one || mechanism.binds_channel) continue;
    if (!is_wanted(mechanism, settings) || is_sasl_module_installed(mechanism)) continue;
    if (mechanism.proof == Proof::none && settings.sasl_no_anonymous) continue;
    if (!missing.empty()) missing += ", ";
    missing += mechanism.name;
  }
  if (missing.empty()) return {};
  return "sasl-mechanisms: libsasl2 has no module for " + missing + " in " +
         std::string{sasl_module_directory()} +
         ", so these are not offered: install libsasl2-modules";
}

}  // namespace pop
