// Compares the documents made from the option table with the files in the source tree, or writes
// them: option_docs check|write SOURCE-DIRECTORY [DOCUMENT]

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "conf/command_line.h"
#include "conf/option_documents.h"

namespace {

/// A generated file, or the generated part of one written by hand.
struct Document {
  std::string_view name;
  std::string_view path;
  std::string (*render)();
  std::string_view begin = "", end = "";  // lines around the part
};

constexpr std::array documents{
    Document{"manual", "man/popper.conf.5", pop::manual_options_section,
             ".\\\" Begin of the part made from the option table.\n",
             ".\\\" End of the part made from the option table.\n"},
    Document{"sample-toml", "doc/popper.toml.sample", pop::sample_toml},
    Document{"sample-classic", "doc/qpopper-style.conf.sample", pop::sample_classic},
    Document{"completion", "completions/popper.bash", pop::bash_completion},
    Document{"help", "tests/golden/popper-help.txt", pop::popper_help},
};

std::string read(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// The whole file as it should be; nullopt if the lines around the part are missing.
std::optional<std::string> wanted(const Document& document, const std::string& present) {
  if (document.begin.empty()) return document.render();
  const std::size_t begin = present.find(document.begin);
  const std::size_t end = present.find(document.end);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return std::nullopt;
  return present.substr(0, begin + document.begin.size()) + document.render() + present.substr(end);
}

std::size_t first_differing_line(std::string_view a, std::string_view b) {
  const auto common = std::ranges::mismatch(a, b).in1 - a.begin();
  return static_cast<std::size_t>(
             std::ranges::count(a.substr(0, static_cast<std::size_t>(common)), '\n')) +
         1;
}

bool check(const Document& document, const std::string& path) {
  const std::string present = read(path);
  const auto want = wanted(document, present);
  if (want && *want == present) return true;
  const std::string place = want ? ":" + std::to_string(first_differing_line(present, *want)) : "";
  std::cerr << path << place << ": not what the option table says; build the target \"docs\"\n";
  return false;
}

bool write(const Document& document, const std::string& path) {
  const auto want = wanted(document, read(path));
  if (!want) {
    std::cerr << path << ": the lines around the generated part are missing\n";
    return false;
  }
  std::ofstream{path} << *want;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (argc < 3 || argc > 4 || (verb != "check" && verb != "write")) {
    std::cerr << "usage: option_docs check|write SOURCE-DIRECTORY [DOCUMENT]\n";
    return 64;
  }
  bool good = true;
  std::size_t met = 0;
  for (const Document& document : documents) {
    if (argc == 4 && document.name != argv[3]) continue;
    ++met;
    const std::string path = std::string{argv[2]} + "/" + std::string{document.path};
    good = (verb == "check" ? check(document, path) : write(document, path)) && good;
  }
  if (met == 0) std::cerr << "option_docs: no document " << argv[3] << "\n";
  return good && met > 0 ? 0 : 1;
}
