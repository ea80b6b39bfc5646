#include "tls/tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "tls/client_user.h"
#include "tls/openssl_handle.h"
#include "tls/tls_failure.h"

namespace pop {
namespace {

using Path = std::filesystem::path;
using Time = std::chrono::system_clock::time_point;
using Warnings = std::vector<std::string>;

constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr std::size_t longest_chain = 20;
constexpr std::size_t most_names = 1000;

// --- Files

/// guarded: read by anybody, and refused when everybody may write it.
enum class Privacy : std::uint8_t { anybody, owner_only, guarded };

void warn_of_mode(const struct stat& st, const Path& path, Privacy privacy, Warnings& warnings) {
  if ((st.st_mode & 022) != 0) {
    warnings.push_back(path.native() + ": others than its owner may write to it");
  } else if (privacy == Privacy::owner_only && (st.st_mode & 07) != 0) {
    warnings.push_back(path.native() +
                       ": everybody may read this private key; take that right away");
  }
}

Result<Secret> whole_content(const Fd& file, const Path& path, std::size_t size) {
  std::string content(size + 1, '\0');  // one more: to see it grow
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got =
        ::pread(file.get(), content.data() + have, content.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int saved = errno;
      wipe(content);
      return fail_errno(saved, "read " + path.native());
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  Secret result{std::string_view{content}.substr(0, have)};
  wipe(content);
  if (have != size) return fail(Errc::changed, path.native() + ": changed while it was read");
  return result;
}

/// Not O_NOFOLLOW: certificates are commonly links into an archive. Not a device or a pipe either.
Result<Secret> read_file(const Path& path, Privacy privacy, Warnings& warnings) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "open " + path.native());
  }
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "fstat " + path.native());
  }
  if (!S_ISREG(st.st_mode)) return fail(Errc::denied, path.native() + ": not a regular file");
  if (static_cast<std::size_t>(st.st_size) > largest_file) {
    return fail(Errc::limit, path.native() + ": more than 1 MiB");
  }
  if (privacy == Privacy::guarded && (st.st_mode & 02) != 0) {
    return fail(Errc::denied, path.native() + ": everybody may write to it; take that right away");
  }
  warn_of_mode(st, path, privacy, warnings);
  return whole_content(file, path, static_cast<std::size_t>(st.st_size));
}

BioHandle reader_of(std::string_view octets) {
  return BioHandle{BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size()))};
}

// --- Certificates

std::optional<Time> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::vector<CertificateHandle> certificates_in(std::string_view pem) {
  const BioHandle in = reader_of(pem);
  std::vector<CertificateHandle> found;
  while (found.size() < longest_chain) {
    CertificateHandle next{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
    if (!next) break;
    found.push_back(std::move(next));
  }
  return found;
}

std::string der_of(X509* certificate) {
  unsigned char* octets = nullptr;
  const int size = i2d_X509(certificate, &octets);
  if (size <= 0) return {};
  std::string der{reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size)};
  OPENSSL_free(octets);
  return der;
}

/// nullopt for what no host can be called; such a name is left out.
std::optional<std::string> host_name(const ASN1_STRING* text) {
  std::string name =
      lower(std::string_view{reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                             static_cast<std::size_t>(ASN1_STRING_length(text))});
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  const std::string_view labels =
      name.starts_with("*.") ? std::string_view{name}.substr(2) : std::string_view{name};
  if (labels.empty() || name.size() > 255) return std::nullopt;
  if (labels.find_first_not_of(allowed) != std::string_view::npos) return std::nullopt;
  return name;
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && names.size() < most_names; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    if (auto host = host_name(name->d.dNSName)) names.push_back(std::move(*host));
  }
  GENERAL_NAMES_free(all);
  return names;
}

/// The common name counts only where there is no other (RFC 6125 section 6.4.4).
std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names = alternative_names(certificate);
  if (!names.empty()) return names;
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return names;
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  if (auto host = host_name(text)) names.push_back(std::move(*host));
  return names;
}

// --- Keys

struct PassphraseUse {
  std::string_view passphrase;
  bool asked = false;
};

// A callback of our own also keeps the library from asking at the terminal.
int give_passphrase(char* buffer, int size, int /*for_writing*/, void* use_pointer) {
  auto* use = static_cast<PassphraseUse*>(use_pointer);
  use->asked = true;
  const auto length = static_cast<int>(use->passphrase.size());
  if (length == 0 || length > size) return -1;
  std::ranges::copy(use->passphrase, buffer);
  return length;
}

