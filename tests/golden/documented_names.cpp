// Prints what doc/coverage.md must have a row for: "option NAME", "switch -X" and "command WORD",
// one a line. Options of which this version takes the default only are left out.

#include <iostream>
#include <set>
#include <string>

#include "conf/option_table.h"
#include "pop3/command.h"

int main() {
  std::set<std::string> switches{"-C FILE", "-i", "-v"};
  for (const pop::Option& option : pop::all_options()) {
    if (option.ready == pop::Ready::later) continue;
    std::cout << "option " << option.name << "\n";
    if (option.letter_switch.kind == pop::SwitchKind::none) continue;
    std::string name = std::string{'-', option.letter_switch.letter};
    if (!option.letter_switch.key.empty()) name += " " + std::string{option.letter_switch.key};
    switches.insert(name);
  }
  for (const std::string& name : switches) std::cout << "switch " << name << "\n";
  for (int verb = 0; verb != static_cast<int>(pop::Verb::unknown); ++verb) {
    std::cout << "command " << pop::rule_of(static_cast<pop::Verb>(verb)).name << "\n";
  }
}
