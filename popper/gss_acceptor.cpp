#include "popper/gss_acceptor.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include <array>
#include <utility>

#include "base/shared_library.h"
#include "base/text.h"

namespace pop {
namespace {

using Step = GssAcceptor::Step;

struct Functions {
  decltype(::gss_acquire_cred_from)* acquire_cred_from = nullptr;
  decltype(::gss_release_cred)* release_cred = nullptr;
  decltype(::gss_accept_sec_context)* accept_sec_context = nullptr;
  decltype(::gss_delete_sec_context)* delete_sec_context = nullptr;
  decltype(::gss_display_name)* display_name = nullptr;
  decltype(::gss_release_name)* release_name = nullptr;
  decltype(::gss_display_status)* display_status = nullptr;
  decltype(::gss_wrap)* wrap = nullptr;
  decltype(::gss_unwrap)* unwrap = nullptr;
  decltype(::gss_release_buffer)* release_buffer = nullptr;
};

bool find_all(const SharedLibrary& library, Functions& call) {
  return library.find("gss_acquire_cred_from", call.acquire_cred_from) &&
         library.find("gss_release_cred", call.release_cred) &&
         library.find("gss_accept_sec_context", call.accept_sec_context) &&
         library.find("gss_delete_sec_context", call.delete_sec_context) &&
         library.find("gss_display_name", call.display_name) &&
         library.find("gss_release_name", call.release_name) &&
         library.find("gss_display_status", call.display_status) &&
         library.find("gss_wrap", call.wrap) && library.find("gss_unwrap", call.unwrap) &&
         library.find("gss_release_buffer", call.release_buffer);
}

// 1.2.840.113554.1.2.2, Kerberos 5.
constexpr std::array<unsigned char, 9> kerberos_oid{0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                    0x12, 0x01, 0x02, 0x02};
// RFC 4752 section 3.2: no layer, and so no size.
constexpr char no_layer = 1;
constexpr std::size_t offer_size = 4;

gss_buffer_desc buffer_of(std::string_view octets) {
  gss_buffer_desc buffer{};
  buffer.length = octets.size();
  buffer.value = const_cast<char*>(octets.data());
  return buffer;
}

/// What the library has made.
class Buffer {
 public:
  explicit Buffer(const Functions& call) : call_{call} {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    OM_uint32 minor = 0;
    call_.release_buffer(&minor, &buffer_);
  }
  [[nodiscard]] gss_buffer_t get() { return &buffer_; }
  [[nodiscard]] std::string text() const {
    return {static_cast<const char*>(buffer_.value), buffer_.length};
  }

 private:
  const Functions& call_;
  gss_buffer_desc buffer_{};
};

std::string message_of(const Functions& call, OM_uint32 major, OM_uint32 minor) {
  for (const auto& [status, kind] :
       {std::pair{minor, GSS_C_MECH_CODE}, std::pair{major, GSS_C_GSS_CODE}}) {
    OM_uint32 ignored = 0, more = 0;
    Buffer text{call};
    if (status == 0) continue;
    if (call.display_status(&ignored, status, kind, GSS_C_NO_OID, &more, text.get()) == 0) {
      return escaped(text.text(), 200);
    }
  }
  return "no reason given";
}

}  // namespace

class GssAcceptor::Library {
 public:
  explicit Library(SharedLibrary library) : library_{std::move(library)} {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    OM_uint32 minor = 0;
    if (credential_ != GSS_C_NO_CREDENTIAL) call_.release_cred(&minor, &credential_);
  }

  [[nodiscard]] Result<void> prepare(const std::string& keytab) {
    if (!find_all(library_, call_)) {
      return fail(Errc::not_found, "libgssapi_krb5 is too old: it lacks a function");
    }
    std::array<gss_key_value_element_desc, 2> elements{
        {{"keytab", keytab.c_str()}, {"rcache", "none:"}}};
    const gss_key_value_set_desc store{elements.size(), elements.data()};
    gss_OID_desc kerberos{kerberos_oid.size(), const_cast<unsigned char*>(kerberos_oid.data())};
    gss_OID_set_desc mechanisms{1, &kerberos};
    OM_uint32 minor = 0;
    const OM_uint32 major =
        call_.acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT,
                                &store, &credential_, nullptr, nullptr);
    if (!GSS_ERROR(major)) return {};
    return fail(Errc::io, "make GSSAPI ready: " + message_of(call_, major, minor));
  }

  [[nodiscard]] const Functions& call() const { return call_; }
  [[nodiscard]] gss_cred_id_t credential() const { return credential_; }

 private:
  SharedLibrary library_;
  Functions call_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
};