Result<KeyHandle> read_key(std::string_view pem, const Path& path, const Secret& passphrase) {
  PassphraseUse use{passphrase.octets()};
  forget_tls_failures();
  KeyHandle key{PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, give_passphrase, &use)};
  const std::string reason = take_tls_failure();
  if (key) return key;
  if (use.asked && passphrase.empty()) {
    return fail(Errc::denied, path.native() +
                                  ": the private key wants a passphrase; write it "
                                  "without one, or give tls-passphrase");
  }
  if (use.asked) return fail(Errc::denied, path.native() + ": the passphrase is wrong");
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
    return fail(Errc::corrupt, path.native() + ": holds no private key in PEM form");
  }
  return fail(Errc::corrupt, path.native() + ": the private key cannot be read: " + reason);
}

Result<Secret> pkcs8_of(EVP_PKEY* key, const Path& path) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  unsigned char* octets = nullptr;
  const int size = info != nullptr ? i2d_PKCS8_PRIV_KEY_INFO(info, &octets) : -1;
  PKCS8_PRIV_KEY_INFO_free(info);
  if (size <= 0) return fail(Errc::corrupt, path.native() + ": " + take_tls_failure());
  Secret der{{reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size)}};
  OPENSSL_clear_free(octets, static_cast<std::size_t>(size));
  return der;
}

KeyKind kind_of(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return KeyKind::rsa;
    case EVP_PKEY_EC:
      return KeyKind::ecdsa;
    default:
      return KeyKind::other;
  }
}

using Chain = std::vector<CertificateHandle>;

Result<void> check_match(const Chain& chain, EVP_PKEY* key, const TlsPairFiles& files) {
  if (X509_check_private_key(chain.front().get(), key) == 1) return {};
  forget_tls_failures();
  const Path& key_file = files.key.empty() ? files.certificate : files.key;
  const auto belongs = [key](const CertificateHandle& certificate) {
    const bool match = X509_check_private_key(certificate.get(), key) == 1;
    forget_tls_failures();
    return match;
  };
  if (std::ranges::any_of(chain, belongs)) {
    return fail(Errc::corrupt, files.certificate.native() +
                                   ": the certificate of the key must come first, before those "
                                   "that sign it");
  }
  return fail(Errc::changed, key_file.native() +
                                 ": this key does not belong to the certificate in " +
                                 files.certificate.native());
}

void warn_of_order(const Chain& chain, const Path& path, Warnings& warnings) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) == X509_V_OK) continue;
    warnings.push_back(path.native() + ": certificate " + std::to_string(i + 1) +
                       " is not signed by the one that follows it; some clients will not find "
                       "their way to the root");
    return;
  }
}

// --- OCSP

/// Until when the response is good for the certificate; the text says what is wrong with it.
std::expected<Time, std::string> good_until(OCSP_BASICRESP* basic, X509* certificate, X509* issuer,
                                            Time now) {
  OCSP_CERTID* id = OCSP_cert_to_id(nullptr, certificate, issuer);
  int status = 0;
  int reason = 0;
  ASN1_GENERALIZEDTIME *revoked = nullptr, *since = nullptr, *until = nullptr;
  const int found = OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &since, &until);
  OCSP_CERTID_free(id);
  if (found != 1) return std::unexpected("it is about another certificate");
  if (status == V_OCSP_CERTSTATUS_REVOKED) return std::unexpected("it says revoked");
  if (status != V_OCSP_CERTSTATUS_GOOD) return std::unexpected("it does not say good");
  const std::optional<Time> end = time_of(until);
  if (!end) return std::unexpected("it does not say until when it is good");
  if (*end <= now) return std::unexpected("it is out of date");
  return *end;
}

/// The signer is the issuer itself, or somebody whom the issuer let sign.
bool is_signed_by(OCSP_BASICRESP* basic, X509* issuer) {
  const StoreHandle trusted{X509_STORE_new()};
  if (!trusted || X509_STORE_add_cert(trusted.get(), issuer) != 1) return false;
  X509_STORE_set_flags(trusted.get(), X509_V_FLAG_PARTIAL_CHAIN);
  const CertificatesHandle others{sk_X509_new_null()};
  if (!others || X509_add_cert(others.get(), issuer, X509_ADD_FLAG_UP_REF) != 1) return false;
  const bool valid = OCSP_basic_verify(basic, others.get(), trusted.get(), 0) == 1;
  forget_tls_failures();
  return valid;
}

std::expected<Time, std::string> check_ocsp(std::string_view der, const Chain& chain, Time now) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
  const OcspHandle response{d2i_OCSP_RESPONSE(nullptr, &octets, static_cast<long>(der.size()))};
  forget_tls_failures();
  if (!response) return std::unexpected("it is no OCSP response in DER form");
  if (OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return std::unexpected("the responder had no answer");
  }
  const OcspBasicHandle basic{OCSP_response_get1_basic(response.get())};
  if (!basic) return std::unexpected("it is of an unknown kind");
  if (chain.size() < 2) return std::unexpected("the certificate file lacks the issuer to check it");
  X509* const issuer = chain[1].get();
  if (!is_signed_by(basic.get(), issuer)) return std::unexpected("its signature does not hold");
  return good_until(basic.get(), chain.front().get(), issuer, now);
}

