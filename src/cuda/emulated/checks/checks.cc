// SPDX-License-Identifier: Apache-2.0
// What a thread of a kernel does to memory, judged: where it may, after what it must, and whether anything is there.
#include "emulated/checks/checks.h"

#include <cxxabi.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulated/checks/hooks.h"
#include "emulated/checks/shadow.h"

extern "C" {
extern const char __ehdr_start __attribute__((visibility("hidden")));  // of this module: constants lie there
extern const char _end __attribute__((visibility("hidden")));
}

namespace pygbt::device::checks {

namespace {

DeviceShadow& device() {
  static DeviceShadow shadow;
  return shadow;
}

std::atomic<std::uint64_t> last_stamp{0};

struct Span {
  std::uintptr_t begin = 0;
  std::size_t n = 0;
  Span() = default;
  explicit Span(Bytes bytes) : begin(reinterpret_cast<std::uintptr_t>(bytes.begin)), n(bytes.n) {}
  bool holds(std::uintptr_t at) const { return at - begin < n; }
};

std::string demangled(const char* name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string out = status == 0 ? text : name;
  std::free(text);
  return out;
}

// For addr2line.
std::string in_module(std::uintptr_t code) {
  std::ostringstream out;
  out << "0x" << std::hex << code - reinterpret_cast<std::uintptr_t>(&__ehdr_start) - 1;
  return out.str();
}

// Of a thread of the host that runs kernels.
class Checker {
 public:
  void begin_launch(const emulator::KernelObject& kernel, std::int64_t n_blocks) {
    kernel_ = kernel;
    launch_ = ++last_stamp;
    releases_.clear();
    findings_.clear();  // of a launch that another error has ended
    found_.clear();
    n_blocks_ = static_cast<std::size_t>(n_blocks);
  }

  void begin_block(int n_threads, Bytes shared) {
    if (shared_ == nullptr || shared_->begin != reinterpret_cast<std::uintptr_t>(shared.begin) ||
        shared_->n != shared.n)
      shared_ = std::make_unique<Region>(shared);
    std::memset(shared_->known.as<char>(), 0, shared.n);
    block_ = ++last_stamp;
    seen_.of_block.assign(n_blocks_, Seen::Arrival{});
    threads_.assign(static_cast<std::size_t>(n_threads), Thread{});
  }

  void end_launch() {
    pause();
    if (findings_.empty()) return;
    std::string text = demangled(kernel_.name) + ": ";
    for (const std::string& finding : findings_) text += finding + "\n";
    throw std::logic_error(text + "(addr2line -Cfipe <module> <code> says where)");
  }

  void go_on(const Step& step, Bytes own, Bytes place) {
    actor_ = Actor(step);
    if (!Actor::fits(step)) find("has more blocks or barriers than the checker can number", 0, 0, nullptr);
    own_ = Span(own);
    place_ = Span(place);
    watching_ = true;
  }
  void pause() { watching_ = false; }

  void begin_atomic(const void* at) {
    if (!watching_) return;
    const Aside aside(*this);
    kind_ = Kind::atomic;
    Thread& thread = threads_[actor_.thread()];
    auto& releases = releases_[at];
    if (thread.published) releases.push_back(actor_);
    thread.published = false;
    thread.asked = at;
    thread.n_released = releases.size();
  }
  void begin_glance() { kind_ = Kind::glance; }
  void end_special() { kind_ = Kind::read; }

  // What it has seen of other blocks holds from here; what it has done holds for who asks the same word later.
  void publish() {
    if (!watching_) return;
    const Aside aside(*this);
    Thread& thread = threads_[actor_.thread()];
    thread.published = true;
    if (thread.asked == nullptr) return;
    const auto& releases = releases_[thread.asked];
    for (std::size_t i = 0; i < thread.n_released; ++i)
      if (releases[i].block() != actor_.block()) seen_.of_block[releases[i].block()] = {releases[i], actor_};
    thread.asked = nullptr;
  }

  void access(std::uintptr_t at, std::size_t n, bool write, std::uintptr_t code) {
    if (!watching_ || n == 0 || own_.holds(at)) return;
    const Aside aside(*this);
    judge(at, n, kind_ == Kind::read ? (write ? Kind::write : Kind::read) : kind_, code);
  }

  void misaligned(std::uintptr_t at, std::size_t n, std::uintptr_t code) {
    if (!watching_) return;
    const Aside aside(*this);
    find("reads or writes " + std::to_string(n) + " bytes at an address that they do not divide", at, code, nullptr);
  }

 private:
  // The checker itself copies memory.
  class Aside {
   public:
    explicit Aside(Checker& checker) : checker_(checker) { checker_.watching_ = false; }
    ~Aside() { checker_.watching_ = true; }
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    Checker& checker_;
  };

  struct Thread {
    bool published = false;
    const void* asked = nullptr;  // the word of its last atomic operation
    std::size_t n_released = 0;   // blocks that had come to it
  };

  void judge(std::uintptr_t at, std::size_t n, Kind kind, std::uintptr_t code) {
    const bool shared = shared_->holds(at);
    const Region* const region = shared ? shared_.get() : device_region(at);
    if (region == nullptr) {
      if (!may_read(at))
        find("touches memory that is not the device's", at, code, nullptr);
      else if (kind != Kind::read)
        find("writes to its arguments or to a constant", at, code, nullptr);
      return;
    }
    if (n > region->n - (at - region->begin)) {
      find("goes beyond the end of its memory", at, code, nullptr);
      return;
    }
    char* const known = region->known_of(at);
    if (kind == Kind::write)
      std::memset(known, 1, n);
    else if (const std::size_t gap = region->gap_in(at, n); gap < n) {
      find("reads what was never written", at + gap, code, nullptr);
      std::memset(known, 1, n);
    }
    const std::uint64_t stamp = shared ? block_ : launch_;
    for (std::size_t i = 0; i < n; ++i) {
      const Access* const rival = region->touches_of(at + i).touch(kind, {actor_, code}, stamp, seen_);
      if (rival == nullptr) continue;
      find(kind == Kind::read || kind == Kind::glance ? "reads what another thread writes"
                                                      : "writes what another thread reads or writes",
           at + i, code, rival);
      break;
    }
  }

