#include "tls/tls_stream.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "tls/client_hello.h"
#include "tls/openssl_handle.h"
#include "tls/tls_failure.h"

namespace pop {
namespace {

// Records that carry nothing for us (key updates, above all) in one call, and in all: beyond one
// for each record that carries something.
constexpr int empty_records_at_once = 4;
constexpr std::uint32_t most_empty_records = 64;

/// One line with single blanks.
std::string description_of(const SSL_CIPHER* cipher) {
  std::array<char, 256> text{};
  if (SSL_CIPHER_description(cipher, text.data(), static_cast<int>(text.size())) == nullptr) {
    return {};
  }
  std::string line;
  for (const char c : std::string_view{text.data()}) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank) line += c;
    if (blank && !line.empty() && line.back() != ' ') line += ' ';
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

Secret secret_of(std::span<unsigned char> octets) {
  Secret secret{{reinterpret_cast<const char*>(octets.data()), octets.size()}};
  OPENSSL_cleanse(octets.data(), octets.size());
  return secret;
}

// RFC 9266: 32 octets, the empty string as context.
Result<Secret> exporter(SSL* connection) {
  constexpr std::string_view label = "EXPORTER-Channel-Binding";
  constexpr unsigned char empty = 0;
  constexpr int with_context = 1;
  std::array<unsigned char, 32> octets{};
  if (SSL_export_keying_material(connection, octets.data(), octets.size(), label.data(),
                                 label.size(), &empty, 0, with_context) != 1) {
    return fail(Errc::usage, "channel binding: " + take_tls_failure());
  }
  return secret_of(octets);
}

// RFC 5929 section 3: the first Finished message of the handshake.
Result<Secret> first_finished(SSL* connection) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
  const std::size_t size = SSL_session_reused(connection) == 1
                               ? SSL_get_finished(connection, octets.data(), octets.size())
                               : SSL_get_peer_finished(connection, octets.data(), octets.size());
  if (size == 0 || size > octets.size()) return fail(Errc::usage, "channel binding: no handshake");
  return secret_of(std::span{octets}.first(size));
}

// RFC 5929 section 4: the digest of the certificate's signature, but none below SHA-256.
Result<Secret> end_point(const SSL* connection) {
  const X509* const certificate = SSL_get_certificate(connection);
  int digest_id = NID_undef;
  if (certificate == nullptr || X509_get_signature_info(const_cast<X509*>(certificate), &digest_id,
                                                        nullptr, nullptr, nullptr) != 1) {
    digest_id = NID_undef;
  }
  const EVP_MD* digest = EVP_get_digestbynid(digest_id);
  if (digest_id == NID_undef || digest_id == NID_md5 || digest_id == NID_sha1) {
    digest = EVP_sha256();
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
  unsigned size = 0;
  if (certificate == nullptr || digest == nullptr ||
      X509_digest(certificate, digest, octets.data(), &size) != 1) {
    return fail(Errc::usage, "channel binding: no certificate");
  }
  return secret_of(std::span{octets}.first(size));
}

}  // namespace

void TlsStream::FreeConnection::operator()(ssl_st* connection) const noexcept {
  SSL_free(connection);
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, std::unique_ptr<TlsWire> wire)
    : context_{std::move(context)}, wire_{std::move(wire)} {}

TlsStream TlsStream::accept(std::shared_ptr<const TlsContext> context, int socket) {
  // A ticket followed by a greeting would wait for an acknowledgement that the client delays.
  constexpr int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // What a slow client has not taken yet stays with whoever waits for it, who can see it shrink.
  constexpr int most_not_sent = full_record;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most_not_sent, sizeof most_not_sent);
  auto wire = std::make_unique<TlsWire>();
  wire->socket = socket;
  return TlsStream{std::move(context), std::move(wire)};
}

// --- What a call came to

TlsStep TlsStream::fail_with(std::string reason) {
  failed_ = true;
  failure_ = reason.empty() ? "for no reason that the TLS library gives" : std::move(reason);
  (void)wire_->flush();  // the alert
  return TlsStep::failed;
}

TlsStep TlsStream::step_after(int returned) {
  const int error = SSL_get_error(connection_.get(), returned);
  if (error == SSL_ERROR_NONE) return TlsStep::done;
  if (error == SSL_ERROR_ZERO_RETURN) return TlsStep::closed;
  if (error == SSL_ERROR_WANT_READ) return wire_->starved ? TlsStep::want_read : TlsStep::again;
  const std::string reason = take_tls_failure();
  return wire_->broken != 0 || wire_->at_end ? hung_up() : fail_with(reason);
}

