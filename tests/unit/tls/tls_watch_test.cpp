#include "tls/tls_watch.h"

#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"
#include "unit/tls/certificates.h"

using namespace pop;
using namespace pop::test;

namespace {

using Urgency = TlsWatch::Urgency;

struct Place {
  TemporaryDirectory directory;
  StandingClock clock;

  Place() { put(make_certificate()); }

  void put(const MadeCertificate& made) {
    put_certificate(made);
    put_key(made);
  }
  // As programs that renew do it: a new file in the place of the old.
  void replace(const char* name, const std::string& content) {
    put_file(directory / "new", content);
    std::filesystem::rename(directory / "new", directory / name);
  }
  void put_certificate(const MadeCertificate& made) { replace("cert.pem", pem_of(made)); }
  void put_key(const MadeCertificate& made) { replace("key.pem", key_pem_of(made)); }

  [[nodiscard]] TlsFiles files() const {
    TlsFiles files;
    files.pairs.push_back({.certificate = directory / "cert.pem", .key = directory / "key.pem"});
    return files;
  }
  [[nodiscard]] TlsWatch watch() const {
    return TlsWatch{files(), load_tls_material(files(), clock).value(), clock};
  }
};

template <class Expected>
bool is(const TlsWatch::Seen& seen) {
  return std::holds_alternative<Expected>(seen);
}

}  // namespace

TEST_CASE("Renewed certificate files are loaded once they have settled", "[tls][watch]") {
  Place place;
  TlsWatch watch = place.watch();
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::at_once)));

  const MadeCertificate renewed = make_certificate({.common_name = "new.example.org"});
  place.put(renewed);
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));
  const TlsWatch::Seen seen = watch.look(Urgency::settled);
  REQUIRE(is<TlsWatch::Renewed>(seen));
  CHECK(std::get<TlsWatch::Renewed>(seen).loaded.material.pairs.front().names ==
        std::vector<std::string>{"new.example.org"});
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));

  place.put(make_certificate());
  CHECK(is<TlsWatch::Renewed>(watch.look(Urgency::at_once)));
}

TEST_CASE("Files that are no good are not served, and complained about once", "[tls][watch]") {
  Place place;
  TlsWatch watch = place.watch();
  const MadeCertificate renewed = make_certificate();
  place.put_certificate(renewed);
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));
  const TlsWatch::Seen seen = watch.look(Urgency::settled);
  REQUIRE(is<TlsWatch::Kept>(seen));
  CHECK(std::get<TlsWatch::Kept>(seen).why.find("does not belong") != std::string::npos);
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));
  CHECK(is<TlsWatch::Kept>(watch.look(Urgency::at_once)));

  place.put_key(renewed);
  CHECK(is<TlsWatch::Unchanged>(watch.look(Urgency::settled)));
  CHECK(is<TlsWatch::Renewed>(watch.look(Urgency::settled)));

  std::filesystem::remove(place.directory / "key.pem");
  CHECK(is<TlsWatch::Kept>(watch.look(Urgency::at_once)));
}

TEST_CASE("A certificate out of date does not replace one that is valid", "[tls][watch]") {
  Place place;
  TlsWatch watch = place.watch();
  place.put(make_certificate({.from_day = -30, .until_day = -1}));
  const TlsWatch::Seen seen = watch.look(Urgency::at_once);
  REQUIRE(is<TlsWatch::Kept>(seen));
  CHECK(std::get<TlsWatch::Kept>(seen).why.find("expired") != std::string::npos);

  place.clock.now += std::chrono::hours{24 * 60};  // now both are
  CHECK(is<TlsWatch::Renewed>(watch.look(Urgency::at_once)));
}
