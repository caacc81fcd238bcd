// What the instruction is on each kind of processor; where there is none, `Bytes` has tables.

#include "checksum.h"

#include <string.h>

#if defined(__x86_64__)

#include <nmmintrin.h>

bool checksum_has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }

#define WITH_CRC32C __attribute__((target("sse4.2")))
#define STEP_WORD(crc, word) ((uint32_t)_mm_crc32_u64(crc, word))
#define STEP_BYTE(crc, byte) _mm_crc32_u8(crc, byte)

#elif defined(__aarch64__) && defined(__linux__)

#include <asm/hwcap.h>
#include <sys/auxv.h>

bool checksum_has_crc32c(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

#define WITH_CRC32C __attribute__((target("crc")))
#define STEP_WORD(crc, word) __builtin_arm_crc32cd(crc, word)
#define STEP_BYTE(crc, byte) __builtin_arm_crc32cb(crc, byte)

#else

bool checksum_has_crc32c(void) { return false; }

#define WITH_CRC32C
#define STEP_WORD(crc, word) (__builtin_trap(), (void)(word), crc)
#define STEP_BYTE(crc, byte) (__builtin_trap(), (void)(byte), crc)

#endif

WITH_CRC32C uint32_t checksum_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t), bytes += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        crc = STEP_WORD(crc, word);
    }
    for (; count > 0; count--, bytes++) crc = STEP_BYTE(crc, *bytes);
    return crc;
}
