// RocksDB's own faulty environment behind a C interface.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <random>

#include "rocksdb/env.h"
#include "utilities/fault_injection_env.h"

// As RocksDB's C interface has it: what Env::from_raw takes, and rocksdb_env_destroy frees.
struct rocksdb_env_t {
  rocksdb::Env* rep;
  bool is_default;
};

namespace {

constexpr off_t kSectorBytes = 512;

enum Unsynced : uint32_t { kLost = 0, kTorn = 1, kReordered = 2 };

// Cuts the part of one file that was not synced, or writes zeros over some of its sectors.
bool Damage(const rocksdb::FileState& state, Unsynced unsynced, std::mt19937& random) {
  const off_t synced = std::max<off_t>(state.pos_at_last_sync_, 0);
  const off_t written = std::max<off_t>(state.pos_, synced);
  off_t kept = synced;
  if (unsynced != kLost) kept += static_cast<off_t>(random() % static_cast<uint64_t>(written - synced + 1));
  if (truncate(state.filename_.c_str(), kept) != 0) return false;
  if (unsynced != kReordered) return true;
  const int file = open(state.filename_.c_str(), O_WRONLY);
  if (file < 0) return false;
  const char zeros[kSectorBytes] = {};
  bool whole = true;
  for (off_t at = synced; at < kept; at = (at / kSectorBytes + 1) * kSectorBytes) {
    const size_t length = std::min((at / kSectorBytes + 1) * kSectorBytes, kept) - at;
    if (random() % 4 == 0) whole = whole && pwrite(file, zeros, length, at) == static_cast<ssize_t>(length);
  }
  return close(file) == 0 && whole;
}

// Without power nobody waits: RocksDB would sleep a second after each failed write in the background.
class Disk : public rocksdb::FaultInjectionTestEnv {
 public:
  Disk() : rocksdb::FaultInjectionTestEnv(rocksdb::Env::Default()) {}

  void SleepForMicroseconds(int microseconds) override {
    if (IsFilesystemActive()) rocksdb::FaultInjectionTestEnv::SleepForMicroseconds(microseconds);
  }
};

}  // namespace

extern "C" {

// The environment frees itself with the pointer that rocksdb_env_destroy deletes; `disk` is the same object.
rocksdb_env_t* entente_disk_new(rocksdb::FaultInjectionTestEnv** disk) {
  *disk = new Disk();
  return new rocksdb_env_t{*disk, false};
}

void entente_disk_cut_power(rocksdb::FaultInjectionTestEnv* disk) {
  disk->SetFilesystemActive(false, rocksdb::Status::Corruption("the power is gone"));
}

bool entente_disk_restore_power(rocksdb::FaultInjectionTestEnv* disk, uint32_t unsynced, uint32_t seed) {
  std::mt19937 random(seed);
  disk->SetFilesystemActive(true);
  rocksdb::Status status = disk->DropFileData([&](rocksdb::Env*, const rocksdb::FileState& state) {
    return Damage(state, static_cast<Unsynced>(unsynced), random) ? rocksdb::Status::OK()
                                                                  : rocksdb::Status::IOError(state.filename_);
  });
  if (!status.ok()) return false;
  // A new file whose folder was not synced has no name.
  status = disk->DeleteFilesCreatedAfterLastDirSync();
  disk->ResetState();
  return status.ok();
}
}