TlsStep TlsStream::hung_up() {
  failed_ = true;
  failure_ = wire_->broken != 0 ? errno_error(wire_->broken, "the connection broke").text
                                : "the client hung up";
  return TlsStep::closed;
}

// --- Handshake

// The library sets 54 KB aside as soon as a client sends one octet, and 128 KB more when it
// announces a long message. So it is not asked before the first message is there.
TlsStep TlsStream::await_hello() {
  while (true) {
    switch (hello_state(wire_->received)) {
      case HelloState::whole:
        return TlsStep::done;
      case HelloState::too_long:
        return fail_with("the client's first message is too long");
      case HelloState::http:
        return fail_with("the client speaks HTTP");
      case HelloState::nonsense:
        return fail_with("the client does not speak TLS");
      case HelloState::partial:
        break;
    }
    switch (wire_->receive()) {
      case TlsWire::Received::some:
        break;
      case TlsWire::Received::nothing_yet:
        return TlsStep::want_read;
      case TlsWire::Received::end:
        return hung_up();
    }
  }
}

TlsStep TlsStream::begin() {
  connection_.reset(context_->new_connection());
  BIO* const bio = connection_ ? new_bio_over(*wire_) : nullptr;
  if (bio == nullptr) return fail_with("begin TLS: " + take_tls_failure());
  SSL_set_bio(connection_.get(), bio, bio);  // frees it once
  SSL_set_accept_state(connection_.get());
  return TlsStep::done;
}