  const Region* device_region(std::uintptr_t at) {
    if (n_removed_ != device().n_removed()) {
      for (auto& region : recent_) region = nullptr;
      n_removed_ = device().n_removed();
    }
    for (const auto& region : recent_)
      if (region != nullptr && region->holds(at)) return region.get();
    auto found = device().find(at);
    if (found == nullptr) return nullptr;
    next_ = (next_ + 1) % std::size(recent_);
    recent_[next_] = std::move(found);
    return recent_[next_].get();
  }

  bool may_read(std::uintptr_t at) const {
    const auto module = reinterpret_cast<std::uintptr_t>(&__ehdr_start);
    return place_.holds(at) || Span({kernel_.at, kernel_.bytes}).holds(at) ||
           at - module < reinterpret_cast<std::uintptr_t>(&_end) - module;
  }

  void find(const std::string& what, std::uintptr_t at, std::uintptr_t code, const Access* rival) {
    constexpr std::size_t kMost = 20;
    if (findings_.size() >= kMost || !found_.insert({code, rival == nullptr ? 0 : rival->code}).second) return;
    std::ostringstream out;
    out << "block " << actor_.block() << ", thread " << actor_.thread() << " " << what << ", " << place_of(at)
        << ", code " << in_module(code);
    if (rival != nullptr)
      out << "; no barrier since block " << rival->who.block() << ", thread " << rival->who.thread() << ", code "
          << in_module(rival->code);
    findings_.push_back(out.str());
  }

  std::string place_of(std::uintptr_t at) {
    if (shared_->holds(at)) return "byte " + std::to_string(at - shared_->begin) + " of shared memory";
    const Region* const region = device_region(at);
    if (region == nullptr) return "an address of the host";
    return "byte " + std::to_string(at - region->begin) + " of " + std::to_string(region->n) + " on the device";
  }

  emulator::KernelObject kernel_{};
  std::uint64_t launch_ = 0, block_ = 0;
  std::size_t n_blocks_ = 0;
  std::unique_ptr<Region> shared_;
  std::shared_ptr<Region> recent_[8];
  std::size_t next_ = 0;
  std::uint64_t n_removed_ = 0;
  std::unordered_map<const void*, std::vector<Actor>> releases_;  // of an atomic word: who came, in turn
  Seen seen_;
  std::vector<Thread> threads_;
  Actor actor_;
  Span own_, place_;
  Kind kind_ = Kind::read;  // atomic or glance while such an operation goes on
  bool watching_ = false;
  std::vector<std::string> findings_;
  std::set<std::pair<std::uintptr_t, std::uintptr_t>> found_;
};

Checker& checker() {
  thread_local Checker one;
  return one;
}

}  // namespace

void allocated(Bytes memory) { device().add(memory); }
void released(const void* memory) { device().remove(memory); }

void written(Bytes memory) {
  const auto at = reinterpret_cast<std::uintptr_t>(memory.begin);
  if (const auto region = device().find(at)) std::memset(region->known_of(at), 1, memory.n);
}
void forgotten(Bytes memory) {
  const auto at = reinterpret_cast<std::uintptr_t>(memory.begin);
  if (const auto region = device().find(at)) std::memset(region->known_of(at), 0, memory.n);
}
void copied(const void* to, Bytes from) {
  const auto source = reinterpret_cast<std::uintptr_t>(from.begin), target = reinterpret_cast<std::uintptr_t>(to);
  const auto read = device().find(source), write = device().find(target);
  if (read != nullptr && write != nullptr) std::memmove(write->known_of(target), read->known_of(source), from.n);
}
void fetched(Bytes memory) {
  const auto at = reinterpret_cast<std::uintptr_t>(memory.begin);
  const auto region = device().find(at);
  if (region == nullptr || memory.n == 0) return;
  const std::size_t gap = region->gap_in(at, memory.n);
  if (gap == memory.n) return;
  throw std::logic_error("the host fetches what was never written: byte " + std::to_string(gap) + " of " +
                         std::to_string(memory.n));
}

void begin_launch(const emulator::KernelObject& kernel, std::int64_t n_blocks) {
  checker().begin_launch(kernel, n_blocks);
}
void begin_block(int n_threads, Bytes shared) { checker().begin_block(n_threads, shared); }
void end_launch() { checker().end_launch(); }
void go_on(const Step& step, Bytes own, Bytes place) { checker().go_on(step, own, place); }
void pause() { checker().pause(); }
void begin_atomic(const void* at) { checker().begin_atomic(at); }
void end_atomic() { checker().end_special(); }
void begin_glance() { checker().begin_glance(); }
void end_glance() { checker().end_special(); }
void publish() { checker().publish(); }

void access(const void* at, std::size_t n, bool write, const void* code) {
  checker().access(reinterpret_cast<std::uintptr_t>(at), n, write, reinterpret_cast<std::uintptr_t>(code));
}
void aligned_access(const void* at, std::size_t n, bool write, const void* code) {
  access(at, n, write, code);
  if (reinterpret_cast<std::uintptr_t>(at) % n != 0)
    checker().misaligned(reinterpret_cast<std::uintptr_t>(at), n, reinterpret_cast<std::uintptr_t>(code));
}

}  // namespace pygbt::device::checks
