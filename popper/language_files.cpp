#include "popper/language_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace pop {
namespace {

constexpr std::size_t most_languages = 64;
constexpr std::size_t longest_catalogue = std::size_t{1024} * 1024;

// In a fixed order, so that every process lists them alike.
std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{directory, error}) {
    const std::filesystem::path file = entry.path() / "LC_MESSAGES" / "popper.mo";
    std::error_code missing;
    if (std::filesystem::is_regular_file(file, missing)) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  if (names.size() > most_languages) names.resize(most_languages);
  return names;
}

Result<std::string> content_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string octets(longest_catalogue + 1, '\0');
  in.read(octets.data(), static_cast<std::streamsize>(octets.size()));
  if (!in.is_open() || in.bad()) return fail(Errc::io, "it cannot be read");
  octets.resize(static_cast<std::size_t>(in.gcount()));
  if (octets.size() > longest_catalogue) return fail(Errc::limit, "it is longer than 1 MiB");
  return octets;
}

// As directories of gettext spell it: "pt_BR".
std::string tag_of(std::string name) {
  std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace

Languages load_languages(const Settings& settings, Log& log) {
  const std::filesystem::path directory =
      settings.locale_dir.empty() ? std::filesystem::path{POPPER_LOCALE_DIR} : settings.locale_dir;
  Languages languages;
  for (const std::string& name : names_in(directory)) {
    const std::filesystem::path file = directory / name / "LC_MESSAGES" / "popper.mo";
    const Result<std::string> octets = content_of(file);
    Result<Language> language =
        octets ? Language::from_catalogue(tag_of(name), *octets) : std::unexpected(octets.error());
    if (language) {
      languages.add(std::move(*language));
    } else {
      log.failure("read " + file.native(), language.error());
    }
  }
  if (!settings.locale_dir.empty() && languages.all().size() == Languages{}.all().size()) {
    log.sentence(Severity::warning,
                 "locale-dir " + directory.native() + " has no TAG/LC_MESSAGES/popper.mo");
  }
  return languages;
}

}  // namespace pop