TlsStep TlsStream::handshake() {
  if (failed_) return TlsStep::failed;
  if (!connection_) {
    TlsStep step = await_hello();
    if (step == TlsStep::done) step = begin();
    if (step != TlsStep::done) return step;
  }
  forget_tls_failures();
  wire_->starved = false;
  const TlsStep step = step_after(SSL_do_handshake(connection_.get()));
  if (step == TlsStep::failed || step == TlsStep::closed) return step;
  if (step == TlsStep::done && client_is_out_of_date()) {
    return fail_with("the client's certificate has expired since its session began");
  }
  // From here on a client may end without a word and still listen; see ends_orderly().
  if (step == TlsStep::done) SSL_set_options(connection_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  return flush() == TlsStep::closed ? TlsStep::closed : step;
}

// All that comes before is an alert.
bool TlsStream::has_answered() const {
  constexpr std::size_t longest_alert = 32;
  return wire_->sent_in_all + wire_->waiting() > longest_alert;
}

// A resumed session brings the client's certificate along, unchecked.
bool TlsStream::client_is_out_of_date() const {
  if (SSL_session_reused(connection_.get()) != 1) return false;
  const X509* const certificate = SSL_get0_peer_certificate(connection_.get());
  if (certificate == nullptr) return false;
  std::time_t now = std::chrono::system_clock::to_time_t(context_->clock_.wall());
  return X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0;
}

// --- Octets

TlsTransfer TlsStream::read(std::span<char> room) {
  if (failed_) return {TlsStep::failed};
  if (!connection_) return {TlsStep::want_read};
  if (flush() == TlsStep::closed) return {TlsStep::closed};
  if (wire_->waiting() > most_unsent) return {TlsStep::want_write};
  for (int i = 0; i < empty_records_at_once; ++i) {
    forget_tls_failures();
    wire_->starved = false;
    std::size_t octets = 0;
    const int returned = SSL_read_ex(connection_.get(), room.data(), room.size(), &octets);
    const TlsStep step = step_after(returned);
    if (step == TlsStep::done) {
      if (empty_records_ > 0) --empty_records_;
      return {step, octets};
    }
    if (step == TlsStep::again && ++empty_records_ > most_empty_records) {
      return {fail_with("the client sends nothing but empty records")};
    }
    if (flush() == TlsStep::closed) return {TlsStep::closed};  // answers to key updates
    if (step != TlsStep::again) return {step};
  }
  return {TlsStep::again};
}

TlsTransfer TlsStream::write(std::string_view octets) {
  if (failed_) return {TlsStep::failed};
  if (!connection_) return {TlsStep::want_read};
  TlsTransfer result{flush()};
  if (result.step != TlsStep::done) return result;
  while (result.octets < octets.size()) {
    if (wire_->waiting() >= most_unsent) {
      result.step = flush();
      if (result.step != TlsStep::done) return result;
    }
    forget_tls_failures();
    const std::string_view rest = octets.substr(result.octets, full_record);
    std::size_t taken = 0;
    const int returned = SSL_write_ex(connection_.get(), rest.data(), rest.size(), &taken);
    result.step = step_after(returned);
    if (result.step != TlsStep::done) return result;
    result.octets += taken;
  }
  if (flush() == TlsStep::closed) result.step = TlsStep::closed;
  return result;
}

TlsStep TlsStream::flush() {
  switch (wire_->flush()) {
    case TlsWire::Flushed::all:
      return TlsStep::done;
    case TlsWire::Flushed::partly:
      return TlsStep::want_write;
    case TlsWire::Flushed::broken:
      break;
  }
  return hung_up();
}

bool TlsStream::has_unsent() const {
  return wire_->waiting() > 0;
}

// In this order: a connection that broke has nothing on the way either.
bool TlsStream::has_arrived() const {
  int octets = 0;
  return !has_unsent() && ::ioctl(wire_->socket, SIOCOUTQ, &octets) == 0 && octets == 0 &&
         !has_broken();
}

std::int64_t TlsStream::arrived() const {
  int octets = 0;
  if (::ioctl(wire_->socket, SIOCOUTQ, &octets) != 0) octets = 0;
  return static_cast<std::int64_t>(wire_->sent_in_all) - octets;
}

bool TlsStream::has_broken() const {
  pollfd state{wire_->socket, 0, 0};
  return failed_ || (::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0);
}

TlsStep TlsStream::end() {
  if (failed_) return TlsStep::failed;
  forget_tls_failures();
  if (connection_ && SSL_in_init(connection_.get()) == 0) SSL_shutdown(connection_.get());
  forget_tls_failures();
  return flush();
}

bool TlsStream::ends_orderly() const {
  return connection_ && (SSL_get_shutdown(connection_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 &&
         !wire_->at_end && wire_->broken == 0;
}

// --- Facts

TlsFacts TlsStream::facts() const {
  SSL* const connection = connection_.get();
  TlsFacts facts;
  if (connection == nullptr) return facts;
  facts.protocol = SSL_get_version(connection);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(connection)) {
    facts.cipher = SSL_CIPHER_get_name(cipher);
    facts.description = description_of(cipher);
    facts.bits = SSL_CIPHER_get_bits(cipher, nullptr);
  }
  if (SSL_session_reused(connection) == 1) facts.session = TlsFacts::Session::resumed;
  if (const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name)) {
    facts.server_name = name;
  }
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(connection, &protocol, &size);
  facts.application_protocol.assign(reinterpret_cast<const char*>(protocol), size);
  facts.client = client();
  return facts;
}

// The handshake fails with a bad certificate; a listener that asks for none verifies none.
std::optional<PeerCertificate> TlsStream::client() const {
  SSL* const connection = connection_.get();
  if (connection == nullptr || SSL_is_init_finished(connection) == 0) return std::nullopt;
  X509* const certificate = SSL_get0_peer_certificate(connection);
  const bool is_verified = SSL_get_verify_mode(connection) != SSL_VERIFY_NONE &&
                           SSL_get_verify_result(connection) == X509_V_OK;
  if (certificate == nullptr || !is_verified) return std::nullopt;
  return peer_of(certificate);
}

std::optional<std::string> TlsStream::client_user() const {
  const std::optional<PeerCertificate> certificate = client();
  return certificate ? context_->user_of(*certificate) : std::nullopt;
}

Result<Secret> TlsStream::channel_binding(ChannelBinding kind) const {
  SSL* const connection = connection_.get();
  if (connection == nullptr || SSL_is_init_finished(connection) == 0)
    return fail(Errc::usage, "no handshake yet");
  const bool newest = SSL_version(connection) >= TLS1_3_VERSION;
  if (kind == ChannelBinding::tls_server_end_point) {
    if (SSL_session_reused(connection) == 1) {
      return fail(Errc::usage, "tls-server-end-point: the session was resumed");
    }
    return end_point(connection);
  }
  if (!newest && SSL_get_extms_support(connection) != 1) {
    return fail(Errc::usage, "channel binding: no extended master secret");
  }
  if (kind == ChannelBinding::tls_exporter) return exporter(connection);
  if (newest) return fail(Errc::usage, "tls-unique is not defined for TLS 1.3");
  return first_finished(connection);
}

bool TlsStream::has_channel_binding() const {
  SSL* const connection = connection_.get();
  if (connection == nullptr || SSL_is_init_finished(connection) == 0) return false;
  return SSL_version(connection) >= TLS1_3_VERSION || SSL_get_extms_support(connection) == 1 ||
         channel_binding(ChannelBinding::tls_server_end_point).has_value();
}

}  // namespace pop
