#include "popper/kerberos_acceptor.h"

#include <krb5.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/shared_library.h"
#include "base/text.h"

namespace pop {
namespace {

// RFC 4120 section 7.5.9.
constexpr krb5_error_code last_protocol_error = 127;
constexpr krb5_ui_4 generic_error = 60;

struct Functions {
  decltype(::krb5_init_context)* init_context = nullptr;
  decltype(::krb5_free_context)* free_context = nullptr;
  decltype(::krb5_get_error_message)* get_error_message = nullptr;
  decltype(::krb5_free_error_message)* free_error_message = nullptr;
  decltype(::krb5_us_timeofday)* us_timeofday = nullptr;
  decltype(::krb5_kt_default)* kt_default = nullptr;
  decltype(::krb5_kt_resolve)* kt_resolve = nullptr;
  decltype(::krb5_kt_close)* kt_close = nullptr;
  decltype(::krb5_kt_get_name)* kt_get_name = nullptr;
  decltype(::krb5_kt_start_seq_get)* kt_start_seq_get = nullptr;
  decltype(::krb5_kt_next_entry)* kt_next_entry = nullptr;
  decltype(::krb5_kt_end_seq_get)* kt_end_seq_get = nullptr;
  decltype(::krb5_kt_add_entry)* kt_add_entry = nullptr;
  decltype(::krb5_free_keytab_entry_contents)* free_entry = nullptr;
  decltype(::krb5_build_principal)* build_principal = nullptr;
  decltype(::krb5_free_principal)* free_principal = nullptr;
  decltype(::krb5_unparse_name)* unparse_name = nullptr;
  decltype(::krb5_free_unparsed_name)* free_unparsed_name = nullptr;
  decltype(::krb5_aname_to_localname)* aname_to_localname = nullptr;
  decltype(::krb5_auth_con_init)* auth_con_init = nullptr;
  decltype(::krb5_auth_con_free)* auth_con_free = nullptr;
  decltype(::krb5_auth_con_getauthenticator)* getauthenticator = nullptr;
  decltype(::krb5_free_authenticator)* free_authenticator = nullptr;
  decltype(::krb5_rd_req)* rd_req = nullptr;
  decltype(::krb5_mk_rep)* mk_rep = nullptr;
  decltype(::krb5_mk_error)* mk_error = nullptr;
  decltype(::krb5_free_data_contents)* free_data_contents = nullptr;
  decltype(::krb5_free_ticket)* free_ticket = nullptr;
};

bool find_all(const SharedLibrary& library, Functions& call) {
  return library.find("krb5_init_context", call.init_context) &&
         library.find("krb5_free_context", call.free_context) &&
         library.find("krb5_get_error_message", call.get_error_message) &&
         library.find("krb5_free_error_message", call.free_error_message) &&
         library.find("krb5_us_timeofday", call.us_timeofday) &&
         library.find("krb5_kt_default", call.kt_default) &&
         library.find("krb5_kt_resolve", call.kt_resolve) &&
         library.find("krb5_kt_close", call.kt_close) &&
         library.find("krb5_kt_get_name", call.kt_get_name) &&
         library.find("krb5_kt_start_seq_get", call.kt_start_seq_get) &&
         library.find("krb5_kt_next_entry", call.kt_next_entry) &&
         library.find("krb5_kt_end_seq_get", call.kt_end_seq_get) &&
         library.find("krb5_kt_add_entry", call.kt_add_entry) &&
         library.find("krb5_free_keytab_entry_contents", call.free_entry) &&
         library.find("krb5_build_principal", call.build_principal) &&
         library.find("krb5_free_principal", call.free_principal) &&
         library.find("krb5_unparse_name", call.unparse_name) &&
         library.find("krb5_free_unparsed_name", call.free_unparsed_name) &&
         library.find("krb5_aname_to_localname", call.aname_to_localname) &&
         library.find("krb5_auth_con_init", call.auth_con_init) &&
         library.find("krb5_auth_con_free", call.auth_con_free) &&
         library.find("krb5_auth_con_getauthenticator", call.getauthenticator) &&
         library.find("krb5_free_authenticator", call.free_authenticator) &&
         library.find("krb5_rd_req", call.rd_req) && library.find("krb5_mk_rep", call.mk_rep) &&
         library.find("krb5_mk_error", call.mk_error) &&
         library.find("krb5_free_data_contents", call.free_data_contents) &&
         library.find("krb5_free_ticket", call.free_ticket);
}

/// Runs a function at the end of a scope.
template <class Function>
class AtEnd {
 public:
  explicit AtEnd(Function function) : function_{std::move(function)} {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() { function_(); }

 private:
  Function function_;
};

std::string_view octets_of(const krb5_data& data) {
  return {data.data, data.length};
}

}  // namespace

class KerberosAcceptor::Library {
 public:
  explicit Library(SharedLibrary library) : library_{std::move(library)} {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  [[nodiscard]] Result<void> prepare(const Set& set);
  [[nodiscard]] Outcome judge(std::string_view ap_req);

 private:
  [[nodiscard]] std::string message(krb5_error_code code) const;
  [[nodiscard]] Result<void> checked(krb5_error_code code, std::string_view doing) const;
  [[nodiscard]] Result<void> copy_keys(const Set& set);
  [[nodiscard]] Result<std::size_t> copy_keys_from(krb5_keytab from, const std::string& service);
  [[nodiscard]] Result<void> prepare_mapping();
  [[nodiscard]] Outcome refused(krb5_error_code code) const;
  [[nodiscard]] krb5_error_code read(krb5_auth_context& exchange, std::string_view ap_req,
                                     Outcome& outcome);
  [[nodiscard]] krb5_error_code check_time(krb5_auth_context exchange) const;
  [[nodiscard]] krb5_error_code name_client(krb5_const_principal client, Outcome& outcome) const;

  SharedLibrary library_;
  Functions call_;
  krb5_context context_ = nullptr;
  krb5_keytab keys_ = nullptr;
  krb5_principal service_ = nullptr;  // any host's
  krb5_timestamp not_before_ = 0;
};

KerberosAcceptor::Library::~Library() {
  if (context_ == nullptr) return;
  if (service_ != nullptr) call_.free_principal(context_, service_);
  if (keys_ != nullptr) call_.kt_close(context_, keys_);
  call_.free_context(context_);
}

std::string KerberosAcceptor::Library::message(krb5_error_code code) const {
  const char* const text = call_.get_error_message(context_, code);
  std::string message = escaped(text, 200);
  call_.free_error_message(context_, text);
  return message;
}

Result<void> KerberosAcceptor::Library::checked(krb5_error_code code,
                                                std::string_view doing) const {
  if (code == 0) return {};
  const Errc errc = code == ENOENT || code == KRB5_KT_NOTFOUND ? Errc::not_found : Errc::io;
  return fail(errc, std::string{doing} + ": " + message(code));
}

// --- Before rights are given up

Result<void> KerberosAcceptor::Library::prepare(const Set& set) {
  if (!find_all(library_, call_)) {
    return fail(Errc::not_found, "libkrb5 is too old: it lacks a function");
  }
  ::setenv("KRB5RCACHENAME", ("file2:" + set.replay_file.native()).c_str(), 1);
  not_before_ = static_cast<krb5_timestamp>(set.not_before.time_since_epoch().count());
  if (const krb5_error_code code = call_.init_context(&context_); code != 0) {
    return checked(code, "read the configuration of Kerberos");
  }
  if (Result<void> copied = copy_keys(set); !copied) return copied;
  // As of a service whose host is not said: every key of the service matches.
  Result<void> made = checked(call_.build_principal(context_, &service_, 0, "", set.service.c_str(),
                                                    "", static_cast<char*>(nullptr)),
                              "name the service");
  if (!made) return made;
  service_->type = KRB5_NT_SRV_HST;
  return prepare_mapping();
}

Result<void> KerberosAcceptor::Library::copy_keys(const Set& set) {
  krb5_keytab from = nullptr;
  Result<void> done =
      set.keytab.empty()
          ? checked(call_.kt_default(context_, &from), "find the keytab")
          : checked(call_.kt_resolve(context_, ("FILE:" + set.keytab.native()).c_str(), &from),
                    "open " + set.keytab.native());
  if (!done) return done;
  const AtEnd close{[&] { call_.kt_close(context_, from); }};
  done = checked(call_.kt_resolve(context_, keys_in_memory, &keys_), "make room for keys");
  if (!done) return done;
  std::array<char, 512> name{};
  if (call_.kt_get_name(context_, from, name.data(), name.size()) != 0) name[0] = '\0';
  const Result<std::size_t> copied = copy_keys_from(from, set.service);
  if (!copied) return std::unexpected(Error{copied.error()}.in(name.data()));
  if (*copied > 0) return {};
  return fail(Errc::not_found, std::string{name.data()} + ": holds no key of " +
                                   escaped(set.service, 80) + "/HOST: add one with kadmin(1)");
}

Result<std::size_t> KerberosAcceptor::Library::copy_keys_from(krb5_keytab from,
                                                              const std::string& service) {
  krb5_kt_cursor cursor = nullptr;
  if (const krb5_error_code code = call_.kt_start_seq_get(context_, from, &cursor); code != 0) {
    return std::unexpected(checked(code, "read the keytab").error());
  }
  const AtEnd end{[&] { call_.kt_end_seq_get(context_, from, &cursor); }};
  std::size_t copied = 0;
  krb5_keytab_entry entry{};
  krb5_error_code code = 0;
  while ((code = call_.kt_next_entry(context_, from, &entry, &cursor)) == 0) {
    const AtEnd free{[&] { call_.free_entry(context_, &entry); }};
    const krb5_const_principal owner = entry.principal;
    if (owner->length != 2 || octets_of(owner->data[0]) != service) continue;
    if (const krb5_error_code added = call_.kt_add_entry(context_, keys_, &entry); added != 0) {
      return std::unexpected(checked(added, "keep a key").error());
    }
    ++copied;
  }
  if (code != KRB5_KT_END) return std::unexpected(checked(code, "read the keytab").error());
  return copied;
}

// What maps principals to users is loaded when it is first asked.
Result<void> KerberosAcceptor::Library::prepare_mapping() {
  std::array<char, 256> user{};
  (void)call_.aname_to_localname(context_, service_, static_cast<int>(user.size()), user.data());
  return {};
}

// --- What clients send

KerberosAcceptor::Outcome KerberosAcceptor::Library::judge(std::string_view ap_req) {
  krb5_auth_context exchange = nullptr;
  if (const krb5_error_code code = call_.auth_con_init(context_, &exchange); code != 0) {
    return refused(code);
  }
  const AtEnd free{[&] { call_.auth_con_free(context_, exchange); }};
  Outcome outcome;
  const krb5_error_code code = read(exchange, ap_req, outcome);
  if (code != 0) {
    Outcome refusal = refused(code);
    if (!outcome.principal.empty()) refusal.why = outcome.principal + ": " + refusal.why;
    return refusal;
  }
  outcome.kind = Outcome::Kind::accepted;
  return outcome;
}

krb5_error_code KerberosAcceptor::Library::read(krb5_auth_context& exchange,
                                                std::string_view ap_req, Outcome& outcome) {
  std::string octets{ap_req};
  krb5_data request{};
  request.length = static_cast<unsigned>(octets.size());
  request.data = octets.data();
  krb5_flags wanted = 0;
  krb5_ticket* ticket = nullptr;
  krb5_error_code code =
      call_.rd_req(context_, &exchange, &request, service_, keys_, &wanted, &ticket);
  if (code != 0) return code;
  const AtEnd free{[&] { call_.free_ticket(context_, ticket); }};
  code = check_time(exchange);
  if (code == 0) code = name_client(ticket->enc_part2->client, outcome);
  if (code != 0 || (wanted & AP_OPTS_MUTUAL_REQUIRED) == 0) return code;
  krb5_data reply{};
  code = call_.mk_rep(context_, exchange, &reply);
  if (code != 0) return code;
  outcome.reply = octets_of(reply);
  call_.free_data_contents(context_, &reply);
  return 0;
}

krb5_error_code KerberosAcceptor::Library::check_time(krb5_auth_context exchange) const {
  if (not_before_ == 0) return 0;
  krb5_authenticator* authenticator = nullptr;
  const krb5_error_code code = call_.getauthenticator(context_, exchange, &authenticator);
  if (code != 0) return code;
  const bool is_older = authenticator->ctime < not_before_;
  call_.free_authenticator(context_, authenticator);
  return is_older ? KRB5KRB_AP_ERR_REPEAT : 0;
}

krb5_error_code KerberosAcceptor::Library::name_client(krb5_const_principal client,
                                                       Outcome& outcome) const {
  char* name = nullptr;
  krb5_error_code code = call_.unparse_name(context_, client, &name);
  if (code != 0) return code;
  outcome.principal = name;
  call_.free_unparsed_name(context_, name);
  std::array<char, 256> user{};
  code = call_.aname_to_localname(context_, client, static_cast<int>(user.size()), user.data());
  if (code == 0) outcome.user = user.data();
  return code;
}

// As krb5_recvauth(3) tells a client.
KerberosAcceptor::Outcome KerberosAcceptor::Library::refused(krb5_error_code code) const {
  Outcome outcome;
  outcome.why = message(code);
  const bool is_of_protocol =
      code >= ERROR_TABLE_BASE_krb5 && code <= ERROR_TABLE_BASE_krb5 + last_protocol_error;
  krb5_error error{};
  error.error =
      is_of_protocol ? static_cast<krb5_ui_4>(code - ERROR_TABLE_BASE_krb5) : generic_error;
  error.server = service_;
  if (call_.us_timeofday(context_, &error.stime, &error.susec) != 0) return outcome;
  krb5_data reply{};
  if (call_.mk_error(context_, &error, &reply) != 0) return outcome;
  outcome.reply = octets_of(reply);
  call_.free_data_contents(context_, &reply);
  return outcome;
}

// --- The acceptor

Result<KerberosAcceptor> KerberosAcceptor::load(const Set& set) {
  Result<SharedLibrary> shared = SharedLibrary::load("libkrb5.so.3");
  if (!shared) return std::unexpected(shared.error());
  auto library = std::make_unique<Library>(std::move(*shared));
  if (Result<void> ready = library->prepare(set); !ready) return std::unexpected(ready.error());
  return KerberosAcceptor{std::move(library)};
}

KerberosAcceptor::KerberosAcceptor(std::unique_ptr<Library> library)
    : library_{std::move(library)} {}
KerberosAcceptor::KerberosAcceptor(KerberosAcceptor&&) noexcept = default;
KerberosAcceptor::~KerberosAcceptor() = default;

KerberosAcceptor::Outcome KerberosAcceptor::judge(std::string_view ap_req) {
  return library_->judge(ap_req);
}

}  // namespace pop
