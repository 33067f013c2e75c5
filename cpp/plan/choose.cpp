#include "plan/choose.h"

#include <cstdlib>

namespace cnnfast {

namespace {

struct Wish {
  std::string verb, name;
};

std::vector<Wish> wishes_for(std::string_view group) {
  std::vector<Wish> wishes;
  if (group.empty()) return wishes;
  const std::string variable = concat("CNNFAST_", group);
  const char* text = std::getenv(variable.c_str());
  if (!text) return wishes;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    const auto colon = item.find(':');
    const std::string verb = item.substr(0, colon);
    if (colon == std::string::npos || (verb != "prefer" && verb != "force" && verb != "exclude"))
      value_error(variable, ": expected prefer:NAME, force:NAME or exclude:NAME, got '", item, "'");
    wishes.push_back({verb, item.substr(colon + 1)});
  }
  return wishes;
}

bool matches(std::string_view implementation, const std::string& name) {
  return implementation == name || implementation.rfind(name + "_", 0) == 0;
}

}  // namespace

Choice choose(const Problem& problem) {
  const Op& op = *problem.node.op;
  const auto list = op.implementations();
  const std::vector<Wish> wishes = wishes_for(op.group());
  const auto wished = [&](const char* verb, const Implementation& each) {
    for (const Wish& w : wishes)
      if (w.verb == verb && matches(each.name(), w.name)) return true;
    return false;
  };
  Choice choice;
  const auto note = [&](const Implementation& each, const std::string& reason) {
    choice.declined.push_back(concat(each.name(), ": ", reason));
  };

  for (const Wish& w : wishes) {
    if (w.verb != "force") continue;
    std::string reasons;
    for (const Implementation* each : list) {
      if (!matches(each->name(), w.name)) continue;
      const auto reason = each->declines(problem);
      if (!reason) {
        choice.implementation = each;
        return choice;
      }
      reasons += concat(reasons.empty() ? "" : "; ", each->name(), ": ", *reason);
    }
    value_error(op.name(), ": CNNFAST_", op.group(), "=force:", w.name, " cannot be served: ",
                reasons.empty() ? concat("there is no implementation '", w.name, "'") : reasons);
  }
  for (const Implementation* each : list) {
    if (!wished("prefer", *each)) continue;
    if (const auto reason = each->declines(problem)) {
      note(*each, *reason);
    } else {
      choice.implementation = each;
      return choice;
    }
  }
  const Implementation* excluded = nullptr;
  for (const Implementation* each : list) {
    if (wished("prefer", *each)) continue;  // already asked
    if (const auto reason = each->declines(problem)) {
      note(*each, *reason);
    } else if (wished("exclude", *each)) {
      note(*each, "excluded by the environment");
      excluded = excluded ? excluded : each;
    } else if (const auto doubt = each->discourages(problem)) {
      note(*each, *doubt);
    } else {
      choice.implementation = each;
      return choice;
    }
  }
  choice.implementation = excluded;
  if (!choice.implementation)
    throw std::logic_error(concat(op.name(),
                                  ": no implementation accepts this call; the last in "
                                  "an op's list must always be able to run"));
  return choice;
}

}  // namespace cnnfast
