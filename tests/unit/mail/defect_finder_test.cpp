#include "mail/defect_finder.h"

#include <algorithm>
#include <random>
#include <set>

#include "mail/text_masks.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/patched_memory.h"

namespace pop::test {
namespace {

std::vector<std::string> told(const SpoolFindings& found) {
  std::vector<std::string> lines;
  for (const Defect& defect : found.defects) {
    lines.push_back(std::string{text_of(defect.kind).name} + " at " +
                    std::to_string(defect.at.count) + " line " + std::to_string(defect.line) +
                    " message " + std::to_string(defect.message) + ": " + defect.detail);
  }
  return lines;
}

std::vector<std::string> names(const std::vector<DefectKind>& kinds) {
  std::vector<std::string> all;
  for (const DefectKind kind : kinds) all.emplace_back(text_of(kind).name);
  std::ranges::sort(all);
  return all;
}

std::vector<std::string> names(const SpoolFindings& found) {
  std::vector<DefectKind> kinds;
  for (const Defect& defect : found.defects) kinds.push_back(defect.kind);
  return names(kinds);
}

TEST_CASE("A sound spool has no defects", "[mail][defects]") {
  const std::string empty;
  for (const std::string& spool :
       {empty, sound_spool(), with_crlf(sound_message(1, "", "crlf\n")), sound_mmdf()}) {
    const SpoolFindings found = findings(spool);
    CHECK(told(found).empty());
    CHECK(planned(spool, Decision::repair).mended.empty());
  }
}

TEST_CASE("Mail that looks like damage is left alone", "[mail][defects]") {
  const std::vector<std::string> bodies{
      ">From ann@example.org Thu Jan  1 00:01:00 1970\nReceived: x\nFrom: y\n",
      "text\n> From ann@example.org Thu Jan  1 00:01:00 1970\n> Received: x\n",
      "rom wasn't built in a day, From what I know\n",
      "From here on\n\nFrom there on\n",
      "\nSent: Thu Jan  1 00:01:00 1970\nFrom: ann\nTo: jo\nDate: today\n",
      "--=_b\nContent-Type: message/rfc822\n\nReturn-Path: <a@b>\nReceived: x\nFrom: y\nDate: z\n",
      "\x1b$B9;\x1b(B in ISO-2022-JP\f\n",
  };
  for (const std::string& body : bodies) {
    CAPTURE(body);
    CHECK(told(findings(sound_message(1, "", body) + sound_message(2, "", body))).empty());
  }
}

TEST_CASE("Each damage is found for what it is", "[mail][defects]") {
  for (const Damage& damage : damaged_spools()) {
    CAPTURE(damage.name);
    const SpoolFindings found = findings(damage.spool);
    CAPTURE(told(found));
    CHECK(names(found) == names(damage.kinds));
  }
}

TEST_CASE("There are enough different damages", "[mail][defects]") {
  std::set<std::string_view> known;
  for (const Damage& damage : damaged_spools()) {
    CAPTURE(damage.name);
    CHECK(damage.spool.find("DAMAGE DOES NOT FIT") == std::string::npos);
    CHECK(known.insert(damage.name).second);
  }
  CHECK(known.size() >= 60);
}

TEST_CASE("The finder finds the same wherever the input is cut", "[mail][defects]") {
  for (const Damage& damage : damaged_spools()) {
    CAPTURE(damage.name);
    const std::vector<std::string> whole = told(findings(damage.spool, damage.spool.size() + 1));
    for (const std::size_t step : {1U, 7U, 63U, 64U, 65U, 200U}) {
      CAPTURE(step);
      CHECK(told(findings(damage.spool, step)) == whole);
    }
  }
}

TEST_CASE("NULs and controls inside a From_ line belong to its message, wherever it is cut",
          "[mail][defects]") {
  for (const std::string& rubbish : {std::string(17, '\0'), std::string{"\1\2"}}) {
    const std::string spool = sound_message(1, "", "one\n") +
                              replaced(sound_message(2, "", "two\n"), "From ann",
                                       "From an" + rubbish + "n");
    const std::vector<std::string> whole = told(findings(spool, spool.size()));
    REQUIRE(whole.size() == 1);
    CHECK(whole.front().find("message 2") != std::string::npos);
    for (std::size_t step = 1; step < 300; ++step) {
      CAPTURE(step);
      CHECK(told(findings(spool, step)) == whole);
    }
  }
}

TEST_CASE("Each damage is repaired as far as it can be", "[mail][defects]") {
  for (const Damage& damage : damaged_spools()) {
    CAPTURE(damage.name);
    const std::string sound = damage.sound.empty() ? sound_spool() : damage.sound;
    const RepairPlan alone = planned(damage.spool, Decision::leave);
    const RepairPlan decided = planned(damage.spool, Decision::repair);
    const std::string alone_text = rendered(alone.text, damage.spool);
    const std::string decided_text = rendered(decided.text, damage.spool);
    CAPTURE(told(decided.after));
    switch (damage.outcome) {
      case Outcome::restored_alone:
        CHECK(alone_text == sound);
        break;
      case Outcome::restored:
        CHECK(alone_text == damage.spool);
        CHECK(decided_text == sound);
        break;
      case Outcome::mended_alone:
        CHECK(alone_text != damage.spool);
        CHECK(alone.after.messages.size() == damage.messages);
        break;
      case Outcome::mended:
        CHECK(alone_text == damage.spool);
        CHECK(decided_text != damage.spool);
        CHECK(decided.after.messages.size() == damage.messages);
        break;
      case Outcome::left:
        CHECK(alone_text == damage.spool);
        CHECK(decided_text == damage.spool);
        break;
    }
    for (const Defect& left : decided.left) CHECK(left.remedy == Remedy::none);
  }
}

/// Every byte of the old spool is in the new one or named as left out.
void check_accounted(const RepairPlan& plan, std::string_view old) {
  REQUIRE(plan.text.keeps_order());
  std::string both(old.size(), '?');
  for (const PatchedText::Piece& piece : plan.text.pieces()) {
    if (!piece.literal.empty()) continue;
    both.replace(piece.from.count, piece.count.count,
                 old.substr(piece.from.count, piece.count.count));
  }
  for (const PatchedText::Range& range : plan.text.left_out()) {
    both.replace(range.from.count, range.count.count,
                 old.substr(range.from.count, range.count.count));
  }
  CHECK(both == old);
}

void check_repair(const std::string& spool, Decision decision) {
  const RepairPlan plan = planned(spool, decision);
  check_accounted(plan, spool);
  const std::string once = rendered(plan.text, spool);
  PatchedText from_changes{FileBytes{spool.size()}};
  from_changes.apply(plan.text.changes());
  CHECK(rendered(from_changes, spool) == once);
  const RepairPlan again = planned(once, decision);
  CHECK(rendered(again.text, once) == once);
  CHECK(again.mended.empty());
}

TEST_CASE("A repair keeps every byte and is done once for all", "[mail][defects]") {
  for (const Damage& damage : damaged_spools()) {
    CAPTURE(damage.name);
    for (const Decision decision : {Decision::leave, Decision::repair}) {
      check_repair(damage.spool, decision);
    }
  }
}

/// Pieces of spools, sound and damaged, put together and struck at random.
std::string random_spool(std::mt19937& random) {
  const std::vector<Damage> damages = damaged_spools();
  const auto pick = [&](std::size_t count) { return random() % count; };
  std::string spool;
  for (std::size_t i = pick(4) + 1; i > 0; --i) {
    const std::string& whole = damages[pick(damages.size())].spool;
    const std::size_t begin = pick(4) == 0 ? pick(whole.size()) : 0;
    spool += whole.substr(begin, pick(4) == 0 ? pick(whole.size()) : whole.size());
  }
  for (std::size_t i = pick(4); i > 0 && !spool.empty(); --i) {
    const std::size_t at = pick(spool.size());
    switch (pick(4)) {
      case 0:
        spool.erase(at, pick(100));
        break;
      case 1:
        spool.insert(at, pick(80), '\0');
        break;
      case 2:
        spool[at] = static_cast<char>(random());
        break;
      default:
        spool.insert(at, "\n");
    }
  }
  return spool;
}

TEST_CASE("Random spools: every byte kept, twice equals once", "[mail][defects]") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random{seed};
  for (int i = 0; i < 150; ++i) {
    CAPTURE(seed, i);
    const std::string spool = random_spool(random);
    check_repair(spool, i % 2 == 0 ? Decision::repair : Decision::leave);
  }
}

TEST_CASE("Random sound spools stay as they are", "[mail][defects]") {
  const unsigned seed = std::random_device{}();
  std::mt19937 random{seed};
  for (int i = 0; i < 50; ++i) {
    CAPTURE(seed, i);
    std::string spool;
    for (unsigned n = 0; n < random() % 10; ++n) {
      std::string body;
      for (unsigned line = 0; line < random() % 30; ++line) {
        body += std::string(random() % 120, static_cast<char>('a' + random() % 26)) + "\n";
        if (random() % 5 == 0) body += "\n";
        if (random() % 9 == 0) body += "From the text\n";
      }
      spool += sound_message(static_cast<int>(n), "", body);
    }
    CHECK(rendered(planned(spool, Decision::repair).text, spool) == spool);
  }
}

TEST_CASE("All versions of the masks agree", "[mail][defects]") {
  std::mt19937 random{7};
  std::string text(64 * 40, '\0');
  for (char& c : text)
    c = random() % 4 == 0 ? "\r\n\t rom\0\x1f\x20\x80"[random() % 11] : static_cast<char>(random());
  std::vector<TextMasks> expected(40);
  usable_text_masks().front()(text.data(), 40, expected.data());
  for (const MaskText mask : usable_text_masks()) {
    std::vector<TextMasks> got(40);
    mask(text.data(), 40, got.data());
    for (std::size_t i = 0; i < 40; ++i) {
      CHECK(got[i].lf == expected[i].lf);
      CHECK(got[i].cr == expected[i].cr);
      CHECK(got[i].r == expected[i].r);
      CHECK(got[i].o == expected[i].o);
      CHECK(got[i].m == expected[i].m);
      CHECK(got[i].space == expected[i].space);
      CHECK(got[i].control == expected[i].control);
    }
  }
}

}  // namespace
}  // namespace pop::test
