#include "manual/visible.h"

#include <CLI/CLI.hpp>

namespace swaptrail::manual {

std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) {
    return option->nonpositional() && !option->get_group().empty();
  });
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() != 0; }

}  // namespace swaptrail::manual
