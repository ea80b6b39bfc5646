#include "pop3/capabilities.h"

#include "pop3/language.h"
#include "support/catch.h"

using namespace pop;

namespace {

const std::string begin = "+OK Capability list follows\r\nTOP\r\n";
const std::string middle = "UIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nX-MANGLE\r\nX-MACRO\r\nPIPELINING\r\n";
const std::string name = "IMPLEMENTATION Popper-version-" POPPER_VERSION "\r\n";

}  // namespace

TEST_CASE("CAPA announces USER in both states, as RFC 2449 asks", "[pop3][capabilities]") {
  const CapabilityFacts facts;
  CHECK(capability_reply(facts, CapabilityState::authorization) ==
        begin + "USER\r\nEXPIRE NEVER\r\n" + middle + name + ".\r\n");
  CHECK(capability_reply(facts, CapabilityState::transaction) ==
        begin + "USER\r\nEXPIRE NEVER\r\n" + middle + name + ".\r\n");
}

TEST_CASE("CAPA does not offer USER where it cannot lead to a login", "[pop3][capabilities]") {
  CapabilityFacts facts;
  facts.user_pass = false;
  CHECK(capability_reply(facts, CapabilityState::authorization) ==
        begin + "EXPIRE NEVER\r\n" + middle + name + ".\r\n");
}

TEST_CASE("CAPA offers STLS before the login and before TLS only", "[pop3][capabilities][tls]") {
  const auto offers = [](Stls stls, CapabilityState state) {
    CapabilityFacts facts;
    facts.stls = stls;
    return capability_reply(facts, state).find("\r\nSTLS\r\n") != std::string::npos;
  };
  CHECK(offers(Stls::offered, CapabilityState::authorization));
  CHECK_FALSE(offers(Stls::offered, CapabilityState::transaction));
  CHECK_FALSE(offers(Stls::in_progress, CapabilityState::authorization));
  CHECK_FALSE(offers(Stls::unavailable, CapabilityState::authorization));
}

TEST_CASE("CAPA names the program to strangers unless it is shy", "[pop3][capabilities]") {
  CapabilityFacts facts;
  facts.shy = true;
  CHECK(capability_reply(facts, CapabilityState::authorization) ==
        begin + "USER\r\nEXPIRE NEVER\r\n" + middle + ".\r\n");
  CHECK(capability_reply(facts, CapabilityState::transaction) ==
        begin + "USER\r\nEXPIRE NEVER\r\n" + middle + name + ".\r\n");
}

TEST_CASE("CAPA announces expiry and login delay as they are set", "[pop3][capabilities]") {
  CapabilityFacts facts;
  facts.expire_days = 30;
  facts.login_delay = 0;
  CHECK(capability_reply(facts, CapabilityState::transaction) ==
        begin + "USER\r\nLOGIN-DELAY 0\r\nEXPIRE 30\r\n" + middle + name + ".\r\n");
  facts.expire_by_user = facts.login_delay_by_user = true;
  CHECK(capability_reply(facts, CapabilityState::transaction) ==
        begin + "USER\r\nLOGIN-DELAY 0\r\nEXPIRE 30\r\n" + middle + name + ".\r\n");
  CHECK(capability_reply(facts, CapabilityState::authorization) ==
        begin + "USER\r\nLOGIN-DELAY 0 USER\r\nEXPIRE 30 USER\r\n" + middle + name + ".\r\n");
  facts.login_delay_by_user = false;
  facts.expire_days = -1;
  CHECK(capability_reply(facts, CapabilityState::authorization) ==
        begin + "USER\r\nLOGIN-DELAY 0\r\nEXPIRE NEVER USER\r\n" + middle + name + ".\r\n");
  facts.expire_days = 0;
  facts.login_delay = 900;
  CHECK(capability_reply(facts, CapabilityState::transaction) ==
        begin + "USER\r\nLOGIN-DELAY 900\r\nEXPIRE 0\r\n" + middle + name + ".\r\n");
}

TEST_CASE("CAPA offers LANG behind what Qpopper had, in both states",
          "[pop3][capabilities][language]") {
  const Languages languages;
  CapabilityFacts facts;
  facts.languages = &languages;
  for (const CapabilityState state :
       {CapabilityState::authorization, CapabilityState::transaction}) {
    CHECK(capability_reply(facts, state) ==
          begin + "USER\r\nEXPIRE NEVER\r\n" + middle + name + "UTF8 USER\r\nLANG\r\n.\r\n");
  }
}
