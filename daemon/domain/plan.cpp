#include "daemon/domain/plan.hpp"

namespace sovirt {

void Plan::add(std::string action, Json args, std::string description, bool disruptive) {
  steps.push_back({std::move(action), std::move(args), std::move(description), disruptive});
}

Json write_steps(const Plan& plan) {
  Json list = Json::array();
  for (const Step& step : plan.steps)
    list.push_back({{"action", step.action}, {"args", step.args}, {"description", step.description}});
  return list;
}

Plan read_steps(const Json& list, bool forward) {
  Plan plan;
  plan.forward = forward;
  for (const Json& step : list)
    plan.add(step.at("action").get<std::string>(), step.at("args"), step.at("description").get<std::string>());
  return plan;
}

Json show_plan(const Plan& plan, const std::string& object, std::string_view change) {
  Json steps = Json::array();
  bool disruptive = false;
  for (const Step& step : plan.steps) {
    steps.push_back({{"number", steps.size() + 1},
                     {"action", step.action},
                     {"description", step.description},
                     {"disruptive", step.disruptive},
                     {"args", step.args}});
    disruptive = disruptive || step.disruptive;
  }
  return {{"object", object}, {"change", change}, {"disruptive", disruptive}, {"steps", std::move(steps)}};
}

}  // namespace sovirt
