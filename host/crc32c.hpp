// crc32c.hpp: CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), the journal's checksum.
#pragma once

#include <cstdint>
#include <string_view>

namespace winnow {

// crc32c("123456789") is 0xE3069283. Goes on from `seed`: crc32c(b, crc32c(a)) is the checksum of a
// followed by b. Uses the SSE4.2 instruction where the processor has it. [any thread]
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

// The same value by tables alone, on every processor.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace winnow