namespace {

class KerberosExchange final : public GssAcceptor::Exchange {
 public:
  KerberosExchange(const Functions& call, gss_cred_id_t credential, std::string principal)
      : call_{call}, credential_{credential}, principal_{std::move(principal)} {}
  KerberosExchange(const KerberosExchange&) = delete;
  KerberosExchange& operator=(const KerberosExchange&) = delete;
  ~KerberosExchange() override {
    OM_uint32 minor = 0;
    if (client_ != GSS_C_NO_NAME) call_.release_name(&minor, &client_);
    if (context_ != GSS_C_NO_CONTEXT) {
      call_.delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
    }
  }

  Step take(std::string_view message) override {
    switch (expects_) {
      case Expects::token:
        return accept(message);
      case Expects::nothing:
        if (!message.empty()) return refuse("an answer to what was no question");
        return offer();
      case Expects::choice:
        break;
    }
    return choose(message);
  }

 private:
  enum class Expects : std::uint8_t { token, nothing, choice };

  static Step refuse(std::string why) {
    Step step;
    step.why = std::move(why);
    return step;
  }
  Step refuse(OM_uint32 major, OM_uint32 minor) const {
    return refuse(message_of(call_, major, minor));
  }
  static Step challenge(std::string octets) {
    Step step;
    step.kind = Step::Kind::challenge;
    step.challenge = std::move(octets);
    return step;
  }

  Step accept(std::string_view message) {
    gss_buffer_desc input = buffer_of(message);
    Buffer output{call_};
    OM_uint32 minor = 0;
    const OM_uint32 major =
        call_.accept_sec_context(&minor, &context_, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS,
                                 &client_, nullptr, output.get(), nullptr, nullptr, nullptr);
    if (GSS_ERROR(major)) return refuse(major, minor);
    // Kerberos says all in one message, except to who wants it as DCE has it.
    if (major != GSS_S_COMPLETE) return refuse("a second message would be needed");
    if (output.text().empty()) return offer();
    expects_ = Expects::nothing;
    return challenge(output.text());
  }

  Step offer() {
    const std::array<char, offer_size> layers{no_layer, 0, 0, 0};
    gss_buffer_desc input = buffer_of({layers.data(), layers.size()});
    Buffer output{call_};
    OM_uint32 minor = 0;
    const OM_uint32 major =
        call_.wrap(&minor, context_, 0, GSS_C_QOP_DEFAULT, &input, nullptr, output.get());
    if (GSS_ERROR(major)) return refuse(major, minor);
    expects_ = Expects::choice;
    return challenge(output.text());
  }

  Step choose(std::string_view message) {
    gss_buffer_desc input = buffer_of(message);
    Buffer output{call_};
    OM_uint32 minor = 0;
    const OM_uint32 major = call_.unwrap(&minor, context_, &input, output.get(), nullptr, nullptr);
    if (GSS_ERROR(major)) return refuse(major, minor);
    const std::string choice = output.text();
    if (choice.size() < offer_size || choice[0] != no_layer) {
      return refuse("a security layer that was not offered");
    }
    if (const std::string name = name_of_client(); name != principal_) {
      return refuse("the context is of " + escaped(name, 200) + ", not of " + principal_);
    }
    Step step;
    step.kind = Step::Kind::accepted;
    step.claimed = choice.substr(offer_size);
    if (step.claimed.find('\0') != std::string::npos) return refuse("a name with a NUL");
    return step;
  }

  [[nodiscard]] std::string name_of_client() const {
    OM_uint32 minor = 0;
    Buffer name{call_};
    const OM_uint32 major = call_.display_name(&minor, client_, name.get(), nullptr);
    return GSS_ERROR(major) ? "nobody" : name.text();
  }

  const Functions& call_;
  gss_cred_id_t credential_;
  std::string principal_;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  gss_name_t client_ = GSS_C_NO_NAME;
  Expects expects_ = Expects::token;
};

}  // namespace

Result<GssAcceptor> GssAcceptor::load(const std::string& keytab) {
  Result<SharedLibrary> shared = SharedLibrary::load("libgssapi_krb5.so.2");
  if (!shared) return std::unexpected(shared.error());
  auto library = std::make_unique<Library>(std::move(*shared));
  if (Result<void> ready = library->prepare(keytab); !ready) return std::unexpected(ready.error());
  return GssAcceptor{std::move(library)};
}

GssAcceptor::GssAcceptor(std::unique_ptr<Library> library) : library_{std::move(library)} {}
GssAcceptor::GssAcceptor(GssAcceptor&&) noexcept = default;
GssAcceptor::~GssAcceptor() = default;

std::unique_ptr<GssAcceptor::Exchange> GssAcceptor::begin(std::string principal) const {
  return std::make_unique<KerberosExchange>(library_->call(), library_->credential(),
                                            std::move(principal));
}

}  // namespace pop
