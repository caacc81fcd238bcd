// CRC-32C by the processor's own instruction, for `Bytes`.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Whether this processor has the instruction. The other function must not be called where it has not.
bool checksum_has_crc32c(void);

/// Goes on from `crc`, which is not inverted, over `count` bytes.
uint32_t checksum_crc32c(uint32_t crc, const uint8_t *bytes, size_t count);