// A response that cannot be stapled is no reason to serve nobody.
void read_ocsp(TlsPair& pair, const TlsPairFiles& files, const Chain& chain, Time now,
               Warnings& warnings) {
  if (files.ocsp_response.empty()) return;
  const Result<Secret> der = read_file(files.ocsp_response, Privacy::anybody, warnings);
  if (!der) {
    warnings.push_back(der.error().text + "; no OCSP response is stapled");
    return;
  }
  const auto until = check_ocsp(der->octets(), chain, now);
  if (!until) {
    warnings.push_back(files.ocsp_response.native() + ": not stapled: " + until.error());
    return;
  }
  pair.ocsp_response = der->octets();
  pair.ocsp_until = *until;
}

// --- What the options name

/// Up to the next octet that is one of `ends`; both are taken away.
std::string_view take_until(std::string_view& text, std::string_view ends) {
  const std::size_t end = std::min(text.find_first_of(ends), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// "CERTIFICATE", "CERTIFICATE,KEY" or "CERTIFICATE,KEY,OCSP", where KEY may be empty.
Result<TlsPairFiles> pair_named_by(std::string_view word) {
  TlsPairFiles pair;
  std::string_view rest = word;
  for (Path* const path : {&pair.certificate, &pair.key, &pair.ocsp_response}) {
    *path = take_until(rest, ",");
    if (path->empty() ? path == &pair.certificate : !path->is_absolute()) {
      return fail(Errc::usage, "tls-more-certificates: " + escaped(word, 200) +
                                   ": paths must begin with a slash");
    }
  }
  if (rest.empty()) return pair;
  return fail(Errc::usage, "tls-more-certificates: " + escaped(word, 200) +
                               ": no more than three files with commas between");
}

Result<void> name_client_files(TlsFiles& files, const Settings& settings) {
  const bool by_map = settings.tls_client_user == ClientUser::map;
  if (by_map != !settings.tls_client_user_map.empty()) {
    return fail(Errc::usage, by_map
                                 ? "tls-client-user = map: set tls-client-user-map"
                                 : "tls-client-user-map is read with tls-client-user = map only");
  }
  if (settings.tls_client_certificates == ClientCertificates::ignored) {
    if (settings.tls_client_user == ClientUser::nobody) return {};
    return fail(Errc::usage,
                "tls-client-user needs certificates of clients: set tls-client-certificates");
  }
  if (settings.tls_client_ca_file.empty()) {
    return fail(Errc::usage,
                "tls-client-certificates needs authorities to believe: set tls-client-ca-file");
  }
  files.client_authorities = settings.tls_client_ca_file;
  files.client_users = settings.tls_client_user_map;
  return {};
}

// --- All of it

Result<TlsPair> load_pair(const TlsPairFiles& files, Time now, Warnings& warnings) {
  const bool in_one_file = files.key.empty() || files.key == files.certificate;
  const Result<Secret> pem =
      read_file(files.certificate, in_one_file ? Privacy::owner_only : Privacy::anybody, warnings);
  if (!pem) return std::unexpected(pem.error());
  Result<Secret> key_pem =
      in_one_file ? pem->clone() : read_file(files.key, Privacy::owner_only, warnings);
  if (!key_pem) return std::unexpected(key_pem.error());

  const Chain chain = certificates_in(pem->octets());
  forget_tls_failures();
  if (chain.empty()) {
    return fail(Errc::corrupt, files.certificate.native() + ": holds no certificate in PEM form");
  }
  const Path& key_file = in_one_file ? files.certificate : files.key;
  const Result<KeyHandle> key = read_key(key_pem->octets(), key_file, files.passphrase);
  if (!key) return std::unexpected(key.error());
  if (Result<void> match = check_match(chain, key->get(), files); !match) {
    return std::unexpected(match.error());
  }
  Result<Secret> der = pkcs8_of(key->get(), key_file);
  if (!der) return std::unexpected(der.error());

  TlsPair pair;
  pair.title = files.certificate.native();
  pair.key = std::move(*der);
  pair.kind = kind_of(key->get());
  X509* const own = chain.front().get();
  const auto begin = time_of(X509_get0_notBefore(own)), end = time_of(X509_get0_notAfter(own));
  if (!begin || !end) {
    return fail(Errc::corrupt, pair.title + ": the certificate's dates cannot be read");
  }
  pair.not_before = *begin;
  pair.not_after = *end;
  pair.names = names_of(own);
  for (const CertificateHandle& certificate : chain) {
    pair.chain.push_back(der_of(certificate.get()));
  }
  warn_of_order(chain, files.certificate, warnings);
  read_ocsp(pair, files, chain, now, warnings);
  return pair;
}

Result<std::string> load_authorities(const Path& path, Warnings& warnings) {
  const Result<Secret> pem = read_file(path, Privacy::anybody, warnings);
  if (!pem) return std::unexpected(pem.error());
  const Chain found = certificates_in(pem->octets());
  forget_tls_failures();
  if (found.empty()) {
    return fail(Errc::corrupt, path.native() + ": holds no certificate in PEM form");
  }
  return std::string{pem->octets()};
}

// Whoever writes there decides who is who.
Result<std::string> load_client_users(const Path& path, Warnings& warnings) {
  const Result<Secret> text = read_file(path, Privacy::guarded, warnings);
  if (!text) return std::unexpected(text.error());
  Result<ClientUserMap> users = ClientUserMap::parse(text->octets());
  if (!users) return std::unexpected(std::move(users).error().in(path.native()));
  return std::string{text->octets()};
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

TlsFileStamp stamp_of(const Path& path) {
  TlsFileStamp stamp{.path = path};
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return stamp;
  stamp.found = true;
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size = st.st_size;
  stamp.modified = st.st_mtim;
  stamp.changed = st.st_ctim;
  return stamp;
}

}  // namespace

bool TlsFileStamp::operator==(const TlsFileStamp& other) const {
  return path == other.path && found == other.found && device == other.device &&
         inode == other.inode && size == other.size && same(modified, other.modified) &&
         same(changed, other.changed);
}

std::vector<TlsFileStamp> stamps_of(const TlsFiles& files) {
  std::vector<TlsFileStamp> stamps;
  const auto add = [&stamps](const Path& path) {
    if (!path.empty()) stamps.push_back(stamp_of(path));
  };
  for (const TlsPairFiles& pair : files.pairs) {
    add(pair.certificate);
    add(pair.key);
    add(pair.ocsp_response);
  }
  add(files.client_authorities);
  add(files.client_users);
  return stamps;
}

Result<TlsFiles> tls_files_of(const Settings& settings) {
  TlsFiles files;
  TlsPairFiles& first = files.pairs.emplace_back();
  const bool has_pem = !settings.tls_server_cert_file.empty();
  first.certificate = has_pem ? settings.tls_server_cert_file : settings.tls_identity_file;
  if (has_pem) first.key = settings.tls_private_key_file;
  first.ocsp_response = settings.tls_ocsp_file;
  first.passphrase = Secret{settings.tls_passphrase};
  if (first.certificate.empty()) {
    return fail(Errc::usage, "TLS needs a certificate: set tls-server-cert-file");
  }
  for (std::string_view rest = settings.tls_more_certificates; !rest.empty();) {
    const std::string_view word = take_until(rest, " \t");
    if (word.empty()) continue;
    Result<TlsPairFiles> pair = pair_named_by(word);
    if (!pair) return std::unexpected(pair.error());
    files.pairs.push_back(std::move(*pair));
  }
  if (Result<void> named = name_client_files(files, settings); !named) {
    return std::unexpected(named.error());
  }
  return files;
}

Result<LoadedTlsMaterial> load_tls_material(const TlsFiles& files, const Clock& clock) {
  if (files.pairs.empty()) {
    return fail(Errc::usage, "TLS needs a certificate: set tls-server-cert-file");
  }
  LoadedTlsMaterial loaded;
  loaded.stamps = stamps_of(files);
  const Time now = clock.wall();
  for (const TlsPairFiles& pair_files : files.pairs) {
    Result<TlsPair> pair = load_pair(pair_files, now, loaded.warnings);
    if (!pair) return std::unexpected(pair.error());
    loaded.material.pairs.push_back(std::move(*pair));
  }
  if (!files.client_authorities.empty()) {
    Result<std::string> pem = load_authorities(files.client_authorities, loaded.warnings);
    if (!pem) return std::unexpected(pem.error());
    loaded.material.client_authorities = std::move(*pem);
  }
  if (!files.client_users.empty()) {
    Result<std::string> users = load_client_users(files.client_users, loaded.warnings);
    if (!users) return std::unexpected(users.error());
    loaded.material.client_users = std::move(*users);
  }
  if (stamps_of(files) != loaded.stamps) {
    return fail(Errc::changed, "the certificate files changed while they were read");
  }
  if (Result<void> dates = check_dates(loaded.material, now); !dates) {
    loaded.warnings.push_back(dates.error().text);
  }
  return loaded;
}

}  // namespace pop
