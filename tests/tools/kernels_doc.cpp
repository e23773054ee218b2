// Writes the table of functions in docs/KERNELS.md anew, from the attach plans of the tested kernels.
//
//   kernels_doc ROOT
#include <cstdio>

#include "tests/scene/hook_functions.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string root = argv[1], path = root + "/docs/KERNELS.md";
  std::string page = swaptrail::text_of_file(path);
  const auto table = swaptrail::function_table(root);
  const size_t head = page.find(swaptrail::kFunctionsHead);
  if (!table.ok() || head == std::string::npos) {
    const std::string why =
        table.ok() ? "no table in " + path : std::string(table.status().message());
    std::fprintf(stderr, "kernels_doc: %s\n", why.c_str());
    return 1;
  }
  const size_t begin = head + swaptrail::kFunctionsHead.size();
  page.replace(begin, page.find("\n\n", begin) + 1 - begin, *table);
  std::ofstream file(path, std::ios::binary);
  file << page << std::flush;
  return file ? 0 : 1;
}
