// SPDX-License-Identifier: Apache-2.0
// Workers as threads: sums and maxima as on one worker, errors agreed, no rank left waiting.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "comm/thread_comm.h"

using pygbt::Communicator;
using pygbt::ThreadComm;
using pygbt::ThreadGroup;

namespace {

void on_ranks(int size, const std::function<void(Communicator&)>& body,
              std::chrono::milliseconds limit = std::chrono::seconds(60)) {
  const auto group = std::make_shared<ThreadGroup>(size, limit);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&, rank] {
      ThreadComm comm(group, rank);
      body(comm);
    });
  }
  for (auto& rank : ranks) rank.join();
}

}  // namespace

TEST(thread_comm_reduces_and_broadcasts) {
  for (const int size : {1, 2, 5}) {
    on_ranks(size, [size](Communicator& comm) {
      for (std::int64_t round = 0; round < 200; ++round) {
        std::vector<std::int64_t> sums = {comm.rank() + round, -1};
        comm.allreduce_sum(sums);
        CHECK_EQ(sums[0], size * (size - 1) / 2 + size * round);
        CHECK_EQ(sums[1], -size);
        std::vector<double> most = {static_cast<double>(comm.rank()), -static_cast<double>(comm.rank())};
        comm.allreduce_max(most);
        CHECK(most[0] == size - 1 && most[1] == 0.0);
        const int root = static_cast<int>(round) % size;
        std::int64_t value = comm.rank() == root ? 7 * round : -1;
        comm.broadcast(std::as_writable_bytes(std::span(&value, 1)), root);
        CHECK_EQ(value, 7 * round);
        comm.agree("");
      }
    });
  }
}

TEST(thread_comm_one_error_is_everyones) {
  std::atomic<int> same{0};
  on_ranks(4, [&](Communicator& comm) {
    try {
      comm.agree(comm.rank() == 2 ? "no memory" : "");
    } catch (const std::runtime_error& error) {
      same += std::string(error.what()) == "worker 2: no memory";
    }
    comm.agree("");  // and they go on together
  });
  CHECK_EQ(same.load(), 4);
  pygbt::Solo solo;
  solo.agree("");
  CHECK_THROWS(std::runtime_error, solo.agree("alone"));
}

TEST(thread_comm_unequal_lengths_and_absent_ranks_raise) {
  std::atomic<int> raised{0};
  on_ranks(3, [&](Communicator& comm) {
    std::vector<std::int64_t> values(comm.rank() == 1 ? 2 : 3, 1);
    try {
      comm.allreduce_sum(values);
    } catch (const std::runtime_error&) {
      ++raised;
    }
  });
  CHECK_EQ(raised.load(), 3);
  raised = 0;
  const auto late = std::chrono::milliseconds(50);
  on_ranks(
      3,
      [&](Communicator& comm) {
        if (comm.rank() == 0) return;
        try {
          comm.agree("");
        } catch (const std::runtime_error&) {
          ++raised;
        }
      },
      late);
  CHECK_EQ(raised.load(), 2);
}
