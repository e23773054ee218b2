// A page of Linux 4.4 that a test takes through its functions by hand.
#pragma once

#include <gtest/gtest.h>

#include "engine/generations/linux_4_4.h"
#include "tests/engine/hand_machine.h"

namespace swaptrail::engine::linux_4_4 {

inline const scan_control kControl;

class Linux44 : public ::testing::Test {
 protected:
  Machine& machine() { return hand_.machine(); }
  uint64_t written() const { return hand_.so_far().swapped_out_pages; }
  uint64_t count_present(uint32_t process, uint64_t page) {
    return machine().entry_of(process, page).present();
  }
  // Takes it through the functions up to the end of its write.
  Folio& written_page(uint64_t page) {
    Folio& folio = hand_.locked(page);
    EXPECT_EQ(add_to_swap(folio, machine()), 1);
    EXPECT_EQ(try_to_unmap(folio, TTU_UNMAP, machine()), SWAP_SUCCESS);
    EXPECT_EQ(pageout(folio, page_mapping(folio), kControl, machine()), PAGE_SUCCESS);
    machine().wait_for_writes();
    EXPECT_TRUE(machine().world().lock(folio));
    return folio;
  }

  HandMachine hand_{"4.4", 128, 1000};
};

}  // namespace swaptrail::engine::linux_4_4
